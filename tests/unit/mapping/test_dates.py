"""Days of senders that do not write them as HL7 does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.errors import Malformed
from bridge.mapping.dates import in_hl7_form
from bridge.mapping.site import Policy
from tests.unit.mapping.senders import header, mapped, shipped


@pytest.mark.parametrize(
    ("date_format", "sent", "read"),
    [
        ("hl7", "01/15/2025", "01/15/2025"),
        ("iso", "2025-01-15", "20250115"),
        ("iso", "2025-01-15T14:30:00", "20250115143000"),
        ("iso", "2025-01-15 14:30", "202501151430"),
        ("iso", "2025-01-15T14:30:00.123+02:00", "20250115143000+0200"),
        ("iso", "2025-01-15T14:30:00Z", "20250115143000+0000"),
        ("iso", "20250115 1430", "202501151430"),
        ("iso", "01/15/2025", "01/15/2025"),
        ("month_first", "1/5/2025 9:05", "202501050905"),
        ("month_first", "01/15/2025 14:30:00", "20250115143000"),
        ("month_first", "2025-01-15", "20250115"),
        ("day_first", "15.01.2025", "20250115"),
        ("day_first", "15/01/2025 08:00", "202501150800"),
        ("day_first", "20250115", "20250115"),
        ("day_first", "soon", "soon"),
        ("day_first", "1" * 5000 + "/", "1" * 5000 + "/"),
    ],
)
def test_a_day_is_brought_to_hl7s_form(date_format: str, sent: str, read: str) -> None:
    assert in_hl7_form(sent, Policy(date_format=date_format)) == read


def test_a_site_reads_birth_date_start_and_message_time_by_its_format() -> None:
    site = replace(shipped().base, policy=Policy(date_format="day_first"))
    found = mapped(
        header("ORM^O01", at="31.01.2026 08:00:00"), "PID|1||7||DOE^J||03.11.1991", "ORC|NW|P|F||||^^^01.02.2026 10:15",
        "OBR|1|||1^X" + "|" * 14 + "A1", site=site,
    )  # fmt: skip

    assert found.patient is not None
    assert found.patient.patient_birth_date == "19911103"
    assert found.orders[0].steps[0].scheduled_start_local == "20260201101500"
    assert found.message_at is not None
    assert (found.message_at.day, found.message_at.hour) == (31, 13)


def test_a_day_that_is_none_in_the_sites_format_is_refused_not_turned_around() -> None:
    site = replace(shipped().base, policy=Policy(date_format="month_first"))
    with pytest.raises(Malformed) as refused:
        mapped(header("ADT^A08"), "PID|1||7||DOE^J||31/01/1991", site=site)
    assert refused.value.where == "PID-7"


@pytest.mark.parametrize(
    ("sent", "local", "utc"),
    [
        ("202607010900", "20260701090000", "20260701T1300"),
        ("202601010900", "20260101090000", "20260101T1400"),
        # The hour that the clocks leave out is read on; of the hour that comes twice the first is meant.
        ("202603080230", "20260308023000", "20260308T0730"),
        ("202611010130", "20261101013000", "20261101T0530"),
        ("202611010130-0500", "20261101013000", "20261101T0630"),
        ("202603080130-0600", "20260308033000", "20260308T0730"),
    ],
)
def test_a_start_is_kept_as_the_hospitals_clock_says_and_as_an_instant(sent: str, local: str, utc: str) -> None:
    step = mapped(header("ORM^O01"), "PID|1||7", f"ORC|NW|P|F||||^^^{sent}", "OBR|1|||1^X").orders[0].steps[0]

    assert step.scheduled_start_at is not None
    assert (step.scheduled_start_local, f"{step.scheduled_start_at:%Y%m%dT%H%M}") == (local, utc)
