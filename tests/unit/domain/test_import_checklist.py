"""The import checklist says in words what does not fit, and what it cannot know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from bridge.domain.body_parts import tokens
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.import_checklist import CheckedStudy, Finding, Line, Subject, checklist_of, looks_of
from bridge.domain.order import Code, Order, Step, StepStatus
from bridge.domain.study import Header, Series, Study, StudyState
from bridge.mapping.checklist import load_checklist
from tests.conftest import ROOT

RULES = load_checklist(ROOT / "mappings", None, UTC)
HEADER = Header("1.2", "1.2.3", "1.2.4", "1.2.5", "1.2.840.10008.1.2.1", study_date="20260302", study_time="1015")
ARRIVED = datetime(2026, 3, 2, 10, 20, tzinfo=UTC)


def study(state: StudyState = StudyState.BOUND, **said: object) -> Study:
    header = replace(HEADER, **({"modality": "DX"} | said))  # type: ignore[arg-type]
    return Study(1, "1.2.4", state, header, "DX1", foreign=False, rule="B01", first_instance_at=ARRIVED)


def ordered(description: str = "XR KNEE RIGHT 2 VIEWS", code: str = "", modality: str = "DX") -> CheckedStudy:
    """Return an order for 2 March with one step, and a study that says nothing yet."""
    order = Order(
        1,
        1,
        "A1",
        "",
        EntityIdentifier("P1"),
        EntityIdentifier("F1"),
        "R1",
        "",
        StepStatus.STARTED,
        requested_procedure_description=description,
        requested_procedure_code=Code(code, "L", ""),
    )
    step = Step(1, 1, "S1", StepStatus.STARTED, modality, scheduled_start_local="20260302101500")
    return CheckedStudy(study(), order=order, steps=(step,), count=1)


def line(checked: CheckedStudy, subject: Subject) -> Line:
    return next(one for one in checklist_of(checked, RULES) if one.subject == subject)


def test_every_line_is_there_in_the_order_people_read_them() -> None:
    assert [one.subject for one in checklist_of(ordered(), RULES)] == list(Subject)


@pytest.mark.parametrize(
    ("description", "laterality", "series", "finding", "sentence"),
    [
        ("XR KNEE RIGHT", "R", "", Finding.FINE, "Both say right."),
        ("XR KNEE RIGHT", "L", "", Finding.LOOK, "The order asks for right, the images say left."),
        ("XR KNEE RT", "", "Knee left AP", Finding.LOOK, "The order asks for right, the images say left."),
        ("XR KNEE, bilateral", "L", "", Finding.FINE, "The side fits."),
        ("XR KNEE LEFT", "B", "", Finding.LOOK, "The order asks for left, the images say both sides."),
        ("XR KNEE LEFT", "", "", Finding.UNKNOWN, "The images name no side."),
        ("XR KNEE", "L", "", Finding.UNKNOWN, "The order names no side."),
        ("XR KNEE", "", "", Finding.FINE, "Neither images nor order name a side."),
    ],
)
def test_the_side_is_compared_with_the_order(
    description: str, laterality: str, series: str, finding: Finding, sentence: str
) -> None:
    checked = replace(
        ordered(description),
        study=study(laterality=laterality),
        series=(Series(1, 1, "1.2.5", "DX", series_description=series),),
    )
    found = line(checked, Subject.LATERALITY)
    assert (found.finding, found.sentence) == (finding, sentence)


def test_a_paired_part_without_a_side_is_not_called_fine() -> None:
    checked = replace(ordered("XR KNEE"), study=study(body_part_examined="KNEE"))
    assert line(checked, Subject.LATERALITY).finding == Finding.UNKNOWN


def test_the_side_of_a_single_image_counts_and_so_does_a_contradiction_within_the_images() -> None:
    checked = replace(ordered("XR KNEE RIGHT"), sides=frozenset({"L"}))
    assert line(checked, Subject.LATERALITY).finding == Finding.LOOK
    torn = replace(ordered("XR KNEE RIGHT"), study=study(laterality="R", study_description="Knee left"))
    said = "The images are marked right, and their description says left."
    assert line(torn, Subject.LATERALITY).sentence == said


@pytest.mark.parametrize(
    ("examined", "description", "code", "finding"),
    [
        ("CHEST", "CT thorax", "", Finding.FINE),
        ("CHEST", "Pulmonary nodule", "71260", Finding.FINE),
        ("LSPINE", "MR spine", "", Finding.FINE),
        ("L_SPINE", "MR lumbar spine", "", Finding.FINE),
        ("BRAIN", "CT head", "", Finding.FINE),
        ("72696002", "XR knee", "", Finding.FINE),
        ("WHOLEBODY", "XR knee", "", Finding.FINE),
        ("CHEST", "CT CHEST ABDOMEN PELVIS", "", Finding.FINE),
        ("CHESTABDPELVIS", "CT chest", "", Finding.LOOK),
        ("ABDOMEN", "CT chest", "", Finding.LOOK),
        ("CSPINE", "MR lumbar spine", "", Finding.LOOK),
        ("", "CT chest", "", Finding.UNKNOWN),
        ("CHEST", "Consultation", "", Finding.UNKNOWN),
    ],
)
def test_the_body_part_is_compared_with_the_order(examined: str, description: str, code: str, finding: Finding) -> None:
    checked = replace(ordered(description, code), study=study(body_part_examined=examined))
    assert line(checked, Subject.BODY_PART).finding == finding


def test_a_strange_body_part_is_named_beside_the_ordered_one() -> None:
    checked = replace(ordered("CT chest"), study=study(body_part_examined="ABDOMEN"))
    found = line(checked, Subject.BODY_PART)
    assert found.sentence == "The images are of the abdomen, the order is of the chest."
    assert (found.images, found.order) == ("abdomen", "chest")


@pytest.mark.parametrize(
    ("said", "finding", "sentence"),
    [
        ({}, Finding.FINE, "The day fits the schedule."),
        ({"study_date": "20260301"}, Finding.FINE, "The day fits the schedule."),
        ({"study_date": "20260220"}, Finding.LOOK, "The exam is dated 10 days from the day it was scheduled for."),
        ({"study_time": "1300"}, Finding.LOOK, "3 hours after they came here"),
        ({"study_date": "20280302"}, Finding.LOOK, "731 days after they came here"),
        ({"study_time": "1300", "clock_ahead_secs": 10800}, Finding.FINE, "The day fits the schedule."),
        ({"study_date": ""}, Finding.UNKNOWN, "The images name no date."),
        ({"patient_birth_date": "20260303"}, Finding.LOOK, "before the patient's birth"),
        ({"study_time": "1015", "timezone_offset_from_utc": "-0500"}, Finding.LOOK, "after they came here"),
        ({"study_time": "1115", "timezone_offset_from_utc": "+0100"}, Finding.FINE, "The day fits the schedule."),
    ],
)
def test_the_day_is_compared_with_the_schedule_and_the_clock(
    said: dict[str, object], finding: Finding, sentence: str
) -> None:
    found = line(replace(ordered(), study=study(**said)), Subject.DATE)
    assert found.finding == finding
    assert sentence in found.sentence


def test_the_clock_is_the_hospitals_where_the_device_names_no_zone() -> None:
    there = replace(RULES, zone=timezone(timedelta(hours=3)))
    checked = replace(ordered(), study=study(study_time="1315"))
    assert next(one for one in checklist_of(checked, there) if one.subject == Subject.DATE).finding == Finding.FINE


@pytest.mark.parametrize(
    ("modality", "shown", "finding"),
    [
        ("DX", ("DX",), Finding.FINE),
        ("CR", ("DX", "KO", "PR"), Finding.FINE),
        ("PT", ("PT", "CT"), Finding.FINE),
        ("MR", ("CT",), Finding.LOOK),
        ("MR", ("SR",), Finding.UNKNOWN),
        ("", ("CT",), Finding.UNKNOWN),
    ],
)
def test_the_modality_is_compared_with_the_step(modality: str, shown: tuple[str, ...], finding: Finding) -> None:
    series = tuple(Series(number, 1, f"1.{number}", one) for number, one in enumerate(shown))
    assert line(replace(ordered(modality=modality), series=series), Subject.MODALITY).finding == finding


def test_lossy_images_and_text_in_the_picture_are_counted() -> None:
    checked = replace(ordered(), warnings={"lossy": 2, "burned_in": 1}, count=3)
    assert line(checked, Subject.LOSSY).sentence.startswith("2 of 3 images")
    assert line(checked, Subject.BURNED_IN).finding == Finding.LOOK
    quiet = line(replace(ordered(), warnings={"may_be_burned_in": 1}), Subject.BURNED_IN)
    assert quiet.finding == Finding.UNKNOWN


def test_without_an_order_nothing_is_guessed() -> None:
    alone = CheckedStudy(study(body_part_examined="CHEST", laterality="L"), count=1)
    found = {one.subject: one.finding for one in checklist_of(alone, RULES)}
    unknown = {Subject.LATERALITY, Subject.BODY_PART, Subject.DATE, Subject.MODALITY}
    assert {subject for subject, finding in found.items() if finding == Finding.UNKNOWN} == unknown


def test_who_the_images_name_is_a_line_too() -> None:
    unbound = replace(ordered(), study=study(StudyState.REVIEW))
    assert line(unbound, Subject.IDENTITY).finding == Finding.LOOK
    renamed = replace(ordered(), differences=("PatientName",))
    assert line(renamed, Subject.IDENTITY).finding == Finding.FINE
    born = replace(ordered(), differences=("PatientBirthDate", "PatientName"))
    assert line(born, Subject.IDENTITY).sentence.startswith("The birth date in the images differs")


def test_people_are_asked_only_what_nothing_else_asks() -> None:
    checked = replace(ordered(), study=study(StudyState.REVIEW, laterality="L"), warnings={"lossy": 1})
    assert list(looks_of(checked.study, checklist_of(checked, RULES))) == ["laterality"]
    bound = replace(checked, study=study(laterality="L"), differences=("PatientSex",))
    assert list(looks_of(bound.study, checklist_of(bound, RULES))) == ["identity", "laterality"]
    closed = replace(checked.study, closed_reason="a test")
    assert looks_of(closed, checklist_of(checked, RULES)) == {}


def test_what_a_site_lays_over_takes_the_place_of_one_entry(tmp_path: Path) -> None:
    text = 'schema = 1\n[date]\ndays = 3\n[body_parts.chest]\nwords = ["brust"]\n'
    (tmp_path / "checklist.toml").write_text(text, "utf-8")
    rules = load_checklist(ROOT / "mappings", tmp_path, UTC)
    assert rules.days == 3
    assert rules.body_parts.named_in(["CT Brust"]) == {"chest"}
    assert rules.body_parts.named_in(["CT chest"]) == frozenset()
    assert rules.body_parts.named_in(["CT head"]) == {"head"}


def test_words_are_read_in_any_writing() -> None:
    assert tokens("ＫＮＥＥ_rt") == ["knee", "rt"]
    assert RULES.body_parts.named_in(["x " * 20000]) == frozenset()
