"""Lists of orders that were handed in as files, and what became of each row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from bridge.domain.order_list import ListState, RowOutcome
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import order_list_rows, order_lists

_OPEN = (ListState.WAITING.value, ListState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class HandedIn:
    """One list. date_form: how its dates are written; cursor: the last row done; total: how many rows it has."""

    key: int
    file_name: str
    raw: bytes
    digest: str
    date_form: str
    entered_by: str
    state: ListState
    total: int
    cursor: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Say whether more is to come."""
        return self.state.value in _OPEN


@dataclass(frozen=True, slots=True)
class DoneRow:
    """What became of one row. faults: (column, sentence)."""

    number: int
    outcome: RowOutcome
    order_key: int | None = None
    faults: tuple[tuple[str, str], ...] = ()


def add(tx: WriteTx, handed_in: HandedIn) -> int:
    """Keep a list (its key is ignored) and return its row."""
    values = {name: getattr(handed_in, name) for name in HandedIn.__slots__ if name != "key"}
    return insert_row(tx, order_lists, **values | {"state": handed_in.state.value})


def get(tx: ReadTx, key: int) -> HandedIn:
    """Return the list in row *key*. Raises: LookupError."""
    row = tx.execute(select(order_lists).where(order_lists.c.key == key)).first()
    if row is None:
        raise LookupError(f"no list {key}")
    return _handed_in(row)


def recent(tx: ReadTx, limit: int) -> list[HandedIn]:
    """Return the newest lists first."""
    return [_handed_in(row) for row in tx.execute(select(order_lists).order_by(order_lists.c.key.desc()).limit(limit))]


def next_open(tx: ReadTx) -> HandedIn | None:
    """Return the list that was to be applied first of those that are not at their end."""
    query = select(order_lists).where(order_lists.c.state.in_(_OPEN)).order_by(order_lists.c.key).limit(1)
    row = tx.execute(query).first()
    return None if row is None else _handed_in(row)


def ask(tx: WriteTx, key: int, date_form: str, total: int, at: datetime) -> bool:
    """Let a list be applied; False if it is, or was, being applied."""
    query = update(order_lists).where(order_lists.c.key == key, order_lists.c.state == ListState.LOOKED_AT.value)
    return bool(
        tx.execute(
            query.values(state=ListState.WAITING.value, date_form=date_form, total=total, started_at=at)
        ).rowcount
    )


def note(tx: WriteTx, key: int, rows: Iterable[DoneRow]) -> bool:
    """Keep what became of the next rows; False if the list was stopped meanwhile."""
    done = list(rows)
    query = update(order_lists).where(order_lists.c.key == key, order_lists.c.state.in_(_OPEN))
    if not tx.execute(query.values(state=ListState.RUNNING.value, cursor=done[-1].number)).rowcount:
        return False
    tx.execute(
        insert(order_list_rows),
        [
            {
                "list_key": key,
                "number": row.number,
                "outcome": row.outcome.value,
                "order_key": row.order_key,
                "faults": [list(fault) for fault in row.faults],
            }
            for row in done
        ],
    )
    return True


def end(tx: WriteTx, key: int, state: ListState, at: datetime) -> bool:
    """Close a list; False if it was closed before."""
    query = update(order_lists).where(order_lists.c.key == key, order_lists.c.state.in_(_OPEN))
    return bool(tx.execute(query.values(state=state.value, ended_at=at)).rowcount)


def counted(tx: ReadTx, key: int) -> dict[RowOutcome, int]:
    """Return how many rows of a list came to what."""
    query = select(order_list_rows.c.outcome, func.count()).where(order_list_rows.c.list_key == key)
    found = {row[0]: int(row[1]) for row in tx.execute(query.group_by(order_list_rows.c.outcome))}
    return {outcome: found.get(outcome.value, 0) for outcome in RowOutcome}


def rows_of(tx: ReadTx, key: int, limit: int, *, only: RowOutcome | None = None) -> list[DoneRow]:
    """Return what became of a list's rows, in their order."""
    query = select(order_list_rows).where(order_list_rows.c.list_key == key)
    if only is not None:
        query = query.where(order_list_rows.c.outcome == only.value)
    return [
        DoneRow(row.number, RowOutcome(row.outcome), row.order_key, tuple((one, two) for one, two in row.faults))
        for row in tx.execute(query.order_by(order_list_rows.c.number).limit(limit))
    ]


def _handed_in(row: Any) -> HandedIn:
    plain = {name: getattr(row, name) for name in HandedIn.__slots__ if name != "state"}
    return HandedIn(state=ListState(row.state), **plain)
