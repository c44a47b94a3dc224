"""The intake desk in numbers for metrics: what waits and for how long, what was decided by whom, and how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from bridge.domain.study import is_person
from bridge.store.db import ReadTx
from bridge.store.listings.intake_figures import count_taken_back, nth_secs
from bridge.store.tables import mismatches

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_SHARES = (0.5, 0.9)
_columns = mismatches.c


@dataclass(frozen=True, slots=True)
class CaseCounts:
    """
    open: cases that wait, by the rule that holds them. oldest_secs: 0 where none waits. By "rule" and "person": how many
    were decided in the last hour, and of the last day within how many seconds half and nine tenths were.

    taken_back: bindings that people took back in the last day.
    """

    open: Mapping[str, int]
    oldest_secs: float
    decided: Mapping[str, int]
    taken_back: int
    within_secs: Mapping[tuple[str, float], float]


def case_counts(tx: ReadTx, now: datetime) -> CaseCounts:
    """Count what waits and what the last day brought: ranges of the index of what is open, and of what was closed."""
    grouped = select(_columns.rule, func.count(), func.min(_columns.opened_at).label("first"))
    waiting = list(tx.execute(grouped.where(_columns.closed_at.is_(None)).group_by(_columns.rule)))
    shown = select(_columns.opened_at, _columns.closed_at, _columns.closed_by)
    closed = list(tx.execute(shown.where(_columns.closed_at > now - _DAY, _columns.closed_at <= now)))
    by = {
        "rule": [row for row in closed if not is_person(row.closed_by)],
        "person": [row for row in closed if is_person(row.closed_by)],
    }
    within = {(name, share): nth_secs(rows, share) for name, rows in by.items() for share in _SHARES}
    return CaseCounts(
        open={row[0]: int(row[1]) for row in waiting},
        oldest_secs=max(((now - row.first).total_seconds() for row in waiting), default=0.0),
        decided={name: sum(row.closed_at > now - _HOUR for row in rows) for name, rows in by.items()},
        taken_back=count_taken_back(tx, now - _DAY),
        within_secs={place: secs for place, secs in within.items() if secs is not None},
    )
