"""What a device is shown: each rule by its name, at a moment that is handed in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bridge.domain.device_profile import (
    RULE_WORDS,
    DeviceProfile,
    Leaves,
    Rule,
    Sees,
    StepFacts,
    Window,
    hidden_by,
)
from bridge.domain.order import LIVE, StepStatus

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)  # 12:00 in New York.
STEP = StepFacts(StepStatus.SCHEDULED, "CT", ("CT1",), "20260302101500")
CT1 = DeviceProfile("CT1", modality="CT")


def rules(profile: DeviceProfile, step: StepFacts, now: datetime = NOON, zone: ZoneInfo = NEW_YORK) -> list[Rule]:
    return [one.rule for one in hidden_by(step, profile, profile.visibility(now, zone))]


@pytest.mark.parametrize("status", list(StepStatus))
def test_a_device_without_wishes_is_shown_every_live_step(status: StepStatus) -> None:
    step = replace(STEP, status=status, scheduled_station_ae_title=("MR9",), modality="MR")
    assert rules(DeviceProfile("CT1"), step) == ([] if status in LIVE else [Rule.STATE])


def test_own_steps_are_those_that_name_the_title_an_alias_or_a_station() -> None:
    profile = DeviceProfile("CT1", aliases=("CT1OLD",), stations=("CTROOM",), sees=(Sees.STATION,))
    for title in ("CT1", "CT1OLD", "CTROOM"):
        assert rules(profile, replace(STEP, scheduled_station_ae_title=("X", title))) == []
    assert rules(profile, replace(STEP, scheduled_station_ae_title=("CT2",))) == [Rule.WHOSE]


def test_own_modality_counts_its_aliases() -> None:
    profile = DeviceProfile("DR1", modality="DX", modality_aliases=("CR",), sees=(Sees.MODALITY,))
    assert [rules(profile, replace(STEP, modality=one)) for one in ("DX", "CR", "CT", "")] == [
        [],
        [],
        [Rule.WHOSE],
        [Rule.WHOSE],
    ]


def test_unassigned_steps_are_those_of_its_modality_where_it_has_one() -> None:
    sees = (Sees.STATION, Sees.UNASSIGNED)
    nobody, placeholder = replace(STEP, scheduled_station_ae_title=()), ("UNASSIGNED",)
    for step in (nobody, replace(nobody, scheduled_station_ae_title=placeholder)):
        assert rules(replace(CT1, sees=sees), step) == []
        assert rules(replace(CT1, sees=sees), replace(step, modality="MR")) == [Rule.WHOSE]
        assert rules(DeviceProfile("ANY", sees=sees), replace(step, modality="MR")) == []


@pytest.mark.parametrize(
    ("leaves", "status", "has_images", "expected"),
    [
        (Leaves.STARTED, StepStatus.READY, False, []),
        (Leaves.STARTED, StepStatus.STARTED, False, [Rule.STARTED]),
        (Leaves.IMAGES, StepStatus.STARTED, False, []),
        (Leaves.IMAGES, StepStatus.STARTED, True, [Rule.IMAGES]),
        # The wrong entry was picked: the step waits again, though images of somebody else came under it.
        (Leaves.IMAGES, StepStatus.SCHEDULED, True, []),
        (Leaves.FINISHED, StepStatus.STARTED, True, []),
        (Leaves.FINISHED, StepStatus.COMPLETED, True, [Rule.STATE]),
        (Leaves.END_OF_DAY, StepStatus.COMPLETED, True, []),
        (Leaves.END_OF_DAY, StepStatus.DISCONTINUED, True, []),
        (Leaves.END_OF_DAY, StepStatus.CANCELED, False, [Rule.STATE]),
        (Leaves.END_OF_DAY, StepStatus.HELD, False, [Rule.STATE]),
    ],
)
def test_a_step_leaves_the_list_when_its_profile_says(
    leaves: Leaves, status: StepStatus, has_images: bool, expected: list[Rule]
) -> None:
    assert rules(replace(CT1, leaves=leaves), replace(STEP, status=status, has_images=has_images)) == expected


def test_the_day_ends_by_the_hospitals_clock() -> None:
    profile = replace(CT1, leaves=Leaves.END_OF_DAY)
    before, after = datetime(2026, 3, 3, 4, 59, tzinfo=UTC), datetime(2026, 3, 3, 5, 0, tzinfo=UTC)
    assert rules(profile, STEP, before) == []
    assert rules(profile, STEP, after) == [Rule.DAY_OVER]
    assert rules(profile, replace(STEP, status=StepStatus.STARTED), after) == []


def test_a_day_may_end_after_the_night_shift() -> None:
    profile = replace(CT1, leaves=Leaves.END_OF_DAY, day_ends="0400")
    late = replace(STEP, scheduled_start_local="20260303013000")
    assert rules(profile, STEP, datetime(2026, 3, 3, 8, 59, tzinfo=UTC)) == []
    assert rules(profile, late, datetime(2026, 3, 3, 8, 59, tzinfo=UTC)) == []
    assert rules(profile, late, datetime(2026, 3, 3, 9, 0, tzinfo=UTC)) == [Rule.DAY_OVER]


def test_a_window_in_hours_moves_with_the_clock_and_one_in_days_is_whole_days() -> None:
    hours = replace(CT1, window=Window(hours_back=2, hours_ahead=4))
    days = replace(CT1, window=Window(days_back=0, days_ahead=1))
    starts = {"20260302095959": Rule.TOO_EARLY, "20260302100000": None, "20260302160000": None}
    starts |= {"20260302160001": Rule.TOO_LATE}
    for start, rule in starts.items():
        assert rules(hours, replace(STEP, scheduled_start_local=start)) == ([rule] if rule else [])
    starts = {"20260301235959": Rule.TOO_EARLY, "20260302000000": None, "20260303235959": None}
    starts |= {"20260304000000": Rule.TOO_LATE}
    for start, rule in starts.items():
        assert rules(days, replace(STEP, scheduled_start_local=start)) == ([rule] if rule else [])


def test_hours_are_hours_also_in_the_night_the_clock_is_put_forward() -> None:
    profile = replace(CT1, window=Window(hours_ahead=2))
    after_the_gap = replace(STEP, scheduled_start_local="20260308040000")
    assert rules(profile, after_the_gap, datetime(2026, 3, 8, 6, 0, tzinfo=UTC)) == []  # 01:00, and 02:00 is missing.


def test_a_confidential_step_is_kept_from_a_hallway_console() -> None:
    step = replace(STEP, is_confidential=True)
    assert rules(CT1, step) == []
    assert rules(replace(CT1, hides_confidential=True), step) == [Rule.CONFIDENTIAL]


def test_every_rule_that_hides_a_step_is_named_with_a_sentence() -> None:
    profile = DeviceProfile("CT1", sees=(Sees.STATION,), window=Window(hours_ahead=0), leaves=Leaves.STARTED)
    step = StepFacts(StepStatus.STARTED, "MR", ("MR2",), "20260302180000")
    found = hidden_by(step, profile, profile.visibility(NOON, NEW_YORK))
    assert [one.rule for one in found] == [Rule.STARTED, Rule.WHOSE, Rule.TOO_LATE]
    assert found[1].reason == "It is scheduled for MR2 as MR, and CT1 is shown only its own steps."
    assert found[2].reason == "It starts at 2026-03-02 18:00, and CT1 is shown steps until 2026-03-02 12:00."
    assert set(RULE_WORDS) == set(Rule)


def test_a_query_by_one_of_its_titles_or_modalities_means_all_of_them() -> None:
    profile = DeviceProfile("DR1", aliases=("DR1B",), stations=("ROOM3",), modality="DX", modality_aliases=("CR",))
    assert profile.station_keys(["DR1B "]) == ("DR1B ", "DR1", "DR1B", "ROOM3")
    assert profile.station_keys(["DR2"]) == ("DR2",)
    assert profile.modality_keys(["CR"]) == ("CR", "DX")
    assert profile.modality_keys([]) == ()
    assert DeviceProfile("CT1").modality_keys(["CT"]) == ("CT",)


def test_a_query_must_hold_one_of_the_required_keys() -> None:
    profile = DeviceProfile("CR1", required_keys=("PatientID", "ScheduledProcedureStepStartDate"))
    assert profile.lacks_required_key({"Modality"})
    assert not profile.lacks_required_key({"PatientID"})
    assert not DeviceProfile("CR1").lacks_required_key(set())
