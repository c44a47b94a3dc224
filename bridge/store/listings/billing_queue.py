"""The billing desk's work, most urgent first: what a payer's clock runs on, what is amiss, then the rest, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, not_, or_, select

from bridge.store.db import ReadTx
from bridge.store.listings.authorizations import AuthorizationRow, Wanted, by_keys, conditions
from bridge.store.tables import authorization_warnings as warnings
from bridge.store.tables import authorizations

_COLUMNS = authorizations.c
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Rank(IntEnum):
    """How urgent. CLOCK: the payer owes an answer, the soonest first; AMISS: a warning stands; REST: neither."""

    CLOCK = 0
    AMISS = 1
    REST = 2


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended, as numbers that a cursor can hold. due: microseconds since 1970, 0 outside CLOCK."""

    rank: Rank
    key: int
    due: int = 0

    @property
    def numbers(self) -> tuple[int, int, int]:
        """As a cursor holds it."""
        return (self.key, int(self.rank), self.due)


def position_of(numbers: Sequence[int]) -> Position | None:
    """Return the place that a cursor of ours names, None for the beginning or another list's."""
    if len(numbers) != 3 or numbers[1] not in list(Rank):
        return None
    return Position(Rank(numbers[1]), numbers[0], numbers[2])


def page(
    tx: ReadTx, wanted: Wanted, *, after: Position | None, limit: int
) -> tuple[list[AuthorizationRow], Position | None]:
    """Return at most *limit* of what is wanted, and where the next page begins, None on the last."""
    found: list[Position] = []
    for rank in Rank:
        if (after is None or rank >= after.rank) and len(found) <= limit:
            behind = after if after is not None and after.rank == rank else None
            query = _of_rank(rank, behind).where(*conditions(tx, wanted)).limit(limit + 1 - len(found))
            found += _positions(rank, tx.execute(query))
    shown = found[:limit]
    following = shown[-1] if len(found) > limit else None
    return by_keys(tx, [one.key for one in shown]), following


def _of_rank(rank: Rank, after: Position | None) -> Select[Any]:
    query = select(_COLUMNS.key, _COLUMNS.due_at)
    if rank == Rank.CLOCK:
        behind = _behind_clock(after) if after is not None else _COLUMNS.due_at.is_not(None)
        return query.where(_COLUMNS.due_at.is_not(None), behind).order_by(_COLUMNS.due_at, _COLUMNS.key)
    standing = warnings.c.closed_at.is_(None)
    amiss = _COLUMNS.key.in_(select(warnings.c.authorization_key).where(standing))
    whole = not_(exists().where(warnings.c.authorization_key == _COLUMNS.key, standing))
    query = query.where(_COLUMNS.due_at.is_(None), amiss if rank == Rank.AMISS else whole)
    if after is not None:
        query = query.where(_COLUMNS.key < after.key)
    return query.order_by(_COLUMNS.key.desc())


def _behind_clock(after: Position) -> ColumnElement[bool]:
    due = _EPOCH + after.due * _MICROSECOND
    return or_(_COLUMNS.due_at > due, and_(_COLUMNS.due_at == due, _COLUMNS.key > after.key))


def _positions(rank: Rank, rows: Any) -> Iterator[Position]:
    for row in rows:
        due = (row.due_at - _EPOCH) // _MICROSECOND if rank == Rank.CLOCK else 0
        yield Position(rank, row.key, due)
