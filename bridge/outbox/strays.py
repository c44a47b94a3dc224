"""Deliveries for a destination that nobody here sends to: held with the reason, rather than waiting unseen."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

from sqlalchemy import select, tuple_, update

from bridge.outbox.claim import Lane
from bridge.store.db import WriteTx
from bridge.store.deliveries import NOT_HELD, DeliveryState, HoldKind
from bridge.store.tables import deliveries

REASON = "its destination is not configured"


def settle(tx: WriteTx, lanes: Set[Lane], at: datetime) -> None:
    """Hold what waits for other places than *lanes*; free what was held for that and now has its place."""
    lane = tuple_(deliveries.c.topic, deliveries.c.destination)
    waiting = deliveries.c.state == DeliveryState.PENDING.value
    known = {(row[0], row[1]) for row in tx.execute(select(deliveries.c.topic, deliveries.c.destination).distinct())}
    strays, served = sorted(known - lanes), sorted(known & lanes)
    if strays:
        tx.execute(
            update(deliveries)
            .where(waiting, lane.in_(strays))
            .values(
                state=DeliveryState.HELD.value,
                held_reason=REASON,
                hold_kind=HoldKind.DESTINATION.value,
                updated_at=at,
            )
        )
    if served:
        tx.execute(
            update(deliveries)
            .where(deliveries.c.hold_kind == HoldKind.DESTINATION.value, lane.in_(served))
            .values(state=DeliveryState.PENDING.value, next_at=at, updated_at=at, **NOT_HELD)
        )
