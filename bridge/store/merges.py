"""The journal of merges: what each one moved, so that it can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, select, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import appointments, authorizations, merges, orders, reports, studies, visits

# What is filed under a patient and follows them.
_FILED: tuple[Table, ...] = (orders, visits, studies, authorizations, reports, appointments)


@dataclass(frozen=True, slots=True)
class Merge:
    """One record merged into another. moved: rows by table, as they were filed under the retired record."""

    key: int
    survivor_key: int
    retired_key: int
    message_key: int | None
    merged_at: datetime
    moved: dict[str, list[int]]
    undone_at: datetime | None = None
    undone_by: str = ""
    undo_reason: str = ""


def get(tx: ReadTx, key: int) -> Merge:
    """Return the merge in row *key*. Raises: LookupError."""
    row = tx.execute(select(merges).where(merges.c.key == key)).first()
    if row is None:
        raise LookupError(f"no merge {key}")
    return _merge(row)


def add(tx: WriteTx, survivor_key: int, retired_key: int, merged_at: datetime, moved: dict[str, list[int]]) -> int:
    """Append a merge. merged_at: by the sender's clock, UTC."""
    return insert_row(tx, merges, survivor_key=survivor_key, retired_key=retired_key, merged_at=merged_at, moved=moved)


def move_everything(tx: WriteTx, from_key: int, to_key: int) -> dict[str, list[int]]:
    """File everything of one patient under another and return which rows those were, by table."""
    moved: dict[str, list[int]] = {}
    for table in _FILED:
        keys = list(tx.execute(select(table.c.key).where(table.c.patient_key == from_key)).scalars())
        if keys:
            tx.execute(update(table).where(table.c.key.in_(keys)).values(patient_key=to_key))
            moved[table.name] = keys
    return moved


def move_back(tx: WriteTx, merge: Merge) -> None:
    """File what *merge* moved under the retired record again; only what is still with the survivor: a person may have moved it."""
    for table in _FILED:
        rows = merge.moved.get(table.name, [])
        if rows:
            tx.execute(
                update(table)
                .where(table.c.key.in_(rows), table.c.patient_key == merge.survivor_key)
                .values(patient_key=merge.retired_key)
            )


def name_message(tx: WriteTx, merge_keys: list[int], message_key: int) -> None:
    """Note which message asked for these merges."""
    if merge_keys:
        tx.execute(update(merges).where(merges.c.key.in_(merge_keys)).values(message_key=message_key))


def retired_at(tx: ReadTx, patient_key: int) -> datetime | None:
    """Return when a record was merged away, by the sender's clock; None if it was not, or that was undone."""
    return tx.execute(
        select(merges.c.merged_at)
        .where(merges.c.retired_key == patient_key, merges.c.undone_at.is_(None))
        .order_by(merges.c.key.desc())
    ).scalar()


def mark_undone(tx: WriteTx, key: int, at: datetime, by: str, reason: str) -> None:
    """Note that a person took a merge back."""
    tx.execute(update(merges).where(merges.c.key == key).values(undone_at=at, undone_by=by, undo_reason=reason))


def _merge(row: Row[Any]) -> Merge:
    return Merge(**{name: getattr(row, name) for name in Merge.__slots__})
