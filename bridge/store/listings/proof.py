"""What the proof is made of: counts of each payer and device over a span of days, read from their indexes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, case, func, literal, literal_column, select, true

from bridge.domain.claim_outcome import ReasonCategory
from bridge.domain.claim_story import FirstAnswer
from bridge.domain.proof import Figures, Reason, Tally, Warned
from bridge.store.db import ReadTx
from bridge.store.tables import claim_denials, claim_figures, exam_figures, figure_months

_CLAIMS, _EXAMS, _DENIALS = claim_figures.c, exam_figures.c, claim_denials.c
_DECIDED = [FirstAnswer.PAID.value, FirstAnswer.PARTLY_PAID.value, FirstAnswer.DENIED.value]
_TENTH_MINUTES = 6


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at. begins, ends: "YYYYMMDD", both days within; since: the day compared with, "" for none."""

    begins: str
    ends: str
    since: str = ""


# Payer and device, by their keys.
Cells = Mapping[tuple[str, str], Figures]


def months_of(tx: ReadTx, window: Window) -> dict[str, int]:
    """Return the months in which anything was counted, each with how often it was counted anew."""
    months = figure_months.c.month
    query = select(months, figure_months.c.version).where(months.between(window.begins[:6], window.ends[:6]))
    return {row.month: row.version for row in tx.execute(query.order_by(months))}


def cells(tx: ReadTx, begins: str, ends: str) -> Cells:
    """Return the figures of each payer and device from one day to another, both within."""
    tallies: dict[tuple[str, str], Tally] = {}
    for key, tally in (*_claim_tallies(tx, begins, ends), *_exam_tallies(tx, begins, ends)):
        tallies[key] = tallies.get(key, Tally()) + tally
    days = _spreads(tx, (begins, ends), _CLAIMS.service_on, _CLAIMS.days_to_payment, ~_CLAIMS.is_void)
    tenths = _spreads(tx, (begins, ends), _EXAMS.exam_on, _EXAMS.evidence_minutes // _TENTH_MINUTES, true())
    return {key: Figures(tally, days.get(key, {}), tenths.get(key, {})) for key, tally in tallies.items()}


def _claim_tallies(tx: ReadTx, begins: str, ends: str) -> Iterable[tuple[tuple[str, str], Tally]]:
    alive = ~_CLAIMS.is_void
    decided = and_(alive, _CLAIMS.first.in_(_DECIDED))
    counts = {
        "decided": decided,
        "open": and_(alive, _CLAIMS.first == FirstAnswer.NONE.value),
        "returned": and_(alive, _CLAIMS.was_returned),
        "returned_only": and_(alive, _CLAIMS.first == FirstAnswer.RETURNED.value),
        "asked": and_(alive, _CLAIMS.was_asked),
        "documents": and_(decided, _CLAIMS.category == ReasonCategory.DOCUMENTATION.value),
        "otherwise": and_(decided, _CLAIMS.category.not_in(["", ReasonCategory.DOCUMENTATION.value])),
        "clean": and_(alive, _CLAIMS.first == FirstAnswer.PAID.value, ~_CLAIMS.was_returned),
        "void": _CLAIMS.is_void,
    }
    return _tallies(tx, (begins, ends), _CLAIMS.service_on, counts)


def _exam_tallies(tx: ReadTx, begins: str, ends: str) -> Iterable[tuple[tuple[str, str], Tally]]:
    counts: dict[str, ColumnElement[bool]] = {
        "exams": true(),
        "warned": _EXAMS.warned != Warned.NEVER.value,
        "in_time": _EXAMS.warned == Warned.BEFORE.value,
    }
    return _tallies(tx, (begins, ends), _EXAMS.exam_on, counts)


def _tallies(
    tx: ReadTx, days: tuple[str, str], day: Column[Any], counts: Mapping[str, ColumnElement[bool]]
) -> Iterable[tuple[tuple[str, str], Tally]]:
    payer, device = day.table.c.payer, day.table.c.device
    sums = [func.sum(case((holds, 1), else_=0)).label(name) for name, holds in counts.items()]
    query = select(payer, device, *sums).where(day.between(*days)).group_by(payer, device)
    for row in tx.execute(query):
        yield (row.payer, row.device), Tally(**{name: int(getattr(row, name)) for name in counts})


def _spreads(
    tx: ReadTx, days: tuple[str, str], day: Column[Any], took: ColumnElement[int], counts: ColumnElement[bool]
) -> dict[tuple[str, str], Counter[int]]:
    """Return how often it took how long."""
    query = select(day.table.c.payer, day.table.c.device, took, func.count())
    query = query.where(day.between(*days), counts, took.is_not(None)).group_by(*_places(3))
    found: dict[tuple[str, str], Counter[int]] = {}
    for payer, device, value, number in tx.execute(query):
        found.setdefault((payer, device), Counter())[int(value)] = int(number)
    return found


def _places(number: int) -> list[ColumnElement[Any]]:
    """Return the first so many columns of a query, to group by."""
    return [literal_column(str(place)) for place in range(1, number + 1)]


def payer_names(tx: ReadTx, keys: Iterable[str]) -> dict[str, str]:
    """Return what each payer was called last."""
    found: dict[str, str] = {}
    for key in keys:
        for table in (claim_figures, exam_figures):
            named = select(table.c.payer_name).where(table.c.payer == key).order_by(table.c.key.desc()).limit(1)
            found[key] = found.get(key) or tx.execute(named).scalar() or ""
    return found


def categories(tx: ReadTx, window: Window) -> tuple[Reason, ...]:
    """Return why claims were denied, each claim once; most first."""
    denied = and_(~_CLAIMS.is_void, _CLAIMS.first.in_(_DECIDED), _CLAIMS.category != "")
    return _reasons(tx, window, _CLAIMS.service_on, [_CLAIMS.category, literal("").label("code")], denied)


def codes(tx: ReadTx, window: Window) -> tuple[Reason, ...]:
    """Return the codes that stood on denied claims; most first."""
    return _reasons(tx, window, _DENIALS.service_on, [_DENIALS.category, _DENIALS.code], true())


def _reasons(
    tx: ReadTx, window: Window, day: Column[Any], named: Sequence[ColumnElement[str]], counts: ColumnElement[bool]
) -> tuple[Reason, ...]:
    since = func.sum(case((day >= window.since, 1), else_=0))
    query = select(*named, func.count(), since).where(day.between(window.begins, window.ends), counts)
    rows = [tuple(row) for row in tx.execute(query.group_by(*_places(2)))]
    found = [Reason(row[0], row[1], int(row[2]) - int(row[3]), int(row[3])) for row in rows]
    return tuple(sorted(found, key=lambda one: (-one.before - one.since, one.category, one.code)))


def undated(tx: ReadTx) -> int:
    """Return of how many claims nobody says the day of service."""
    return int(tx.execute(select(func.count()).where(_CLAIMS.service_on == "", ~_CLAIMS.is_void)).scalar_one())
