"""What the proof is made of: counts by month, payer and device, before a day and since, read from their indexes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, case, func, literal, literal_column, select, true

from bridge.domain.claim_outcome import ReasonCategory
from bridge.domain.claim_story import FirstAnswer
from bridge.domain.proof import Compared, Figures, Proof, Reason, Tally, Warned, by_name, together
from bridge.store.db import ReadTx
from bridge.store.tables import claim_denials, claim_figures, exam_figures

_CLAIMS, _EXAMS, _DENIALS = claim_figures.c, exam_figures.c, claim_denials.c
NO_PAYER, NO_DEVICE = "payer not named", "device not known"
_DECIDED = [FirstAnswer.PAID.value, FirstAnswer.PARTLY_PAID.value, FirstAnswer.DENIED.value]
_TENTH_MINUTES = 6


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at. begins, ends: "YYYYMMDD", both days within; since: the day compared with, "" for none."""

    begins: str
    ends: str
    since: str = ""


_Key = tuple[str, bool]


class _Groups:
    """Tallies and spreads by the name of a group and whether it is of since."""

    def __init__(self) -> None:
        self.tallies: dict[_Key, Tally] = {}
        self.days: dict[_Key, Counter[int]] = {}
        self.tenths: dict[_Key, Counter[int]] = {}

    def compared(self) -> dict[str, Compared]:
        names = {name for found in (self.tallies, self.days, self.tenths) for name, _ in found}
        return {name: Compared(name, self._figures((name, False)), self._figures((name, True))) for name in names}

    def _figures(self, key: _Key) -> Figures:
        return Figures(self.tallies.get(key, Tally()), self.days.get(key, {}), self.tenths.get(key, {}))


