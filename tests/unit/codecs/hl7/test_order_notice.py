"""What is told of an order, read back by our own reader and by hl7apy, which knows the standard's structures."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import ValidationError
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.order_notice import OMG, ORM, ORU, OrderNotice, build
from bridge.codecs.hl7.written import Route
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code, Order, Step, StepStatus
from bridge.domain.patient import Patient
from bridge.domain.study import Header, Study, StudyState
from bridge.errors import Incomplete

AT = datetime(2026, 3, 2, 15, 20, 31, tzinfo=UTC)
UID = "2.25.77"
CHOICE = re.compile(r"\.(RQD|RQ1|RXO|ODS|ODT)\b")


def oid_of(issuer: str) -> str:
    return {"RIVERSIDE": "1.2.3.4"}.get(issuer, "")


ROUTE = Route(
    "IMAGING_BRIDGE",
    "RIVERSIDE",
    "RIVRIS",
    "MERCY & SONS",
    "2.5.1",
    "UNICODE UTF-8",
    ZoneInfo("America/New_York"),
    oid_of,
)
PATIENT = Patient(
    1,
    (
        PatientIdentifier("00041003", "RIVERSIDE", "MR"),
        PatientIdentifier("78-11", "MERCY", "PI"),
        PatientIdentifier("078-05-1120", "USSSA", "SS"),
    ),
    patient_name="Yamada^Tarou^^Dr.^III=山田^太郎=やまだ^たろう",
    patient_birth_date="19710930",
    patient_sex="M",
)
ORDER = Order(
    key=7,
    patient_key=1,
    accession_number="A1",
    issuer_of_accession_number="RIVERSIDE",
    placer_order_number=EntityIdentifier("P|1", "RIVEHR"),
    filler_order_number=EntityIdentifier("F1", "RIVERSIDE"),
    requested_procedure_id="R1",
    study_instance_uid=UID,
    status=StepStatus.STARTED,
    requested_procedure_description="CT CHEST",
    requested_procedure_code=Code("71260", "C4", "CT chest^with & contrast"),
    requested_procedure_priority="STAT",
    reason_for_the_requested_procedure="fever\r\nand cough",
    requesting_physician="BRANDT^EVA^L^DR^MD",
    admission_id=EntityIdentifier("V9", "RIVERSIDE"),
)
STEP = Step(
    key=1,
    order_key=7,
    scheduled_procedure_step_id="S1",
    status=StepStatus.STARTED,
    modality="CT",
    scheduled_start_local="20260302101500",
    scheduled_start_at=datetime(2026, 3, 2, 15, 15, tzinfo=UTC),
)
STUDY = Study(
    3,
    UID,
    StudyState.BOUND,
    Header("1.2", "1.3", UID, "1.4", "1.2.840.10008.1.2", study_date="20260302", study_time="102030.25"),
    "CT1",
    False,
)
LINK = "https://bridge.example.org/IHEInvokeImageDisplay?requestType=STUDY&studyUID=2.25.77"
STATUS = OrderNotice(ORM, "IP", AT, PATIENT, ORDER, (STEP,), "O")


def read(notice: OrderNotice, route: Route = ROUTE) -> er7.Message:
    return er7.parse(build(notice, route, "0123456789ABCDEF0123"))


def field(message: er7.Message, segment: str, number: int) -> str:
    found = message.first(segment)
    assert found is not None
    return found.field(number) or ""


@pytest.mark.parametrize(
    ("notice", "version"),
    [
        (STATUS, "2.3.1"),
        (STATUS, "2.5.1"),
        (replace(STATUS, message_type=OMG), "2.5.1"),
        (replace(STATUS, message_type=OMG, study=STUDY), "2.5.1"),
        (replace(STATUS, message_type=ORU, study=STUDY), "2.3.1"),
        (replace(STATUS, message_type=ORU, study=STUDY), "2.5.1"),
        (replace(STATUS, message_type=ORU, study=STUDY, withdrawn=True), "2.5.1"),
        (replace(STATUS, message_type=ORU, study=STUDY, link=LINK), "2.3.1"),
        (replace(STATUS, message_type=ORU, study=STUDY, link=LINK), "2.5.1"),
        (replace(STATUS, message_type=ORU, study=STUDY, link=LINK, withdrawn=True), "2.5.1"),
        (replace(STATUS, message_type=OMG, study=STUDY, link=LINK, link_type="ST"), "2.5.1"),
    ],
)
def test_another_reader_finds_every_segment_where_the_standard_puts_it(
    notice: OrderNotice, version: str, tmp_path: Path
) -> None:
    raw = build(notice, replace(ROUTE, version=version), "C1").decode()
    if version == "2.3.1":
        # hl7apy finds a message's structure by MSH-9.3 only, which 2.3.1 leaves out.
        raw = raw.replace(
            f"|{notice.message_type}|", f"|{notice.message_type}^{notice.message_type.replace('^', '_')}|"
        )
    message = parse_message(raw, validation_level=VALIDATION_LEVEL.TOLERANT)
    report = tmp_path / "report"
    with contextlib.suppress(ValidationError):
        Validator.validate(message, report_file=str(report))
    # Of the choice OBR | RQD | RQ1 | RXO | ODS | ODT hl7apy wants every one.
    faults = [line for line in report.read_text("utf-8").splitlines() if not CHOICE.search(line)]
    assert [line for line in faults if "Error" in line] == []


def test_an_order_s_status_names_the_order_as_it_came() -> None:
    message = read(STATUS)
    assert field(message, "MSH", 9) == "ORM^O01^ORM_O01"
    assert [field(message, "MSH", n) for n in (3, 4, 5, 6)] == [
        "IMAGING_BRIDGE",
        "RIVERSIDE",
        "RIVRIS",
        "MERCY \\T\\ SONS",
    ]
    assert field(message, "MSH", 10) == "0123456789ABCDEF0123"
    assert [field(message, "ORC", n) for n in (1, 5)] == ["SC", "IP"]
    assert field(message, "ORC", 2) == "P\\F\\1^RIVEHR"
    assert field(message, "ORC", 3) == "F1^RIVERSIDE^1.2.3.4^ISO"
    assert [field(message, "OBR", n) for n in (18, 19, 20, 24)] == ["A1", "R1", "S1", "CT"]
    assert field(message, "OBR", 4) == "71260^CT chest\\S\\with \\T\\ contrast^C4"
    assert field(message, "OBR", 31) == "^fever\\.br\\and cough"
    assert message.first("OBX") is None


def test_times_carry_the_zone_of_the_house() -> None:
    message = read(STATUS)
    assert field(message, "MSH", 7) == field(message, "ORC", 9) == "20260302102031-0500"
    assert field(message, "ORC", 7) == "^^^20260302101500-0500^^S"


def test_a_start_without_an_instant_is_told_by_the_hospital_s_clock() -> None:
    message = read(replace(STATUS, message_type=OMG, steps=(replace(STEP, scheduled_start_at=None),)))
    assert [field(message, "TQ1", n) for n in (7, 9)] == ["20260302101500", "S"]
    assert field(message, "ORC", 7) == ""


def test_several_steps_are_one_order_and_no_one_step_is_named() -> None:
    message = read(replace(STATUS, steps=(STEP, replace(STEP, key=2, scheduled_procedure_step_id="S2"))))
    assert field(message, "OBR", 20) == ""


def test_a_name_s_groups_become_repetitions_with_suffix_before_prefix() -> None:
    name = field(read(STATUS), "PID", 5)
    assert name == "Yamada^Tarou^^III^Dr.^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"
    assert field(read(STATUS), "ORC", 12) == "^BRANDT^EVA^L^MD^DR"


def test_the_order_is_about_its_patient_under_every_number_but_private_ones() -> None:
    message = read(STATUS)
    assert field(message, "PID", 3) == "00041003^^^RIVERSIDE&1.2.3.4&ISO^MR~78-11^^^MERCY^PI"
    assert [field(message, "PID", n) for n in (7, 8)] == ["19710930", "M"]
    assert [field(message, "PV1", n) for n in (2, 19, 51)] == ["O", "V9^^^RIVERSIDE&1.2.3.4&ISO", "V"]


@pytest.mark.parametrize(
    ("charset", "names"),
    [
        ("8859/1", "Yamada^Tarou^^III^Dr.^^L^A"),
        ("ISO IR87", "Yamada^Tarou^^III^Dr.^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"),
        ("GB 18030-2000", "Yamada^Tarou^^III^Dr.^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"),
    ],
)
def test_what_a_character_set_cannot_hold_is_left_out_never_replaced(charset: str, names: str) -> None:
    message = read(STATUS, replace(ROUTE, charset=charset))
    assert field(message, "MSH", 18) == charset
    assert field(message, "PID", 5) == names


def test_a_number_that_cannot_be_written_stops_the_message() -> None:
    order = replace(ORDER, accession_number="Å1")
    with pytest.raises(Incomplete) as refused:
        build(replace(STATUS, order=order), replace(ROUTE, charset="ASCII"), "C1")
    assert refused.value.where == "OBR-18"


def test_images_are_told_with_their_study_as_an_order_detail() -> None:
    message = read(replace(STATUS, message_type=ORU, status="CM", study=STUDY))
    assert [field(message, "OBX", n) for n in (2, 3, 5, 11)] == ["ST", "113014^DICOM Study^DCM", UID, "O"]
    assert [field(message, "OBR", n) for n in (7, 25)] == ["20260302102030", "R"]
    assert field(message, "OBR", 44) == field(message, "OBR", 4)


def test_images_told_of_the_wrong_patient_are_withdrawn_as_wrong() -> None:
    message = read(replace(STATUS, message_type=ORU, study=STUDY, withdrawn=True))
    assert [field(message, "OBX", 11), field(message, "OBR", 25)] == ["W", "C"]


@pytest.mark.parametrize(("link_type", "said"), [("RP", [LINK, "", "TEXT", "HTML"]), ("ST", [LINK])])
def test_a_link_to_the_images_stands_behind_their_study(link_type: str, said: list[str]) -> None:
    message = read(replace(STATUS, message_type=ORU, study=STUDY, link=LINK, link_type=link_type))
    study, link = message.all("OBX")
    assert study.field(5) == UID
    assert [link.field(n) for n in (1, 2, 3, 4, 11)] == ["2", link_type, "113014^DICOM Study^DCM", "2", "O"]
    assert [one.replace("\\T\\", "&") for one in (link.field(5) or "").split("^")] == said


def test_with_images_that_are_withdrawn_their_link_is_deleted_and_not_said_again() -> None:
    notice = replace(STATUS, message_type=ORU, study=STUDY, link=LINK, withdrawn=True)
    link = read(notice).all("OBX")[1]
    assert [link.field(n) for n in (2, 4, 5, 11)] == ["RP", "2", '""', "W"]
    assert b"IHEInvokeImageDisplay" not in build(notice, ROUTE, "C1")


def test_a_test_order_is_told_as_a_test() -> None:
    assert field(read(replace(STATUS, order=replace(ORDER, is_test=True))), "MSH", 11) == "T"


def test_nothing_in_a_value_can_end_a_segment_or_the_frame() -> None:
    hostile = "A\x1c\r\x0bMSH|^~\\&\x00B"
    order = replace(ORDER, requested_procedure_description=hostile, requested_procedure_code=Code(hostile, "", ""))
    raw = build(replace(STATUS, order=order), ROUTE, "C1")
    assert raw.count(b"MSH|") == 1
    assert not {0x0B, 0x1C, 0x00} & set(raw)
    assert len(er7.parse(raw).segments) == 5
