"""Times, codes and other conversions. Source: HL7 2.5.1 2.A."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bridge.errors import Malformed
from bridge.mapping.converters import CONVERTERS
from bridge.mapping.dates import read_timestamp
from bridge.mapping.targets import TARGETS

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("sent", "local", "at"),
    [
        ("20260302093000", "20260302093000", datetime(2026, 3, 2, 14, 30, tzinfo=UTC)),
        ("202603020930", "20260302093000", datetime(2026, 3, 2, 14, 30, tzinfo=UTC)),
        ("2026030209", "20260302090000", datetime(2026, 3, 2, 14, 0, tzinfo=UTC)),
        ("20260302", "20260302000000", datetime(2026, 3, 2, 5, 0, tzinfo=UTC)),
        ("202603", "20260301000000", datetime(2026, 3, 1, 5, 0, tzinfo=UTC)),
        ("20260702093000", "20260702093000", datetime(2026, 7, 2, 13, 30, tzinfo=UTC)),
        ("20260302093000.1234", "20260302093000", datetime(2026, 3, 2, 14, 30, tzinfo=UTC)),
        ("20260302093000+0100", "20260302033000", datetime(2026, 3, 2, 8, 30, tzinfo=UTC)),
        ("20260302093000.12-0800", "20260302123000", datetime(2026, 3, 2, 17, 30, tzinfo=UTC)),
        ("20260302235960", "20260302235959", datetime(2026, 3, 3, 4, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_the_hospitals_clock_and_an_instant(sent: str, local: str, at: datetime) -> None:
    found = read_timestamp(sent, NEW_YORK, "TQ1-7")

    assert found is not None
    assert (found[0].local, found[0].at) == (local, at)


@pytest.mark.parametrize("sent", ["0000", "00000000", "000000000000"])
def test_zeros_are_no_time(sent: str) -> None:
    assert read_timestamp(sent, NEW_YORK, "TQ1-7") is None


@pytest.mark.parametrize(
    "sent",
    [
        "2026-03-02",
        "20261301",
        "20260230",
        "20260302250000",
        "202603020",
        "20260302093000+9900",
        "x",
        "1" * 27,
        "２０２６０３０２",
        "20260302 0930",
    ],
)
def test_what_is_no_time_is_refused(sent: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_timestamp(sent, NEW_YORK, "TQ1-7")
    assert refused.value.where == "TQ1-7"


def test_every_target_names_known_converters() -> None:
    assert {name for target in TARGETS.values() for name in target.converters} <= set(CONVERTERS)


def test_every_converter_has_a_target() -> None:
    assert set(CONVERTERS) == {name for target in TARGETS.values() for name in target.converters}
