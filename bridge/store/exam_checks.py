"""What is to be looked at when its time comes: a study whose images may have stopped, a performed step left open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import exam_checks

_INSERTS: dict[str, Any] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}
_WATCH = {
    (dialect, column): Prepared(insert(exam_checks).on_conflict_do_nothing(index_elements=[column]), [column, "due_at"])
    for dialect, insert in _INSERTS.items()
    for column in ("study_key", "performed_step_key")
}
_NEXT = Prepared(
    select(exam_checks).where(exam_checks.c.due_at <= bindparam("now")).order_by(exam_checks.c.due_at).limit(1)
)


@dataclass(frozen=True, slots=True)
class ExamCheck:
    """One thing to look at: a study, or a performed step."""

    key: int
    due_at: datetime
    study_key: int | None = None
    performed_step_key: int | None = None


def watch_study(tx: WriteTx, study_key: int, due_at: datetime) -> None:
    """Look at a study at *due_at*; one that is looked at already stays as it is."""
    _add(tx, "study_key", study_key, due_at)


def watch_performed_step(tx: WriteTx, performed_step_key: int, due_at: datetime) -> None:
    """Look at a performed step at *due_at*; one that is looked at already stays as it is."""
    _add(tx, "performed_step_key", performed_step_key, due_at)


def next_due(tx: ReadTx, now: datetime) -> ExamCheck | None:
    """Return what has been due the longest, None if nothing is: one look at an index."""
    row = _NEXT.first(tx, now=now)
    return None if row is None else ExamCheck(row.key, row.due_at, row.study_key, row.performed_step_key)


def put_off(tx: WriteTx, check: ExamCheck, due_at: datetime) -> None:
    """Look again at *due_at*."""
    tx.execute(update(exam_checks).where(exam_checks.c.key == check.key).values(due_at=due_at))


def done(tx: WriteTx, check: ExamCheck) -> None:
    """Look no more."""
    tx.execute(delete(exam_checks).where(exam_checks.c.key == check.key))


def is_due(tx: ReadTx, check: ExamCheck) -> bool:
    """Say whether *check* still stands as it was read."""
    row = tx.execute(select(exam_checks.c.due_at).where(exam_checks.c.key == check.key)).first()
    return row is not None and row.due_at == check.due_at


def _add(tx: WriteTx, column: str, key: int, due_at: datetime) -> None:
    _WATCH[tx.dialect.name, column].run(tx, **{column: key}, due_at=due_at)
