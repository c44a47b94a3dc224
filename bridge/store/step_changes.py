"""What became of scheduled steps here without a device's or a message's word; append-only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select

from bridge.domain.order import StepStatus
from bridge.domain.performed import ChangeCause
from bridge.domain.step_change import StepChange
from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import step_changes

_OF_ORDER = Prepared(
    select(step_changes).where(step_changes.c.order_key == bindparam("order_key")).order_by(step_changes.c.key)
)


def add(tx: WriteTx, changes: Iterable[StepChange], at: datetime) -> None:
    """Write down what was changed."""
    rows: list[dict[str, Any]] = [asdict(one) | {"changed_at": at} for one in changes]
    if rows:
        tx.execute(insert(step_changes), rows)


def of_order(tx: ReadTx, order_key: int) -> list[StepChange]:
    """Return what was changed of an order's steps, oldest first."""
    return [_change(row) for row in _OF_ORDER.all(tx, order_key=order_key)]


def _change(row: Any) -> StepChange:
    return StepChange(
        order_key=row.order_key,
        step_key=row.step_key,
        was=StepStatus(row.was),
        status=StepStatus(row.status),
        cause=ChangeCause(row.cause),
        actor=row.actor,
        reason=row.reason,
        changed_at=row.changed_at,
    )
