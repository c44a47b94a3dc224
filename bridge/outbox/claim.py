"""Taking a delivery out of the queue, by a lease that ends by itself and a fence that tells a late owner it lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.exc import IntegrityError

from bridge.store import deliveries as store
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Attempt, Delivery, DeliveryState
from bridge.store.tables import deliveries

Lane = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in this process's hands until its lease ends, unless it is extended."""

    delivery: Delivery
    claimed_at: datetime

    @property
    def key(self) -> int:
        return self.delivery.key

    @property
    def fence(self) -> int:
        return self.delivery.fence


def lanes_with_work(tx: ReadTx, now: datetime) -> set[Lane]:
    """Return the (topic, destination) pairs that have something to claim."""
    rows = tx.execute(select(deliveries.c.topic, deliveries.c.destination).where(_is_due(now)).distinct())
    return {(row[0], row[1]) for row in rows}


def claim(tx: WriteTx, lane: Lane, owner: str, now: datetime, lease: timedelta) -> Claimed | None:
    """
    Take the delivery of *lane* that has been due the longest, None if there is none.

    One whose lease ended comes back first of all, as a new attempt: its process died or lost its lease; then the most
    urgent ones. A delivery never starts while another one of the same work is in flight.
    """
    in_flight = deliveries.alias("in_flight")
    blocked = exists().where(
        in_flight.c.topic == deliveries.c.topic,
        in_flight.c.destination == deliveries.c.destination,
        in_flight.c.order_of == deliveries.c.order_of,
        in_flight.c.state == DeliveryState.SENDING.value,
    )
    free = or_(deliveries.c.state == DeliveryState.SENDING.value, ~blocked)
    row = tx.execute(
        select(deliveries.c.key)
        .where(deliveries.c.topic == lane[0], deliveries.c.destination == lane[1], _is_due(now), free)
        .order_by(deliveries.c.state.desc(), deliveries.c.urgency.desc(), deliveries.c.next_at, deliveries.c.key)
        .limit(1)
        .with_for_update(skip_locked=True, of=deliveries)
    ).first()
    return None if row is None else _take(tx, store.get(tx, row.key), owner, now, lease)


def extend(tx: WriteTx, claimed: Iterable[Claimed], owner: str, until: datetime) -> None:
    """Keep what is in this process's hands; what it lost meanwhile stays lost."""
    for one in claimed:
        tx.execute(
            update(deliveries)
            .where(deliveries.c.key == one.key, deliveries.c.fence == one.fence, deliveries.c.lease_owner == owner)
            .where(deliveries.c.state == DeliveryState.SENDING.value)
            .values(lease_until=until)
        )


def is_ours(tx: ReadTx, claimed: Claimed) -> bool:
    """Say whether the lease is still this claim's."""
    row = tx.execute(select(deliveries.c.fence, deliveries.c.state).where(deliveries.c.key == claimed.key)).first()
    return row is not None and row.fence == claimed.fence and row.state == DeliveryState.SENDING.value


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(deliveries.c.state == DeliveryState.PENDING.value, deliveries.c.next_at <= now),
        and_(deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.lease_until < now),
    )


def _take(tx: WriteTx, found: Delivery, owner: str, now: datetime, lease: timedelta) -> Claimed | None:
    if found.state == DeliveryState.SENDING:
        began = found.updated_at or now
        store.add_attempt(tx, Attempt(found.key, began, None, "lost", "no end was recorded", found.lease_owner))
    try:
        with tx.begin_nested():
            store.change(
                tx,
                found.key,
                state=DeliveryState.SENDING.value,
                attempts=found.attempts + 1,
                fence=found.fence + 1,
                lease_owner=owner,
                lease_until=now + lease,
                detail="",
                updated_at=now,
            )
    except IntegrityError:
        # Another node took the same work in the same moment; the unique index decided for it.
        return None
    return Claimed(store.get(tx, found.key), now)
