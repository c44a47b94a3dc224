"""A destination as a whole: whether it takes nothing just now, and since when it does again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, func, select, update

from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, DeliveryState
from bridge.store.tables import deliveries, delivery_attempts

# One failure may pass by itself; so many say that the next delivery would fail as well.
FAILURES_BEFORE_REST = 3
PATIENT_UNKNOWN, CLAIM_UNKNOWN, VERSION_CONFLICT = "patient_unknown", "claim_unknown", "version"
# What a server lacks of one patient, or somebody keeps changing there: others' deliveries it takes all the same.
_OF_ONE_ALONE = (PATIENT_UNKNOWN, CLAIM_UNKNOWN, VERSION_CONFLICT)


def rests_until(tx: ReadTx, delivery: Delivery, outcomes: Collection[str], now: datetime) -> datetime | None:
    """
    Return when another delivery to the same destination is tried again, whose last tries ended in one of *outcomes*.

    None if there is none: then *delivery* may go.
    """
    failing = (
        select(func.max(deliveries.c.next_at))
        .select_from(deliveries)
        .join(delivery_attempts, delivery_attempts.c.key == _last_attempt())
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


def speaks_for_its_lane() -> ColumnElement[bool]:
    """Say whether what a delivery failed with last may be its destination's fault, and not one patient's matter alone."""
    last = (delivery_attempts.c.key == _last_attempt(), delivery_attempts.c.outcome.in_(_OF_ONE_ALONE))
    return ~select(delivery_attempts.c.key).where(*last).correlate(deliveries).exists()


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


def _last_attempt() -> ScalarSelect[int]:
    tried = delivery_attempts.alias("tried")
    last = select(func.max(tried.c.key)).where(tried.c.delivery_key == deliveries.c.key)
    return last.correlate(deliveries).scalar_subquery()
