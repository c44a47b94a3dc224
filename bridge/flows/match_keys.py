"""Which keys of a query hide a step: each is tried alone by the search that answers devices, so this cannot disagree with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from bridge.domain.device_profile import Visibility
from bridge.domain.matching import Range
from bridge.domain.worklist_search import START_DATE, START_TIME, WorklistSearch
from bridge.store import worklist
from bridge.store.db import ReadTx


def hiding_keywords(tx: ReadTx, step_key: int, search: WorklistSearch, seen: Visibility) -> tuple[str, ...]:
    """Return the keys of *search* that hide the step in row *step_key* each by itself. seen: what the device is shown."""
    return tuple(keyword for keyword, one in _one_by_one(search) if not worklist.is_found(tx, step_key, one, seen))


def asked_on(search: WorklistSearch, asked: date, day: date) -> WorklistSearch:
    """Return *search* of the day *asked* as it would be asked on *day*: "today" is another day then."""
    starts, today = search.starts, f"{asked:%Y%m%d}"
    if starts is None or asked == day or not (starts.low and starts.high):
        return search
    if not starts.low[:8] <= today <= starts.high[:8]:
        return search
    moved = Range(*(_moved(end, day - asked) for end in (starts.low, starts.high)))
    return replace(search, starts=moved)


def _one_by_one(search: WorklistSearch) -> Iterator[tuple[str, WorklistSearch]]:
    for criterion in search.criteria:
        yield criterion.keyword, WorklistSearch((criterion,))
    if search.starts is not None:
        yield START_DATE, WorklistSearch(starts=search.starts)
    if search.times is not None:
        yield START_TIME, WorklistSearch(times=search.times)


def _moved(start: str, by: timedelta) -> str:
    moved = date(int(start[:4]), int(start[4:6]), int(start[6:8])) + by
    return f"{moved:%Y%m%d}{start[8:]}"
