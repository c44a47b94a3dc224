"""Rows of the outbox: what waits, what is in flight, what was tried. Their meaning stands in `bridge/outbox`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, delete, exists, func, insert, or_, select, update

from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import deliveries, delivery_attempts, orders, publications, studies


class DeliveryState(StrEnum):
    """pending waits for its time, held for a person or a binding; dead failed for good (settled: a person dropped it)."""

    PENDING = "pending"
    SENDING = "sending"
    HELD = "held"
    SENT = "sent"
    DEAD = "dead"


class HoldKind(StrEnum):
    """
    What a held delivery waits for. identity: a binding; receiver: that its place takes or does what it did not;
    objects: something about the objects themselves; restore: a person's look after a restore; destination: its place in the settings.
    """

    NONE = ""
    IDENTITY = "identity"
    RECEIVER = "receiver"
    OBJECTS = "objects"
    RESTORE = "restore"
    DESTINATION = "destination"


NOT_HELD = {"held_reason": "", "hold_kind": HoldKind.NONE.value}
# Whether these still hold is seen again whenever there is news of their work.
FREED_BY_NEWS = (HoldKind.IDENTITY.value, HoldKind.RECEIVER.value, HoldKind.OBJECTS.value)

_WAITING = (DeliveryState.PENDING.value, DeliveryState.HELD.value)
_has_attempt = exists().where(delivery_attempts.c.delivery_key == deliveries.c.key).correlate(deliveries)
_OF_STUDY = Prepared(
    select(deliveries).where(deliveries.c.study_key == bindparam("study_key")).order_by(deliveries.c.key.desc())
)
_WAS_TRIED = Prepared(
    select(deliveries.c.key)
    .where(
        deliveries.c.topic == bindparam("topic"),
        deliveries.c.destination == bindparam("destination"),
        deliveries.c.order_of == bindparam("order_of"),
        _has_attempt,
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    One row of the outbox.

    attempts: how often it was claimed since it was queued or last sent on by a person. fence: rises with each claim.
    held_reason, last_error, detail: sentences without patient data. hold_kind: what frees it.
    """

    key: int
    topic: str
    destination: str
    order_of: str
    state: DeliveryState
    attempts: int
    next_at: datetime
    study_key: int | None = None
    order_key: int | None = None
    attachment_key: int | None = None
    lease_owner: str = ""
    lease_until: datetime | None = None
    fence: int = 0
    held_reason: str = ""
    hold_kind: HoldKind = HoldKind.NONE
    last_error: str = ""
    detail: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    settled_at: datetime | None = None
    urgency: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, append-only. outcome: "sent", a fault's code, or "lost" when its process never came back."""

    delivery_key: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    detail: str = ""
    node: str = ""


def get(tx: ReadTx, key: int) -> Delivery:
    """Return the delivery in row *key*. Raises: LookupError."""
    row = tx.execute(select(deliveries).where(deliveries.c.key == key)).first()
    if row is None:
        raise LookupError(f"no delivery {key}")
    return _delivery(row)


def search(
    tx: ReadTx, state: DeliveryState | None = None, limit: int = 100, before_key: int | None = None
) -> list[Delivery]:
    """Return deliveries, newest first, in one *state* or in any. before_key: where the page before ended."""
    query = select(deliveries).order_by(deliveries.c.key.desc()).limit(limit)
    if state is not None:
        query = query.where(deliveries.c.state == state.value)
    if before_key is not None:
        query = query.where(deliveries.c.key < before_key)
    return _list(tx, query)


def of_study(tx: ReadTx, study_key: int) -> list[Delivery]:
    """Return the deliveries about a study, newest first."""
    return [_delivery(row) for row in _OF_STUDY.all(tx, study_key=study_key)]


def attempts_of(tx: ReadTx, delivery_key: int) -> list[Attempt]:
    """Return what was tried, oldest first."""
    rows = tx.execute(
        select(delivery_attempts)
        .where(delivery_attempts.c.delivery_key == delivery_key)
        .order_by(delivery_attempts.c.key)
    )
    return [Attempt(**{name: getattr(row, name) for name in Attempt.__slots__}) for row in rows]


def counts(tx: ReadTx) -> dict[tuple[str, str, str], int]:
    """Return how many deliveries there are by (topic, destination, state); dropped ones are not counted."""
    rows = tx.execute(
        select(deliveries.c.topic, deliveries.c.destination, deliveries.c.state, func.count())
        .where(or_(deliveries.c.state != DeliveryState.DEAD.value, deliveries.c.settled_at.is_(None)))
        .group_by(deliveries.c.topic, deliveries.c.destination, deliveries.c.state)
    )
    return {(row[0], row[1], row[2]): int(row[3]) for row in rows}


def waiting(tx: ReadTx, topic: str, destination: str, order_of: str) -> Delivery | None:
    """Return the one delivery of this work that waits, None if none does."""
    row = tx.execute(
        select(deliveries).where(
            deliveries.c.topic == topic,
            deliveries.c.destination == destination,
            deliveries.c.order_of == order_of,
            deliveries.c.state.in_(_WAITING),
        )
    ).first()
    return None if row is None else _delivery(row)


