"""A destination as a whole: whether it takes nothing just now, and since when it does again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select, update

from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, DeliveryState
from bridge.store.tables import deliveries, delivery_attempts

# One failure may pass by itself; so many say that the next delivery would fail as well.
FAILURES_BEFORE_REST = 3


def rests_until(tx: ReadTx, delivery: Delivery, outcomes: Collection[str], now: datetime) -> datetime | None:
    """
    Return when another delivery to the same destination is tried again, whose last tries ended in one of *outcomes*.

    None if there is none: then *delivery* may go.
    """
    last = (
        select(func.max(delivery_attempts.c.key))
        .where(delivery_attempts.c.delivery_key == deliveries.c.key)
        .correlate(deliveries)
        .scalar_subquery()
    )
    failing = (
        select(func.max(deliveries.c.next_at))
        .join(delivery_attempts, delivery_attempts.c.key == last)
        .where(
            deliveries.c.state == DeliveryState.PENDING.value,
            deliveries.c.next_at > now,
            deliveries.c.topic == delivery.topic,
            deliveries.c.destination == delivery.destination,
            deliveries.c.key != delivery.key,
            deliveries.c.attempts >= FAILURES_BEFORE_REST,
            delivery_attempts.c.outcome.in_(sorted(outcomes)),
        )
    )
    until: datetime | None = tx.execute(failing).scalar()
    return until


def resume(tx: WriteTx, delivery: Delivery, at: datetime) -> None:
    """Let what waited for its destination go now: *delivery* got through."""
    tx.execute(
        update(deliveries)
        .where(
            deliveries.c.topic == delivery.topic,
            deliveries.c.destination == delivery.destination,
            deliveries.c.state == DeliveryState.PENDING.value,
            deliveries.c.next_at > at,
        )
        .values(next_at=at, updated_at=at)
    )
