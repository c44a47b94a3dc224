"""Worklist matching as the standard tells it: slow, obvious, and sharing nothing with the product. Source: PS3.4 C.2.2.2, K.6.

An item is a mapping of keyword to its values; a query one of keyword to the text of its key. A sequence is a list of items in
the one and a query in the other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

NAMES = {"PatientName", "ScheduledPerformingPhysicianName", "ReferringPhysicianName", "RequestingPhysician"}
UIDS = {"StudyInstanceUID"}
DATES = {"PatientBirthDate"}
ONE_TEXT = {"CommentsOnTheScheduledProcedureStep", "RequestedProcedureComments"}
START = ("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime")

LAST_MOMENT = timedelta(days=1, microseconds=-1)

Item = Mapping[str, Any]


def matches(item: Item, query: Mapping[str, Any]) -> bool:
    """Say whether *item* meets every key of *query*."""
    rest = {keyword: key for keyword, key in query.items() if keyword not in START}
    return start_fits(item, query.get(START[0], ""), query.get(START[1], "")) and all_fit(item, rest)


def all_fit(item: Item, query: Mapping[str, Any]) -> bool:
    return all(attribute_fits(keyword, item.get(keyword, ()), key) for keyword, key in query.items())


def attribute_fits(keyword: str, stored: Sequence[Any], key: Any) -> bool:
    if isinstance(key, Mapping):
        return not asks(key) or any(all_fit(item, key) for item in stored)
    values = [bare(value) for value in stored if bare(value)]
    if keyword in DATES:
        return not bare(key).strip("*") or any(date_fits(key, value) for value in values)
    keys = [bare(one) for one in ([key] if keyword in ONE_TEXT else key.split("\\"))]
    if keyword in NAMES:
        return names_fit(keys, values)
    keys = [one for one in keys if one]
    if not keys or any(not one.strip("* ") for one in keys):
        return True
    if keyword in UIDS:
        return any(one == value for one in keys for value in values)
    return any(fits(one, value) for one in keys for value in values)


def asks(query: Mapping[str, Any]) -> bool:
    """Say whether anything is asked of a sequence."""
    return any(
        asks(key) if isinstance(key, Mapping) else any(bare(one).strip("* ") for one in key.split("\\"))
        for key in query.values()
    )


def bare(value: str) -> str:
    """Cut padding: blanks around the value, and whatever stands behind a NUL."""
    return value.strip(" \0").split("\0")[0].rstrip(" ")


def fits(key: str, value: str) -> bool:
    """Try every way in which * may be any run and ? one character."""
    reached = {0}
    for letter in key:
        if letter == "*":
            reached = {place for first in reached for place in range(first, len(value) + 1)}
        else:
            reached = {place + 1 for place in reached if place < len(value) and letter in ("?", value[place])}
    return len(value) in reached


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def names_fit(keys: Sequence[str], values: Sequence[str]) -> bool:
    wanted: list[str] = []
    for key in keys:
        if key and not key.strip("*^= "):
            return True
        wanted += [folded(group) for group in key.split("=") if group.strip("*^ ")]
    wanted = [group for group in wanted if group]
    groups = [folded(group) for value in values for group in value.split("=")]
    return not wanted or any(group_fits(want, have) for want in wanted for have in groups if have)


def group_fits(want: str, have: str) -> bool:
    """Compare one component group; components at the key's end that may be anything may be missing, too."""
    while True:
        if fits(want, have):
            return True
        first, delimiter, last = want.rpartition("^")
        if not delimiter or last.strip("*"):
            return False
        want = first


def folded(group: str) -> str:
    """Return a component group without case, accents, width and padding; the voicing of kana is no accent."""
    letters = []
    for letter in unicodedata.normalize("NFKD", group).casefold():
        is_voicing = letter in "\u3099\u309a"
        if is_voicing or not unicodedata.combining(letter):
            letters.append(letter)
    plain = unicodedata.normalize("NFC", "".join(letters))
    components = [" ".join(component.split()) for component in plain.split("^")]
    while components and not components[-1]:
        components.pop()
    return "^".join(components)


# ── dates and times ──────────────────────────────────────────────────────────────────────────────────────────────────


def date_of(text: str) -> date:
    digits = "".join(letter for letter in text if letter.isdigit())
    return datetime.strptime(digits, "%Y%m%d").date()


def ends_of_dates(key: str) -> tuple[date | None, date | None]:
    key = bare(key)
    if len(key) <= 10 and sum(letter.isdigit() for letter in key) == 8 and not key.startswith("-") and key[-1] != "-":
        return date_of(key), date_of(key)
    low, _, high = key.partition("-")
    return (date_of(low) if low else None), (date_of(high) if high else None)


def date_fits(key: str, value: str) -> bool:
    low, high = ends_of_dates(key)
    day = date_of(value)
    return (low is None or low <= day) and (high is None or day <= high)


def span_of_time(text: str) -> tuple[timedelta, timedelta]:
    """Return the first and the last moment that a time of any precision stands for, since midnight."""
    digits, _, fraction = text.replace(":", "").partition(".")
    parts = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    first = timedelta(hours=parts[0], minutes=parts[1] if len(parts) > 1 else 0, seconds=[*parts, 0, 0][2])
    unit = [timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)][len(parts) - 1]
    if fraction:
        unit = timedelta(microseconds=10 ** (6 - len(fraction)))
        first += int(fraction) * unit
    return first, first + unit - timedelta(microseconds=1)


def ends_of_times(key: str) -> tuple[timedelta | None, timedelta | None]:
    low, hyphen, high = bare(key).partition("-")
    if not hyphen:
        return span_of_time(low)
    return (span_of_time(low)[0] if low else None), (span_of_time(high)[1] if high else None)


def start_fits(item: Item, date_key: str, time_key: str) -> bool:
    (day_text,), (time_text,) = item[START[0]], item[START[1]]
    day, at = date_of(day_text), span_of_time(time_text)[0]
    asks_date, asks_time = bool(bare(date_key).strip("*")), bool(bare(time_key).strip("*"))
    low_day, high_day = ends_of_dates(date_key) if asks_date else (None, None)
    low, high = ends_of_times(time_key) if asks_time else (None, None)
    if asks_date and asks_time and low_day != high_day and "-" in time_key:
        moment = datetime.combine(day, time()) + at
        first = low_day and datetime.combine(low_day, time()) + (low or timedelta())
        last = high_day and datetime.combine(high_day, time()) + (LAST_MOMENT if high is None else high)
        return (not first or first <= moment) and (not last or moment <= last)
    if (low_day and day < low_day) or (high_day and day > high_day):
        return False
    if low is not None and high is not None and low > high:
        return at >= low or at <= high
    return (low is None or low <= at) and (high is None or at <= high)


def values_of(dataset: Any) -> Iterator[tuple[str, list[Any]]]:
    """Read an answer as pydicom has it: each attribute's values, those of the step beside those around it."""
    for element in dataset:
        if element.keyword == "ScheduledProcedureStepSequence":
            yield from values_of(element.value[0])
        elif element.VR == "SQ":
            yield element.keyword, [dict(values_of(item)) for item in element.value]
        elif element.value not in (None, ""):
            several = element.value if element.VM > 1 else [element.value]
            yield element.keyword, [str(value) for value in several]