def newest_of_work(tx: ReadTx, topic: str, destination: str, order_of: str) -> Delivery | None:
    """Return the last delivery that was made of this work, None if there never was one."""
    found = of_works(tx, [order_of])
    return next((one for one in found if (one.topic, one.destination) == (topic, destination)), None)


def of_works(tx: ReadTx, orders_of: Collection[str]) -> list[Delivery]:
    """Return the deliveries of these works, wherever they go, newest first."""
    wanted = select(deliveries).where(deliveries.c.order_of.in_(orders_of)).order_by(deliveries.c.key.desc())
    return _list(tx, wanted)


def has_twin(tx: ReadTx, delivery: Delivery) -> bool:
    """Say whether another delivery of the same work waits or is in flight."""
    return bool(
        tx.execute(
            select(
                exists().where(
                    _same_work(delivery),
                    deliveries.c.key != delivery.key,
                    deliveries.c.state.in_([*_WAITING, DeliveryState.SENDING.value]),
                )
            )
        ).scalar()
    )


def was_tried(tx: ReadTx, topic: str, destination: str, order_of: str) -> bool:
    """Say whether anything of this work was ever sent, or may have been."""
    return _WAS_TRIED.scalar(tx, topic=topic, destination=destination, order_of=order_of) is not None


def in_flight(tx: ReadTx, study_key: int | None = None, attachment_key: int | None = None) -> list[Delivery]:
    """Return what is being sent of a study or of an attachment."""
    return _list(tx, select(deliveries).where(_is_sending(), _about(study_key, attachment_key)))


def tried_of_attachment(tx: ReadTx, attachment_key: int) -> list[Delivery]:
    """Return the deliveries of an attachment that are in flight or were ever tried: what they wrote may stand."""
    return _list(tx, select(deliveries).where(_about(None, attachment_key), or_(_has_attempt, _is_sending())))


# Topics of what tells somebody that what they have is not what it was sent as.
RECALLS = ("rejection",)


def places_tried(tx: ReadTx, topic: str, order_of: str) -> list[str]:
    """Return where anything of this work was sent, may have been, or is being sent."""
    mine = and_(deliveries.c.topic == topic, deliveries.c.order_of == order_of, or_(_has_attempt, _is_sending()))
    return list(tx.execute(select(deliveries.c.destination).where(mine).distinct()).scalars())


def told_of_orders(
    tx: ReadTx, topic: str, patient_keys: Collection[int], order_keys: Collection[int]
) -> list[tuple[str, str, int]]:
    """Return (destination, order_of, order_key) of all work that was ever queued of these orders, or of these patients' orders."""
    meant = select(orders.c.key).where(or_(orders.c.patient_key.in_(patient_keys), orders.c.key.in_(order_keys)))
    query = select(deliveries.c.destination, deliveries.c.order_of, deliveries.c.order_key)
    rows = tx.execute(query.where(deliveries.c.order_key.in_(meant), deliveries.c.topic == topic).distinct())
    return [(row[0], row[1], row[2]) for row in rows]


def may_stand_outside(tx: ReadTx, study_key: int, topic: str) -> set[tuple[str, str]]:
    """Return (destination, order_of) of everything of a study that was published, is in flight or was ever tried."""
    tried = tx.execute(
        select(deliveries.c.destination, deliveries.c.order_of)
        .where(deliveries.c.study_key == study_key, deliveries.c.topic == topic, or_(_has_attempt, _is_sending()))
        .distinct()
    )
    published = tx.execute(
        select(publications.c.server, studies.c.study_instance_uid)
        .join(studies, studies.c.key == publications.c.study_key)
        .where(publications.c.study_key == study_key, publications.c.retired_at.is_(None))
        .distinct()
    )
    return {(row[0], row[1]) for row in tried} | {(row[0], row[1]) for row in published}


def hold_waiting(
    tx: WriteTx, reason: str, at: datetime, study_key: int | None = None, attachment_key: int | None = None
) -> None:
    """
    Hold what waits of a study or of an attachment for its identity; what a restore or the settings hold stays so.

    What takes back something that is outside goes all the same.
    """
    tx.execute(
        update(deliveries)
        .where(or_(deliveries.c.state == DeliveryState.PENDING.value, _is_freed_by_news()))
        .where(_about(study_key, attachment_key), deliveries.c.topic.not_in(RECALLS))
        .values(state=DeliveryState.HELD.value, held_reason=reason, hold_kind=HoldKind.IDENTITY.value, updated_at=at)
    )


def release_held(tx: WriteTx, at: datetime, study_key: int | None = None, attachment_key: int | None = None) -> None:
    """Let what is held of a study or of an attachment go now, but for what a restore or the settings hold."""
    tx.execute(
        update(deliveries)
        .where(_is_freed_by_news(), _about(study_key, attachment_key))
        .values(state=DeliveryState.PENDING.value, next_at=at, updated_at=at, **NOT_HELD)
    )