def prove(tx: ReadTx, window: Window) -> Proof:
    """Return the whole report on a window."""
    months, payers, devices = _Groups(), _Groups(), _Groups()
    for row in (*_claim_rows(tx, window), *_exam_rows(tx, window)):
        tally = row.tally
        for groups, name in ((months, row.month), (payers, row.payer), (devices, row.device)):
            key = (name, row.is_since)
            groups.tallies[key] = groups.tallies.get(key, Tally()) + tally
    for groups, of_claims, of_exams in (
        (months, func.substr(_CLAIMS.service_on, 1, 6), func.substr(_EXAMS.exam_on, 1, 6)),
        (payers, _CLAIMS.payer, _EXAMS.payer),
        (devices, _CLAIMS.device, _EXAMS.device),
    ):
        groups.days = _days(tx, window, of_claims)
        groups.tenths = _tenths(tx, window, of_exams)
    by_month = months.compared()
    every = list(by_month.values())
    whole = Compared("", together(one.before for one in every), together(one.since for one in every))
    by_payer = payers.compared()
    names = _payer_names(tx, by_payer)
    categories, reasons = _reasons(tx, window)
    return Proof(
        window.since,
        whole,
        tuple(by_month[name] for name in sorted(by_month)),
        by_name(by_payer, lambda key: names.get(key) or key or NO_PAYER),
        by_name(devices.compared(), lambda key: key or NO_DEVICE),
        categories,
        reasons,
        _undated(tx),
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    month: str
    is_since: bool
    payer: str
    device: str
    tally: Tally


def _claim_rows(tx: ReadTx, window: Window) -> Iterable[_Counted]:
    decided = and_(~_CLAIMS.is_void, _CLAIMS.first.in_(_DECIDED))
    alive = ~_CLAIMS.is_void
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
    return _rows(tx, window, _CLAIMS.service_on, counts)


def _exam_rows(tx: ReadTx, window: Window) -> Iterable[_Counted]:
    counts = {
        "exams": _EXAMS.order_key.is_not(None),
        "warned": _EXAMS.warned != Warned.NEVER.value,
        "in_time": _EXAMS.warned == Warned.BEFORE.value,
    }
    return _rows(tx, window, _EXAMS.exam_on, counts)


def _rows(
    tx: ReadTx, window: Window, day: Column[Any], counts: Mapping[str, ColumnElement[bool]]
) -> Iterable[_Counted]:
    table = day.table
    shown = [
        func.substr(day, 1, 6).label("month"),
        _is_since(day, window).label("is_since"),
        table.c.payer,
        table.c.device,
    ]
    sums = [func.sum(case((holds, 1), else_=0)).label(name) for name, holds in counts.items()]
    query = select(*shown, *sums).where(day.between(window.begins, window.ends))
    for row in tx.execute(query.group_by(*_places(4))):
        tally = Tally(**{name: int(getattr(row, name)) for name in counts})
        yield _Counted(row.month, bool(row.is_since), row.payer, row.device, tally)


def _is_since(day: Column[Any], window: Window) -> ColumnElement[int]:
    return case((day >= window.since, 1), else_=0)


def _days(tx: ReadTx, window: Window, name: ColumnElement[str]) -> dict[_Key, Counter[int]]:
    """Return how often it took how many days from the service to the payment."""
    took = _CLAIMS.days_to_payment
    return _spreads(tx, window, name, (_CLAIMS.service_on, took, ~_CLAIMS.is_void))


def _tenths(tx: ReadTx, window: Window, name: ColumnElement[str]) -> dict[_Key, Counter[int]]:
    """Return how often it took how many tenths of an hour from the last image until an attachment had left."""
    took = _EXAMS.evidence_minutes
    return _spreads(tx, window, name, (_EXAMS.exam_on, took // _TENTH_MINUTES, took.is_not(None)))


def _spreads(
    tx: ReadTx,
    window: Window,
    name: ColumnElement[str],
    of: tuple[Column[Any], ColumnElement[int], ColumnElement[bool]],
) -> dict[_Key, Counter[int]]:
    day, took, counts = of
    query = select(name, _is_since(day, window), took, func.count())
    query = query.where(day.between(window.begins, window.ends), counts, took.is_not(None))
    found: dict[_Key, Counter[int]] = {}
    for group, is_since, value, number in tx.execute(query.group_by(*_places(3))):
        found.setdefault((group, bool(is_since)), Counter())[int(value)] = int(number)
    return found


def _places(number: int) -> list[ColumnElement[Any]]:
    """Return the first so many columns of a query, to group by."""
    return [literal_column(str(place)) for place in range(1, number + 1)]


def _payer_names(tx: ReadTx, keys: Iterable[str]) -> dict[str, str]:
    """Return what each payer was called last."""
    found: dict[str, str] = {}
    for key in keys:
        for table in (claim_figures, exam_figures):
            named = select(table.c.payer_name).where(table.c.payer == key).order_by(table.c.key.desc()).limit(1)
            found[key] = found.get(key) or tx.execute(named).scalar() or ""
    return found


def _reasons(tx: ReadTx, window: Window) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """Return why claims were denied, by category with each claim once, and by code; most first."""
    of_claims = and_(~_CLAIMS.is_void, _CLAIMS.first.in_(_DECIDED), _CLAIMS.category != "")
    return (
        _counted_reasons(tx, window, (_CLAIMS.service_on, _CLAIMS.category, literal("").label("code"), of_claims)),
        _counted_reasons(tx, window, (_DENIALS.service_on, _DENIALS.category, _DENIALS.code, true())),
    )


def _counted_reasons(
    tx: ReadTx,
    window: Window,
    of: tuple[Column[Any], ColumnElement[str], ColumnElement[str], ColumnElement[bool]],
) -> tuple[Reason, ...]:
    day, category, code, counts = of
    since = func.sum(_is_since(day, window))
    query = select(category, code, func.count() - since, since).where(day.between(window.begins, window.ends), counts)
    rows = [Reason(*row[:2], int(row[2]), int(row[3])) for row in tx.execute(query.group_by(*_places(2)))]
    return tuple(sorted(rows, key=lambda one: (-one.before - one.since, one.category, one.code)))


def _undated(tx: ReadTx) -> int:
    return int(tx.execute(select(func.count()).where(_CLAIMS.service_on == "", ~_CLAIMS.is_void)).scalar_one())
