"""How the intake desk gets on: what waits, who decided what, how long it took, and which devices make the cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import func, literal_column, select

from bridge.domain.study import is_person
from bridge.store.db import ReadTx
from bridge.store.listings.mismatch_queue import QueueTally, tally_queue
from bridge.store.tables import mismatches, studies

_columns = mismatches.c


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The cases that were closed on one day, by the hospital's calendar: by rules, and by people."""

    day: date
    by_rule: int
    by_person: int


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """The cases of one device: how many were closed or wait, and by what reason, most first."""

    ae_title: str
    cases: int
    rules: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class IntakeFigures:
    """
    Everything since an instant; waiting: what is open now. studies: how many had images.

    median_secs, slow_secs: in how long half of the cases and nine tenths of them were closed, for people's cases and for
    those that solved themselves; None without any. taken_back: bindings that people took back.
    """

    waiting: QueueTally
    studies: int
    days: tuple[DayFigures, ...]
    by_rule: int
    by_person: int
    person_median_secs: float | None
    person_slow_secs: float | None
    rule_median_secs: float | None
    rule_slow_secs: float | None
    taken_back: int
    devices: tuple[DeviceFigures, ...]

    @property
    def closed(self) -> int:
        return self.by_rule + self.by_person

    @property
    def share_by_rule(self) -> float | None:
        """Which part of the closed cases no person was needed for."""
        return self.by_rule / self.closed if self.closed else None

    @property
    def share_untouched(self) -> float | None:
        """Which part of the studies no person decided."""
        return max(0.0, 1 - self.by_person / self.studies) if self.studies else None


def intake_figures(tx: ReadTx, since: datetime, now: datetime, zone: tzinfo) -> IntakeFigures:
    """Return the figures from *since* to *now*; days are those of *zone*."""
    shown = (_columns.opened_at, _columns.closed_at, _columns.closed_by, _columns.device, _columns.rule)
    closed = list(tx.execute(select(*shown).where(_columns.closed_at >= since, _columns.closed_at <= now)))
    people = [row for row in closed if is_person(row.closed_by)]
    rules = [row for row in closed if not is_person(row.closed_by)]
    came = select(func.count()).select_from(studies).where(studies.c.last_instance_at >= since)
    return IntakeFigures(
        tally_queue(tx, now),
        int(tx.execute(came).scalar_one()),
        _days(people, rules, (since, now), zone),
        len(rules),
        len(people),
        nth_secs(people, 0.5),
        nth_secs(people, 0.9),
        nth_secs(rules, 0.5),
        nth_secs(rules, 0.9),
        count_taken_back(tx, since),
        _devices(tx, closed),
    )


def count_taken_back(tx: ReadTx, since: datetime) -> int:
    """Count the bindings that people took back since an instant."""
    # As the index has it: a literal, not a parameter, or SQLite would not know that it covers the rows.
    taken_back = select(func.count()).where(_columns.rule == literal_column("'person'"), _columns.opened_at >= since)
    return int(tx.execute(taken_back).scalar_one())


def nth_secs(rows: Sequence[Any], share: float) -> float | None:
    """Return within how many seconds *share* of the cases were closed: the nearest rank."""
    spans = sorted((row.closed_at - row.opened_at).total_seconds() for row in rows)
    return max(0.0, spans[min(len(spans) - 1, int(len(spans) * share))]) if spans else None


def _days(
    people: Sequence[Any], rules: Sequence[Any], window: tuple[datetime, datetime], zone: tzinfo
) -> tuple[DayFigures, ...]:
    by_person = Counter(row.closed_at.astimezone(zone).date() for row in people)
    by_rule = Counter(row.closed_at.astimezone(zone).date() for row in rules)
    first, last = (one.astimezone(zone).date() for one in window)
    every = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return tuple(DayFigures(day, by_rule[day], by_person[day]) for day in every)


def _devices(tx: ReadTx, closed: Sequence[Any]) -> tuple[DeviceFigures, ...]:
    found = Counter((row.device, row.rule) for row in closed)
    waiting = select(_columns.device, _columns.rule, func.count()).where(_columns.closed_at.is_(None))
    for device, rule, number in tx.execute(waiting.group_by(_columns.device, _columns.rule)):
        found[device, rule] += int(number)
    by_device: dict[str, Counter[str]] = {}
    for (device, rule), number in found.items():
        by_device.setdefault(device, Counter())[rule] += number
    rows = [DeviceFigures(name, sum(each.values()), tuple(each.most_common())) for name, each in by_device.items()]
    return tuple(sorted(rows, key=lambda one: (-one.cases, one.ae_title)))
