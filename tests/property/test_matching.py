"""Matching against a slow and obvious model."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain import matching

_VALUES = st.text("ab^.", min_size=1, max_size=8)
_KEYS = st.text("ab^.*?", max_size=8)
_STARTS = st.datetimes(datetime(2026, 1, 30), datetime(2026, 2, 3)).map(lambda at: at.replace(second=0, microsecond=0))


def obvious(key: str, value: str) -> bool:
    """Match character by character, trying everything an asterisk might stand for."""
    if not key:
        return not value
    if key[0] == "*":
        return any(obvious(key[1:], value[cut:]) for cut in range(len(value) + 1))
    return bool(value) and key[0] in (value[0], "?") and obvious(key[1:], value[1:])


@given(_KEYS, _VALUES)
def test_wildcards_match_as_the_obvious_model(key: str, value: str) -> None:
    assert matching.match_wildcard(key, value) == (matching.is_universal(key) or obvious(key, value))


@given(_VALUES)
def test_a_name_fits_itself_in_any_case(name: str) -> None:
    if matching.fold_name(name):
        assert matching.match_person_name(name.upper(), name.lower())


@given(_STARTS, _STARTS, _STARTS)
def test_combined_ranges_match_as_instants_do(low: datetime, high: datetime, start: datetime) -> None:
    dates = matching.parse_date_range(f"{low:%Y%m%d}-{high:%Y%m%d}")
    times = matching.parse_time_range(f"{low:%H%M}-{high:%H%M}")
    if low.date() == high.date() or low.time() == high.time():
        return
    inside = low <= start < high + timedelta(minutes=1)
    assert matching.match_date_time(dates, times, (f"{start:%Y%m%d}", f"{start:%H%M%S}")) == inside


@given(st.dates(), st.sampled_from(["", ".", "-", "/"]), st.sampled_from(["", " ", "\0"]))
def test_every_spelling_of_a_day_is_that_day(day: date, separator: str, padding: str) -> None:
    parts = f"{day.year:04d}", f"{day.month:02d}", f"{day.day:02d}"
    assert matching.normal_date(separator.join(parts) + padding) == "".join(parts)
