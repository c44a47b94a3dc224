"""Times as clocks on walls say them: how they are compared with moments, and sorted by theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, literal, or_, true

from bridge.domain.resource_query import Asked, Span, Term
from bridge.store.db import ReadTx
from bridge.store.searches.conditions import Condition, House, Rows, Write

# The offsets from UTC, in minutes, that some clock goes by and that are no whole hours.
_ODD_OFFSETS = (-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825)
_MINUTES = (*(60 * hours for hours in range(-12, 15)), *_ODD_OFFSETS)
# As (0008,0201) has them.
_ZONES = {
    f"{'-' if one < 0 else '+'}{abs(one) // 60:02}{abs(one) % 60:02}": timezone(timedelta(minutes=one))
    for one in _MINUTES
}
_AT_ONCE = 500
# No clock on Earth is further from UTC.
_FURTHEST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LocalTime:
    """
    A time as a clock on a wall says it; the date alone is all of its day.

    date: "YYYYMMDD", indexed. low, high: its first and last second, "YYYYMMDDHHMMSS". offset: of that clock ("+0100"), where
    it has one; else the hospital's clock is meant.
    """

    date: ColumnElement[str]
    low: ColumnElement[str]
    high: ColumnElement[str]
    offset: ColumnElement[str] | None = None


def local_moment(time: LocalTime, house: House) -> Write:
    """Return the condition of a time as a clock on a wall says it."""

    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is not None:
            return time.date == "" if term.is_missing else time.date != ""
        return or_(false(), *(_local(time, one, house) for one in term.spans()))

    return write


def _local(time: LocalTime, span: Span, house: House) -> Condition:
    """Look by the date, of which there is an index; only what lies within a day of an end is looked at by its second."""
    date, low, high = time.date, time.low, time.high
    begin, end = (_by_its_clock(at, time.offset, house) for at in (span.begin, span.end))
    before_begin, after_begin = _days_around(span.begin, house)
    before_end, after_end = _days_around(span.end, house)
    tests: dict[str, tuple[Condition, Condition, Condition]] = {
        "eq": (
            date.between(before_begin, after_end),
            and_(date > after_begin, date < before_end),
            and_(low >= begin, high < end),
        ),
        "ne": (true(), or_(date < before_begin, date > after_end), or_(low < begin, high >= end)),
        "gt": (date >= before_begin, date > after_end, high >= end),
        "sa": (date >= before_end, date > after_end, low >= end),
        "ge": (date >= before_begin, date > after_begin, or_(high >= end, low >= begin)),
        "lt": (date <= after_begin, date < before_begin, low < begin),
        "eb": (date <= after_begin, date < before_begin, high < begin),
        "le": (date <= after_end, date < before_end, or_(low < begin, high < end)),
    }
    maybe, surely, exactly = tests[span.how]
    return and_(date != "", maybe, or_(surely, exactly))


def _by_its_clock(at: datetime, offset: ColumnElement[str] | None, house: House) -> Any:
    """Return a moment as the clock that a row went by says it."""
    said = _text_of(house.local(at))
    # Those that lead out of the calendar aside.
    zones = _ZONES if 1 < at.year < 9999 else {}
    by_offset = {text: _text_of(at.astimezone(zone)) for text, zone in zones.items()}
    return said if offset is None or not by_offset else case(by_offset, value=offset, else_=said)


def _days_around(at: datetime, house: House) -> tuple[str, str]:
    """Return the dates a day before and a day after a moment: no clock on Earth is further from the hospital's."""
    if not 1 < at.year < 9999:
        return "0" * 8, "9" * 8
    day = timedelta(days=1)
    return _text_of(house.local(at) - day)[:8], _text_of(house.local(at) + day)[:8]


def _text_of(at: datetime) -> str:
    return f"{at:%Y%m%d%H%M%S}".rjust(14, "0")


@dataclass(frozen=True, slots=True)
class ByMoment:
    """
    An order by the moments that clocks on walls mean; what has no date is the earliest.

    Rows are walked by their dates, of which there is an index, as far as a clock elsewhere could still bring one before the
    page's last. Places are in UTC, "YYYYMMDDHHMMSS".
    """

    time: LocalTime

    def page(self, tx: ReadTx, query: Select[Any], asked: Asked, house: House) -> Rows:
        """Return a page's keys and one more, each with its place. query: for the keys."""
        down = asked.sort is not None and asked.sort.is_descending
        date, offset = self.time.date, self.time.offset
        said = query.add_columns(date, self.time.low, literal("") if offset is None else offset)
        if asked.after is not None:
            said = said.where(_may_follow(date, asked.after[0], down))
        walk = tx.execute(said.order_by(date.desc() if down else date).execution_options(yield_per=_AT_ONCE))
        found: Rows = []
        for part in walk.partitions():
            every = [*found, *((int(row[0]), _place(row, house)) for row in part)]
            found = _first(every, asked, down)
            if len(found) > asked.count and _is_past(part[-1][1], found[-1][1], down):
                walk.close()
                break
        return found


def _first(rows: Rows, asked: Asked, down: bool) -> Rows:
    """Return what of these comes first behind the page before, newest rows first where places are the same."""
    if asked.after is not None:
        place, key = asked.after
        rows = [
            one for one in rows if (one[1] < place if down else one[1] > place) or (one[1] == place and one[0] < key)
        ]
    rows.sort(key=lambda one: one[0], reverse=True)
    rows.sort(key=lambda one: str(one[1]), reverse=down)
    return rows[: asked.count + 1]


def _place(row: Sequence[Any], house: House) -> str:
    """Return a row's moment in UTC; a time that is none is the begin of its day, and a date that is none stays as it is."""
    date, low, offset = str(row[1]), str(row[2]), str(row[3] or "")
    if not date:
        return ""
    local = _read(low) or _read(f"{date[:8]}000000")
    if local is None:
        return low
    zone = _ZONES.get(offset) or house.local(datetime(2000, 1, 1, tzinfo=UTC)).tzinfo
    return _text_of(local.replace(tzinfo=zone).astimezone(UTC))


def _read(text: str) -> datetime | None:
    try:
        month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(4, 14, 2))
        at = datetime(int(text[:4]), month, day, hour, minute, second)
    except ValueError:
        return None
    return at if 1 < at.year < 9999 else None


def _may_follow(date: ColumnElement[str], place: str, down: bool) -> Condition:
    """Say whether a row of this date may lie beyond a place."""
    day = _read(f"{place[:8]}000000")
    if day is None:
        return date <= place[:8] if down else true()
    return date <= _text_of(day + 2 * _FURTHEST)[:8] if down else date >= _text_of(day - 2 * _FURTHEST)[:8]


def _is_past(date: str, place: str, down: bool) -> bool:
    """Say whether no row behind this date, in the walk, can lie before a place."""
    day = _read(f"{date}000000")
    if day is None:
        return down and not date
    return place > _text_of(day + 2 * _FURTHEST) if down else place < _text_of(day - _FURTHEST)
