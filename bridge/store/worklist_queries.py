"""What devices asked of the worklist: each question once, with its repeats counted, until its time is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from bridge.domain.worklist_query import AskedQuery, KeptQuery, QueryOutcome
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import worklist_queries

_COLUMNS = worklist_queries.c
# What leaves in one transaction: nobody waits long for a writer that tidies.
_TRIMMED_AT_ONCE = 2000
_AGAIN = (
    update(worklist_queries)
    .where(_COLUMNS.key == bindparam("at_key"))
    .values(
        times=_COLUMNS.times + bindparam("more"),
        last_asked_at=bindparam("at"),
        association=bindparam("newest"),
        secs=bindparam("slowest"),
    )
)


@dataclass(frozen=True, slots=True)
class Repeat:
    """How often the query in row *key* was asked again. slowest_secs: of all of them."""

    key: int
    more: int
    last_asked_at: datetime
    association: str
    slowest_secs: float


def add(tx: WriteTx, asked: AskedQuery, times: int, asked_at: datetime, last_asked_at: datetime) -> int:
    """Keep a query that was asked *times* between then and then; returns its row."""
    return insert_row(
        tx,
        worklist_queries,
        asked_at=asked_at,
        last_asked_at=last_asked_at,
        times=times,
        calling_ae_title=asked.calling_ae_title,
        called_ae_title=asked.called_ae_title,
        address=asked.address,
        association=asked.association,
        outcome=asked.outcome.value,
        status=asked.status,
        reason=asked.reason,
        transfer_syntax_uid=asked.transfer_syntax_uid,
        identifier=asked.identifier,
        step_keys=list(asked.step_keys),
        was_cut=asked.was_cut,
        secs=asked.secs,
    )


def repeat(tx: WriteTx, repeats: Iterable[Repeat]) -> None:
    """Count queries that were asked again."""
    said = [
        {
            "at_key": one.key,
            "more": one.more,
            "at": one.last_asked_at,
            "newest": one.association,
            "slowest": one.slowest_secs,
        }
        for one in repeats
    ]
    if said:
        tx.execute(_AGAIN, said)


def get(tx: ReadTx, key: int) -> KeptQuery:
    """Return the query in row *key*. Raises: LookupError."""
    row = tx.execute(select(worklist_queries).where(_COLUMNS.key == key)).first()
    if row is None:
        raise LookupError(f"no query {key}")
    return _kept(row)


def listed(tx: ReadTx, calling_ae_title: str, *, limit: int, before: int | None = None) -> list[KeptQuery]:
    """Return the queries of a device, or of all for "", newest first. before: only rows below that one."""
    query = select(worklist_queries).order_by(_COLUMNS.key.desc()).limit(limit)
    if calling_ae_title:
        query = query.where(_COLUMNS.calling_ae_title == calling_ae_title)
    if before is not None:
        query = query.where(_COLUMNS.key < before)
    return [_kept(row) for row in tx.execute(query)]


def newest_of(tx: ReadTx, calling_ae_titles: Sequence[str], limit: int) -> list[KeptQuery]:
    """Return the queries that a device asked last under any of its titles, by their last time, newest first."""
    found: list[KeptQuery] = []
    for title in dict.fromkeys(calling_ae_titles):
        query = select(worklist_queries).where(_COLUMNS.calling_ae_title == title)
        query = query.order_by(_COLUMNS.last_asked_at.desc(), _COLUMNS.key.desc()).limit(limit)
        found += [_kept(row) for row in tx.execute(query)]
    return sorted(found, key=lambda one: (one.last_asked_at, one.key), reverse=True)[:limit]


def titles(tx: ReadTx, since: datetime) -> list[str]:
    """Return who asked since then, by title."""
    query = select(_COLUMNS.calling_ae_title).where(_COLUMNS.last_asked_at >= since).distinct()
    return sorted(title for title in tx.execute(query).scalars() if title)


def trim(tx: WriteTx, last_asked_before: datetime, rows_max: int) -> int:
    """Forget some queries that were last asked before then, and some beyond the newest *rows_max*; return how many."""
    newest = tx.execute(select(func.max(_COLUMNS.key))).scalar() or 0
    gone = select(_COLUMNS.key).where(_COLUMNS.last_asked_at < last_asked_before).limit(_TRIMMED_AT_ONCE)
    excess = select(_COLUMNS.key).where(_COLUMNS.key <= newest - rows_max).limit(_TRIMMED_AT_ONCE)
    keys = {*tx.execute(gone).scalars(), *tx.execute(excess).scalars()}
    if keys:
        tx.execute(delete(worklist_queries).where(_COLUMNS.key.in_(keys)))
    return len(keys)


def _kept(row: Any) -> KeptQuery:
    asked = AskedQuery(
        calling_ae_title=row.calling_ae_title,
        address=row.address,
        association=row.association,
        outcome=QueryOutcome(row.outcome),
        called_ae_title=row.called_ae_title,
        status=row.status,
        reason=row.reason,
        identifier=row.identifier,
        transfer_syntax_uid=row.transfer_syntax_uid,
        step_keys=tuple(row.step_keys),
        was_cut=row.was_cut,
        secs=row.secs,
    )
    return KeptQuery(row.key, asked, row.asked_at, row.last_asked_at, row.times)