def release_work(tx: WriteTx, topic: str, order_of: str, at: datetime) -> None:
    """Let what is held of one work go now, wherever it is to go, but for what a restore or the settings hold."""
    tx.execute(
        update(deliveries)
        .where(_is_freed_by_news(), deliveries.c.topic == topic, deliveries.c.order_of == order_of)
        .values(state=DeliveryState.PENDING.value, next_at=at, updated_at=at, **NOT_HELD)
    )


def bring_forward(tx: WriteTx, study_key: int, topic: str, at: datetime) -> None:
    """Make a study's pending deliveries of *topic* due at *at* if they are due later."""
    tx.execute(
        update(deliveries)
        .where(
            deliveries.c.study_key == study_key,
            deliveries.c.topic == topic,
            deliveries.c.state == DeliveryState.PENDING.value,
            deliveries.c.next_at > at,
        )
        .values(next_at=at, updated_at=at)
    )


@dataclass(frozen=True, slots=True)
class Lanes:
    """What is on its way to one place. kind: of the resources of a chart, "" for whatever *topics* bring."""

    topics: tuple[str, ...]
    destination: str
    kind: str = ""

    @property
    def waiting(self) -> ColumnElement[bool]:
        """What of it waits."""
        c = deliveries.c
        mine = [c.topic.in_(self.topics), c.destination == self.destination, c.state == DeliveryState.PENDING.value]
        return and_(*mine, *([c.order_of.startswith(f"{self.kind}:")] if self.kind else []))


def put_off(tx: WriteTx, lanes: Lanes, until: datetime) -> None:
    """Make everything of *lanes* that is due earlier due at *until*."""
    tx.execute(update(deliveries).where(lanes.waiting, deliveries.c.next_at < until).values(next_at=until))


def next_of_older(tx: ReadTx, lanes: Lanes, key: int, last_error: str) -> datetime | None:
    """Return when the oldest of *lanes* that failed with the same words, and is older than row *key*, is due; None for none."""
    older = (lanes.waiting, deliveries.c.key < key, deliveries.c.last_error == last_error)
    query = select(deliveries.c.next_at).where(*older).order_by(deliveries.c.key).limit(1)
    found: datetime | None = tx.execute(query).scalar()
    return found


def make_pending(tx: WriteTx, key: int, at: datetime) -> None:
    """Start a delivery over, due now."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.key == key)
        .values(state=DeliveryState.PENDING.value, attempts=0, next_at=at, settled_at=None, updated_at=at, **NOT_HELD)
    )


def put_aside(tx: WriteTx, key: int, detail: str, at: datetime) -> None:
    """Make a delivery dead for good, with the reason."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.key == key)
        .values(state=DeliveryState.DEAD.value, detail=detail, settled_at=at, updated_at=at, **NOT_HELD)
    )


def add_attempt(tx: WriteTx, attempt: Attempt) -> None:
    """Append one try."""
    tx.execute(insert(delivery_attempts).values(**{name: getattr(attempt, name) for name in Attempt.__slots__}))


def remove_waiting_twin(tx: WriteTx, delivery: Delivery) -> Delivery | None:
    """Take away the delivery that was queued behind *delivery* while it was in flight, and return it."""
    twin = waiting(tx, delivery.topic, delivery.destination, delivery.order_of)
    if twin is not None:
        tx.execute(delete(deliveries).where(deliveries.c.key == twin.key))
    return twin


def change(tx: WriteTx, key: int, **values: Any) -> None:
    """Write columns of one row."""
    tx.execute(update(deliveries).where(deliveries.c.key == key).values(**values))


def _same_work(delivery: Delivery) -> ColumnElement[bool]:
    return and_(
        deliveries.c.topic == delivery.topic,
        deliveries.c.destination == delivery.destination,
        deliveries.c.order_of == delivery.order_of,
    )


def _about(study_key: int | None, attachment_key: int | None) -> ColumnElement[bool]:
    if (study_key is None) == (attachment_key is None):
        raise AssertionError("a study or an attachment")
    if study_key is not None:
        return deliveries.c.study_key == study_key
    return deliveries.c.attachment_key == attachment_key


def _is_sending() -> ColumnElement[bool]:
    return deliveries.c.state == DeliveryState.SENDING.value


def _is_freed_by_news() -> ColumnElement[bool]:
    return and_(deliveries.c.state == DeliveryState.HELD.value, deliveries.c.hold_kind.in_(FREED_BY_NEWS))


def _list(tx: ReadTx, query: Select[Any]) -> list[Delivery]:
    return [_delivery(row) for row in tx.execute(query)]


def _delivery(row: Row[Any]) -> Delivery:
    said = {"state": DeliveryState(row.state), "hold_kind": HoldKind(row.hold_kind)}
    return Delivery(**{name: getattr(row, name) for name in Delivery.__slots__} | said)
