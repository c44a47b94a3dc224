"""A scheduled step as scanners get it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.codecs.dicom.charset import parse_setting
from bridge.codecs.dicom.device_text import Reading
from bridge.codecs.dicom.worklist_item import WorklistEntry, answering, encode
from bridge.codecs.dicom.worklist_query import to_worklist_query
from bridge.domain.details import Finding
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code, Order, Step, StepStatus
from bridge.domain.patient import Patient
from bridge.errors import Incomplete, Malformed
from tests.unit.codecs.dicom.objects import EXPLICIT, IMPLICIT, element, encoded
from tests.unit.codecs.dicom.test_keys import identifier

_PATIENT = Patient(
    key=1,
    identifiers=(PatientIdentifier("RI-1001", "RIVERSIDE"), PatientIdentifier("X-9", "OTHER")),
    patient_name="ARBOR^WILMA",
    patient_birth_date="19620714",
    patient_sex="F",
)
_ORDER = Order(
    key=1,
    patient_key=1,
    accession_number="A-77",
    issuer_of_accession_number="RIVERSIDE",
    placer_order_number=EntityIdentifier("P-1", "EHR"),
    filler_order_number=EntityIdentifier("F-1"),
    requested_procedure_id="RP-1",
    study_instance_uid="1.2.826.0.1.77.1",
    status=StepStatus.SCHEDULED,
    requested_procedure_description="CT of the head",
    requested_procedure_code=Code("70450", "C4", "CT head without contrast"),
    requested_procedure_priority="STAT",
    referring_physician_name="QUILL^NORA",
)
_STEP = Step(
    key=1,
    order_key=1,
    scheduled_procedure_step_id="SPS-1",
    status=StepStatus.SCHEDULED,
    modality="CT",
    scheduled_station_ae_title=("CT1", "CT2"),
    scheduled_start_local="202601050830",
)
ENTRY = WorklistEntry(_PATIENT, _ORDER, _STEP)


def ask(query: Dataset, entry: WorklistEntry = ENTRY, syntax: str = IMPLICIT, charset: str = "") -> tuple[int, Dataset]:
    """Put *query* to *entry* and read the answer back with pydicom."""
    implicit = syntax == IMPLICIT
    asked = to_worklist_query(encoded(query, implicit=implicit), syntax)
    how = answering(asked, syntax, Reading(parse_setting(charset)))
    status, data = how.status, how.give(encode(entry)).identifier
    return status, read_dataset(BytesIO(data), implicit, True)


def named(name: str) -> WorklistEntry:
    return replace(ENTRY, patient=replace(_PATIENT, patient_name=name))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_exactly_the_keys_asked_for_come_back_at_every_level(syntax: str) -> None:
    query = identifier(
        {"Modality": "CT", "ScheduledProcedureStepStartTime": "", "ScheduledProtocolCodeSequence": []},
        PatientName="",
        PatientWeight=None,
        PregnancyStatus=None,
        ReferencedStudySequence=[],
        AccessionNumber="",
    )
    pregnant = replace(_PATIENT, findings={"pregnancy_status": Finding("3")})
    status, item = ask(query, replace(ENTRY, patient=pregnant), syntax)
    assert status == 0xFF00
    assert [e.keyword for e in item] == [
        "AccessionNumber",
        "ReferencedStudySequence",
        "PatientName",
        "PatientWeight",
        "PregnancyStatus",
        "ScheduledProcedureStepSequence",
    ]
    assert item.PregnancyStatus == 3
    assert len(item.ReferencedStudySequence) == 0
    (step,) = item.ScheduledProcedureStepSequence
    assert [e.keyword for e in step] == [
        "Modality",
        "ScheduledProcedureStepStartTime",
        "ScheduledProtocolCodeSequence",
    ]
    assert step.ScheduledProcedureStepStartTime == "083000"


@pytest.mark.parametrize("step", [[], [Dataset()]])
def test_an_empty_sequence_key_asks_for_all_of_it(step: list[Dataset]) -> None:
    query = Dataset()
    query.ScheduledProcedureStepSequence = step
    query.RequestedProcedureCodeSequence = step
    for syntax in (IMPLICIT, EXPLICIT):
        _, item = ask(query, syntax=syntax)
        (shown,) = item.ScheduledProcedureStepSequence
        assert shown.ScheduledStationAETitle == ["CT1", "CT2"]
        assert shown.ScheduledProcedureStepStartDate == "20260105"
        assert shown.ScheduledProcedureStepStatus == "SCHEDULED"
        assert item.RequestedProcedureCodeSequence[0].CodeMeaning == "CT head without contrast"


def test_listed_sub_keys_come_back_alone() -> None:
    code = Dataset()
    code.CodeValue = code.CodingSchemeVersion = ""
    _, item = ask(identifier(RequestedProcedureCodeSequence=[code]))
    (shown,) = item.RequestedProcedureCodeSequence
    assert [(e.keyword, e.value) for e in shown] == [("CodeValue", "70450"), ("CodingSchemeVersion", "")]


def test_unknown_keys_come_back_empty_with_ff01_and_private_ones_with_their_creator() -> None:
    private = element(0x00190010, b"ACME 1.0") + element(0x00191001, b"") + element(0x001B1001, b"")
    asked = to_worklist_query(element(0x00102160, b"") + private, IMPLICIT)
    how = answering(asked, IMPLICIT)
    status, data = how.status, how.give(encode(ENTRY)).identifier
    assert status == 0xFF01
    kept = element(0x00190010, b"ACME 1.0") + element(0x00191001, b"")
    assert data == element(0x00102160, b"") + kept


def test_an_ascii_answer_names_no_character_set() -> None:
    _, item = ask(identifier(PatientName="", SpecificCharacterSet=""))
    assert "SpecificCharacterSet" not in item


@pytest.mark.parametrize(
    ("name", "wanted", "setting", "used", "shown"),
    [
        ("NÚÑEZ^JOSÉ", "ISO_IR 100", "", "ISO_IR 100", "NÚÑEZ^JOSÉ"),
        ("NÚÑEZ^JOSÉ", "", "", "ISO_IR 192", "NÚÑEZ^JOSÉ"),
        ("Щукин^Пётр", "ISO_IR 100", "", "ISO_IR 192", "Щукин^Пётр"),
        ("Щукин^Пётр", "ISO_IR 144", "", "ISO_IR 144", "Щукин^Пётр"),
        ("Щукин^Пётр", "ISO_IR 192", "ISO_IR 100", "ISO_IR 100", "Shchukin^Petr"),
        ("NÚÑEZ^JOSÉ", "ISO_IR 192", "ISO_IR 100", "ISO_IR 100", "NÚÑEZ^JOSÉ"),
        ("Yamada^Tarou=山田^太郎", "ISO_IR 192", "ISO_IR 100", "ISO_IR 100", "Yamada^Tarou"),
        ("NÚÑEZ^JOSÉ", "latin-1", "", "ISO_IR 192", "NÚÑEZ^JOSÉ"),
    ],
)
def test_the_caller_gets_its_own_character_set(name: str, wanted: str, setting: str, used: str, shown: str) -> None:
    query = (
        encoded(identifier(PatientName=""))
        if not wanted
        else element(0x00080005, wanted.encode().ljust(len(wanted) + len(wanted) % 2))
        + encoded(identifier(PatientName=""))
    )
    how = answering(to_worklist_query(query, IMPLICIT), IMPLICIT, Reading(parse_setting(setting)))
    data = how.give(encode(named(name))).identifier
    item = read_dataset(BytesIO(data), True, True)
    assert item.SpecificCharacterSet == used
    assert str(item.PatientName) == shown


def test_japanese_names_travel_with_code_extensions() -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    query = identifier(PatientName="", SpecificCharacterSet=["", "ISO 2022 IR 87"])
    for syntax in (IMPLICIT, EXPLICIT):
        _, item = ask(query, named(name), syntax)
        assert item.SpecificCharacterSet == ["", "ISO 2022 IR 87"]
        assert str(item.PatientName) == name


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"step": replace(_STEP, scheduled_station_ae_title=())}, "ScheduledStationAETitle"),
        (
            {"step": replace(_STEP, scheduled_start_local="")},
            "ScheduledProcedureStepStartDate, ScheduledProcedureStepStartTime",
        ),
        ({"step": replace(_STEP, modality="")}, "Modality"),
        ({"patient": replace(_PATIENT, patient_name="")}, "PatientName"),
        ({"patient": replace(_PATIENT, identifiers=())}, "PatientID"),
        (
            {"order": replace(_ORDER, requested_procedure_id="", study_instance_uid="")},
            "StudyInstanceUID, RequestedProcedureID",
        ),
    ],
)
def test_an_entry_without_its_type_1_values_is_incomplete(change: dict[str, object], missing: str) -> None:
    with pytest.raises(Incomplete) as refused:
        encode(replace(ENTRY, **change))  # type: ignore[arg-type]
    assert refused.value.where == missing


def test_a_number_is_refused_rather_than_cut_and_a_text_is_cut() -> None:
    with pytest.raises(Malformed) as refused:
        encode(replace(ENTRY, order=replace(_ORDER, accession_number="A" * 17)))
    assert (refused.value.code, refused.value.where) == ("too_long", "AccessionNumber")
    long = replace(ENTRY, order=replace(_ORDER, requested_procedure_description="x" * 80))
    _, item = ask(identifier(RequestedProcedureDescription=""), long)
    assert item.RequestedProcedureDescription == "x" * 62 + ".."


def test_a_backslash_or_line_end_in_a_description_cannot_split_it() -> None:
    entry = replace(ENTRY, order=replace(_ORDER, requested_procedure_description="CT\\MR\r\nhead"))
    _, item = ask(identifier(RequestedProcedureDescription=""), entry)
    assert item.RequestedProcedureDescription == "CT/MR  head"


def test_a_long_code_is_written_as_one() -> None:
    entry = replace(ENTRY, step=replace(_STEP, scheduled_protocol_code=Code("X" * 20, "", "long")))
    _, item = ask(identifier({"ScheduledProtocolCodeSequence": []}), entry)
    (code,) = item.ScheduledProcedureStepSequence[0].ScheduledProtocolCodeSequence
    assert [(e.keyword, e.value) for e in code] == [
        ("CodingSchemeDesignator", "99RIVERSIDE"),
        ("CodeMeaning", "long"),
        ("LongCodeValue", "X" * 20),
    ]


@pytest.mark.parametrize(
    ("sent", "designator"),
    [
        (Code("70450", "C4", "head"), "C4"),
        (Code("R05", "I10C", "cough"), "I10"),
        (Code("24627-2", "LN", "chest"), "LN"),
        (Code("77477000", "SCT", "CT"), "SCT"),
        (Code("CTH", "L", "head"), "99RIVERSIDE"),
        (Code("CTH", "", "head"), "99RIVERSIDE"),
        (Code("CTH", "99ER", "head"), "99ER"),
    ],
)
def test_a_coding_scheme_has_the_name_that_dicom_gives_it(sent: Code, designator: str) -> None:
    entry = replace(ENTRY, step=replace(_STEP, scheduled_protocol_code=sent))
    _, item = ask(identifier({"ScheduledProtocolCodeSequence": []}), entry)
    (code,) = item.ScheduledProcedureStepSequence[0].ScheduledProtocolCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == (sent.code_value, designator)
    assert code.CodeMeaning == sent.code_meaning


def test_a_code_that_is_a_urn_is_written_as_one() -> None:
    entry = replace(ENTRY, order=replace(_ORDER, requested_procedure_code=Code("urn:oid:1.2.3", "", "head")))
    _, item = ask(identifier(RequestedProcedureCodeSequence=[]), entry)
    (code,) = item.RequestedProcedureCodeSequence
    assert [(e.keyword, e.value) for e in code] == [("CodeMeaning", "head"), ("URNCodeValue", "urn:oid:1.2.3")]


@pytest.mark.parametrize(
    ("local", "at", "offset"),
    [
        ("20260105083000", datetime(2026, 1, 5, 13, 30, tzinfo=UTC), "-0500"),
        ("20260705083000", datetime(2026, 7, 5, 12, 30, tzinfo=UTC), "-0400"),
        ("20260105083000", datetime(2026, 1, 5, 3, 0, tzinfo=UTC), "+0530"),
    ],
)
def test_the_zone_is_that_of_the_step_when_it_begins(local: str, at: datetime, offset: str) -> None:
    entry = replace(ENTRY, step=replace(_STEP, scheduled_start_local=local, scheduled_start_at=at))
    _, item = ask(identifier(TimezoneOffsetFromUTC=""), entry)
    assert item.TimezoneOffsetFromUTC == offset
    assert "TimezoneOffsetFromUTC" not in ask(identifier(PatientName=""), entry)[1]


def test_the_end_follows_the_start() -> None:
    step = replace(_STEP, scheduled_start_local="20260105233000", details={"scheduled_duration": "45"})
    _, item = ask(
        identifier({"ScheduledProcedureStepEndDate": "", "ScheduledProcedureStepEndTime": ""}),
        replace(ENTRY, step=step),
    )
    (shown,) = item.ScheduledProcedureStepSequence
    assert (shown.ScheduledProcedureStepEndDate, shown.ScheduledProcedureStepEndTime) == ("20260106", "001500")


def test_an_end_beyond_the_calendar_is_not_told() -> None:
    step = replace(_STEP, scheduled_start_local="20260105233000", details={"scheduled_duration": "9" * 10})
    _, item = ask(identifier({"ScheduledProcedureStepEndDate": ""}), replace(ENTRY, step=step))
    assert item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepEndDate == ""


def test_a_long_warning_goes_on_in_the_next_value_and_a_long_telephone_is_left_out() -> None:
    warning = "Severe reaction to iodinated contrast medium in 2019, treated in intensive care for three days"
    patient = replace(_PATIENT, details={"patient_telephone_numbers": ("+41 (44) 123-45-67", "1" * 17)})
    entry = replace(ENTRY, patient=patient, order=replace(_ORDER, details={"medical_alerts": (warning,)}))
    _, item = ask(identifier(MedicalAlerts="", PatientTelephoneNumbers=""), entry)
    assert " ".join(item.MedicalAlerts) == warning
    assert item.PatientTelephoneNumbers == "+41441234567"


def test_a_pregnancy_ends() -> None:
    said = Finding("3", datetime(2025, 1, 1, tzinfo=UTC))
    for start, shown in (("20250601080000", 3), ("20260105080000", None)):
        entry = replace(
            ENTRY,
            patient=replace(_PATIENT, findings={"pregnancy_status": said}),
            step=replace(_STEP, scheduled_start_local=start),
        )
        assert ask(identifier(PregnancyStatus=None), entry)[1].PregnancyStatus == shown


def test_an_orders_own_diagnosis_comes_before_its_visits() -> None:
    visit = {
        "admitting_diagnoses_description": ("Trauma",),
        "admitting_diagnoses_code": (Code("T14", "I10", "Trauma"),),
    }
    own = {"diagnoses_code": (Code("R05", "I10", "Cough"),)}
    _, item = ask(
        identifier(AdmittingDiagnosesDescription="", AdmittingDiagnosesCodeSequence=[]),
        replace(ENTRY, order=replace(_ORDER, details=visit | own)),  # type: ignore[arg-type]
    )
    assert item.AdmittingDiagnosesDescription == "Trauma"
    assert [code.CodeValue for code in item.AdmittingDiagnosesCodeSequence] == ["R05"]


def test_a_code_alone_describes_what_is_to_be_done() -> None:
    bare = replace(_ORDER, requested_procedure_description="", requested_procedure_code=Code("CTH"))
    _, item = ask(identifier(RequestedProcedureDescription=""), replace(ENTRY, order=bare))
    assert item.RequestedProcedureDescription == "CTH"
