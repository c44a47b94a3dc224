"""Each kind of matching, with the cases that devices bring."""

from __future__ import annotations

import pytest

from bridge.domain import matching
from bridge.domain.matching import Range, TimeRange
from bridge.errors import Malformed


@pytest.mark.parametrize("key", ["", " ", "*", "**", "\0"])
def test_a_universal_key_fits_everything_even_the_unknown(key: str) -> None:
    assert matching.match_single(key, "")
    assert matching.match_wildcard(key, "")
    assert matching.match_person_name(key, "")
    assert matching.parse_date_range(key) is None
    assert matching.parse_time_range(key) is None
    assert matching.match_any(matching.match_single, [key], [])


def test_an_unknown_value_fails_every_other_key() -> None:
    assert not matching.match_single("CT", "")
    assert not matching.match_wildcard("?", "")
    assert not matching.match_person_name("A*", "")
    assert not matching.match_date_range(matching.parse_date_range("20260101-"), "")
    assert not matching.match_time_range(matching.parse_time_range("-1200"), "")


def test_a_single_value_counts_case_but_not_padding() -> None:
    assert matching.match_single("CT1 ", " CT1")
    assert not matching.match_single("ct1", "CT1")


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("C*", "CT", True),
        ("*T", "CT", True),
        ("C?", "CT", True),
        ("C?", "C", False),
        ("c*", "CT", False),
        ("A*B*C", "AxxBxxC", True),
        ("A*B*C", "AxxCxxB", False),
        ("A*A", "A", False),
        ("A.C", "ABC", False),
        ("a*b?", "a-b-b1", True),
        ("CT", "CT", True),
        ("CT", "CTA", False),
    ],
)
def test_wildcards(key: str, value: str, fits: bool) -> None:
    assert matching.match_wildcard(key, value) is fits


@pytest.mark.timeout(60)
def test_a_hostile_wildcard_comes_to_an_end() -> None:
    # By way of every split of the value this would outlast the universe.
    assert not matching.match_wildcard("a*" * 40 + "b", "a" * 64)


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("SMITH", "SMITHSON^ANN", False),
        ("SMITH*", "SMITH^JOHN", True),
        ("smith^john", "SMITH^JOHN^^^", True),
        ("SMITH^JOHN^^^^", "Smith^John", True),
        ("NUNEZ*", "Núñez^José", True),
        ("NÚÑEZ^JOSÉ", "Nunez^Jose", True),
        ("*^JOHN", "SMITH^JOHN", True),
        ("SMITH^*", "SMITH", True),
        ("SM?TH*", "SMITH^JOHN", True),
        ("山田*", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("Yamada^Tarou=山田^太郎", "=山田^太郎", True),
        ("か*", "が^ら", False),
        ("^^^^", "ANY^ONE", True),
        ("Ｙａｍａｄａ*", "YAMADA^TARO", True),
        ("STRASSE", "Straße", True),
    ],
)
def test_person_names(key: str, value: str, fits: bool) -> None:
    assert matching.match_person_name(key, value) is fits


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("20260105", "20260105", "20260105"),
        ("20260105-20260107", "20260105", "20260107"),
        ("20260105-", "20260105", ""),
        ("-20260107", "", "20260107"),
        ("2026.01.05-2026.01.07", "20260105", "20260107"),
        ("2026-01-05", "20260105", "20260105"),
        ("2026-01-05-2026-01-07", "20260105", "20260107"),
        ("2026-01-05-", "20260105", ""),
        ("-2026-01-07", "", "20260107"),
    ],
)
def test_date_keys(key: str, low: str, high: str) -> None:
    assert matching.parse_date_range(key) == Range(low, high)


@pytest.mark.parametrize("key", ["today", "20261301", "2026", "20260105-20260107-20260109", "19991231x"])
def test_a_date_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(Malformed) as refused:
        matching.parse_date_range(key)
    assert refused.value.code == "bad_date"


def test_a_date_range_includes_both_ends() -> None:
    wanted = matching.parse_date_range("20260105-20260107")
    assert [
        day for day in ("20260104", "20260105", "20260107", "20260108") if matching.match_date_range(wanted, day)
    ] == [
        "20260105",
        "20260107",
    ]


def test_a_time_key_reaches_to_the_end_of_its_precision() -> None:
    hour = matching.parse_time_range("10")
    assert hour == TimeRange("100000", "105959.999999", is_range=False)
    assert matching.match_time_range(hour, "105959.5")
    assert not matching.match_time_range(hour, "110000")
    assert matching.match_time_range(matching.parse_time_range("08:30-09:15"), "0915")
    with pytest.raises(Malformed) as refused:
        matching.parse_time_range("25")
    assert refused.value.code == "bad_time"


def test_a_time_window_alone_may_cross_midnight() -> None:
    night = matching.parse_time_range("2200-0600")
    assert [t for t in ("213000", "220000", "030000", "060000", "070000") if matching.match_time_range(night, t)] == [
        "220000",
        "030000",
        "060000",
    ]


def test_a_date_range_and_a_time_range_are_one_interval() -> None:
    dates, times = matching.parse_date_range("20260131-20260201"), matching.parse_time_range("2200-0600")
    assert matching.match_date_time(dates, times, ("20260131", "233000"))
    assert matching.match_date_time(dates, times, ("20260201", "053000"))
    assert not matching.match_date_time(dates, times, ("20260131", "053000"))
    assert not matching.match_date_time(dates, times, ("20260201", "233000"))
    assert not matching.match_date_time(dates, times, ("20260131", ""))


def test_a_day_and_a_time_range_filter_apart() -> None:
    dates, times = matching.parse_date_range("20260131"), matching.parse_time_range("0800-1200")
    assert matching.match_date_time(dates, times, ("20260131", "093000"))
    assert not matching.match_date_time(dates, times, ("20260131", "123000"))
    assert not matching.match_date_time(dates, times, ("20260201", "093000"))
    assert matching.match_date_time(dates, None, ("20260131", ""))
    assert matching.match_date_time(None, times, ("20301231", "0900"))


def test_one_of_several_stored_values_is_enough() -> None:
    assert matching.match_any(matching.match_single, ["CT2"], ["CT1", "CT2"])
    assert not matching.match_any(matching.match_single, ["CT3"], ["CT1", "CT2"])
    assert matching.match_any(matching.match_single, ["CT3", "CT1"], ["CT1", "CT2"])


@pytest.mark.parametrize(
    ("sent", "normal"),
    [("20240229", "20240229"), ("20230229", ""), ("2024.02.29", "20240229"), ("00000000", ""), ("2024.02-29", "")],
)
def test_dates_are_normalised(sent: str, normal: str) -> None:
    assert matching.normal_date(sent) == normal


@pytest.mark.parametrize(
    ("sent", "normal"),
    [
        ("083015.123456", "083015.123456"),
        ("08", "080000"),
        ("08:30", "083000"),
        ("2400", ""),
        ("0860", ""),
        ("noon", ""),
    ],
)
def test_times_are_normalised(sent: str, normal: str) -> None:
    assert matching.normal_time(sent) == normal
