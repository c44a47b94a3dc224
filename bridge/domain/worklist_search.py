"""What a query asks of the worklist, brought into the form in which stored values are compared. Pure.

A worklist item is its values by DICOM keyword, those of the scheduled step beside those around it: a text is compared as it
is, a person name folded and by component group, a date as "YYYYMMDD", a time as "HHMMSS[.F]", a sequence item by item.
Source: PS3.4 C.2.2.2, K.2.2.1, Table K.6-1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.domain import matching
from bridge.domain.matching import Range, TimeRange

STATION = "ScheduledStationAETitle"
START_DATE = "ScheduledProcedureStepStartDate"
START_TIME = "ScheduledProcedureStepStartTime"
MODALITY = "Modality"
STATUS = "ScheduledProcedureStepStatus"

# By keyword: texts, or one such mapping for each item of a sequence. What is not known is absent.
ItemValues = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Criterion:
    """
    What one matching key asks of the attribute *keyword*, in exactly one way.

    values, wildcards: any of them fits any of the stored values; in wildcards * is any run and ? one character. span: a
    range of dates or times. items: all of them fit within one item of the sequence.
    """

    keyword: str
    values: tuple[str, ...] = ()
    wildcards: tuple[str, ...] = ()
    span: Range | None = None
    items: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class WorklistSearch:
    """
    Everything a query asks; an item must meet it all.

    starts: scheduled starts as joined "YYYYMMDDHHMMSS[.F]". times: times of any day, where they filter apart from the date.
    """

    criteria: tuple[Criterion, ...] = ()
    starts: Range | None = None
    times: TimeRange | None = None

    @property
    def keywords(self) -> tuple[str, ...]:
        """The attributes that something is asked of, at the outermost level."""
        asked = [criterion.keyword for criterion in self.criteria]
        asked += [START_DATE] if self.starts is not None else []
        return tuple(asked + ([START_TIME] if self.times is not None else []))


def of_texts(keyword: str, keys: Iterable[str]) -> Criterion | None:
    """Return what the values *keys* of a text key ask, None if nothing in particular. Source: PS3.4 C.2.2.2.1, C.2.2.2.4."""
    asked = _asking(keys)
    if asked is None:
        return None
    return Criterion(
        keyword,
        tuple(key for key in asked if not matching.has_wildcard(key)),
        tuple(key for key in asked if matching.has_wildcard(key)),
    )


def of_names(keyword: str, keys: Iterable[str]) -> Criterion | None:
    """Return what a PN key asks: any group of any of its values, folded; None if nothing. Source: PS3.4 C.2.2.2.1 note."""
    values: list[str] = []
    wildcards: list[str] = []
    for key in keys:
        groups = matching.name_keys(key)
        if not groups and matching.asks_no_name(key) and key.strip(" \0"):
            return None
        for group in groups:
            (wildcards if matching.has_wildcard(group) else values).append(group)
    if not values and not wildcards:
        return None
    return Criterion(keyword, tuple(dict.fromkeys(values)), tuple(dict.fromkeys(wildcards)))


def of_uids(keyword: str, keys: Iterable[str]) -> Criterion | None:
    """Return what a UID key asks: one of a list, literally. Source: PS3.4 C.2.2.2.2."""
    asked = _asking(keys)
    return None if asked is None else Criterion(keyword, asked)


def of_dates(keyword: str, key: str) -> Criterion | None:
    """Return what a DA key asks. Raises: Malformed, if it is no date or range. Source: PS3.4 C.2.2.2.5."""
    span = matching.parse_date_range(key)
    return None if span is None else Criterion(keyword, span=span)


def of_times(keyword: str, key: str) -> Criterion | None:
    """Return what a TM key asks. Raises: Malformed, if it is no time or range. Source: PS3.4 C.2.2.2.5."""
    span = matching.parse_time_range(key)
    return None if span is None else Criterion(keyword, span=span)


def scheduled(dates: Range | None, times: TimeRange | None) -> tuple[Range | None, TimeRange | None]:
    """
    Return the window of joined starts and the times of any day that a date key and a time key ask for.

    Two ranges are one interval; else each filters for itself. Source: PS3.4 Table K.6-1 (remark on the scheduled start).
    """
    together = matching.combined_range(dates, times)
    if together is not None:
        return together, None
    if dates is None:
        return None, times
    whole_days = Range(dates.low and dates.low + "000000", dates.high and dates.high + "235959.999999")
    return whole_days, times


def _asking(keys: Iterable[str]) -> tuple[str, ...] | None:
    """Return the values that ask something, None if one of them asks for everything, or none asks."""
    found = [key for key in keys if key]
    if not found or any(matching.is_universal(key) for key in found):
        return None
    return tuple(dict.fromkeys(found))
