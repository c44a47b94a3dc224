"""How work comes to wait in the outbox: a new row, or folded into the one of the same work that waits already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, or_, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.store.db import WriteTx
from bridge.store.deliveries import FREED_BY_NEWS, DeliveryState, HoldKind
from bridge.store.prepared import Prepared
from bridge.store.tables import deliveries

_WAITING_INDEX = text("state IN ('pending', 'held')")
_WAITING_COLUMNS = (
    "topic",
    "destination",
    "order_of",
    "study_key",
    "order_key",
    "attachment_key",
    "state",
    "next_at",
    "held_reason",
    "hold_kind",
    "urgency",
    "created_at",
    "updated_at",
)


def _add_or_merge(statement: Any) -> Prepared:
    """Prepare what stores a waiting row; *statement*: a dialect's INSERT, as each has its own ON CONFLICT."""
    old, said = deliveries.c, statement.excluded
    seen_again = and_(old.state == DeliveryState.HELD.value, or_(*(old.hold_kind == kind for kind in FREED_BY_NEWS)))
    freed = and_(seen_again, said.state == DeliveryState.PENDING.value)
    earlier = and_(old.state == DeliveryState.PENDING.value, old.attempts == 0, said.next_at < old.next_at)
    other_reason = and_(seen_again, said.held_reason != old.held_reason)
    more_urgent = said.urgency > old.urgency
    merged = statement.on_conflict_do_update(
        index_elements=["topic", "destination", "order_of"],
        index_where=_WAITING_INDEX,
        set_={
            "state": case((freed, said.state), else_=old.state),
            "next_at": case((or_(freed, earlier), said.next_at), else_=old.next_at),
            "held_reason": case((seen_again, said.held_reason), else_=old.held_reason),
            "hold_kind": case((seen_again, said.hold_kind), else_=old.hold_kind),
            "urgency": case((more_urgent, said.urgency), else_=old.urgency),
            "updated_at": said.updated_at,
        },
        where=or_(freed, earlier, other_reason, more_urgent),
    )
    return Prepared(merged, _WAITING_COLUMNS)


_ADD_OR_MERGE = {
    "sqlite": _add_or_merge(sqlite_insert(deliveries)),
    "postgresql": _add_or_merge(postgresql_insert(deliveries)),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a new waiting row says; held_reason "" makes it pending, another one holds it for an identity."""

    topic: str
    destination: str
    order_of: str
    study_key: int | None
    order_key: int | None
    attachment_key: int | None
    next_at: datetime
    held_reason: str = ""
    urgency: int = 0


def add_or_merge(tx: WriteTx, new: Waiting, at: datetime) -> None:
    """Store *new*, or fold it into the row of the same work that waits. The rules stand at `outbox.enqueue.enqueue`."""
    state = DeliveryState.HELD if new.held_reason else DeliveryState.PENDING
    _ADD_OR_MERGE[tx.dialect.name].run(
        tx,
        topic=new.topic,
        destination=new.destination,
        order_of=new.order_of,
        study_key=new.study_key,
        order_key=new.order_key,
        attachment_key=new.attachment_key,
        state=state.value,
        next_at=new.next_at,
        held_reason=new.held_reason,
        hold_kind=(HoldKind.IDENTITY if new.held_reason else HoldKind.NONE).value,
        urgency=new.urgency,
        created_at=at,
        updated_at=at,
    )
