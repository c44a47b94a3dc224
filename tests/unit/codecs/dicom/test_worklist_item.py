"""A scheduled step as scanners get it."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.codecs.dicom import answers, keys
from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicom.worklist_item import WorklistEntry, answer, encode, matches
from bridge.domain.details import Finding
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code, Order, Step, StepStatus
from bridge.domain.patient import Patient
from bridge.errors import Incomplete, Malformed
from tests.unit.codecs.dicom.objects import EXPLICIT, IMPLICIT, corpus, element, encoded
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
    asked = keys.to_worklist_query(encoded(query, implicit=implicit), syntax)
    status, data = answer(encode(entry), asked, syntax, charset)
    return status, read_dataset(BytesIO(data), implicit, True)


def does_match(query: Dataset, entry: WorklistEntry = ENTRY) -> bool:
    return matches(encode(entry), keys.to_worklist_query(encoded(query), IMPLICIT))


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
    asked = keys.to_worklist_query(element(0x00102160, b"") + private, IMPLICIT)
    status, data = answer(encode(ENTRY), asked, IMPLICIT)
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
    _, data = answer(encode(named(name)), keys.to_worklist_query(query, IMPLICIT), IMPLICIT, setting)
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
    ("step", "root", "found"),
    [
        ({"ScheduledStationAETitle": "CT2"}, {}, True),
        ({"ScheduledStationAETitle": "MR1"}, {}, False),
        ({"Modality": "CT", "ScheduledProcedureStepStartDate": "20260105"}, {}, True),
        ({"ScheduledProcedureStepStartDate": "20260106-"}, {}, False),
        (
            {"ScheduledProcedureStepStartDate": "20260104-20260105", "ScheduledProcedureStepStartTime": "2200-0831"},
            {},
            True,
        ),
        (
            {"ScheduledProcedureStepStartDate": "20260104-20260105", "ScheduledProcedureStepStartTime": "2200-0815"},
            {},
            False,
        ),
        ({"ScheduledProcedureStepStatus": "SCHEDULED"}, {}, True),
        ({"ScheduledStationName": "ROOM"}, {}, False),
        ({}, {"PatientName": "arbor*"}, True),
        ({}, {"PatientName": "ARBO"}, False),
        ({}, {"PatientID": "RI-1001", "IssuerOfPatientID": "RIVERSIDE"}, True),
        ({}, {"PatientID": "RI-1001", "IssuerOfPatientID": "OTHER"}, False),
        ({}, {"AccessionNumber": "A-77"}, True),
        ({}, {"AccessionNumber": "A-7"}, False),
        ({}, {"StudyInstanceUID": ["1.9", "1.2.826.0.1.77.1"]}, True),
        ({}, {"PatientBirthDate": "19620714"}, True),
        ({}, {"RequestedProcedureComments": "ignored"}, True),
        ({}, {"Modality": "MR"}, True),
    ],
)
def test_what_a_query_finds(step: dict[str, object], root: dict[str, object], found: bool) -> None:
    assert does_match(identifier(step, **root)) is found


_DUMP_LINE = re.compile(r"\s*\(([0-9a-f]{4}),([0-9a-f]{4})\)\s+(\S+)\s*(?:\[(.*?)\]|([^#\[]*))")


def _read_dump(path: Path) -> Dataset:
    """Read dcmtk's text form of a data set, as far as its worklist examples use it."""
    root = Dataset()
    open_sets: list[Dataset] = [root]
    for line in path.read_text("latin_1").splitlines():
        found = _DUMP_LINE.match(line)
        if found is None:
            continue
        tag = int(found[1] + found[2], 16)
        if tag == 0xFFFEE000:
            continue
        if tag == 0xFFFEE00D:
            open_sets.pop()
        elif found[3] == "SQ":
            item = Dataset()
            open_sets[-1].add_new(tag, "SQ", [item])
            open_sets.append(item)
        elif tag != 0xFFFEE0DD:
            value = (found[4] if found[4] is not None else found[5]).split("#")[0].strip()
            open_sets[-1].add_new(tag, vr_of(tag), "" if "no value" in value else value)
    return root


def _record(dataset: Dataset) -> bytes:
    values: dict[int, bytes | list[bytes]] = {}
    for one in dataset:
        if one.VR == "SQ":
            values[int(one.tag)] = [_record(item) for item in one.value]
        else:
            text = one.value if isinstance(one.value, str) else "\\".join(map(str, one.value or []))
            values[int(one.tag)] = str(one.value if one.VR in ("PN", "DA", "TM", "UI") else text).encode("utf-8")
    return answers.encode_record(values)


def test_the_worklist_examples_of_dcmtk_are_found_as_their_keys_say() -> None:
    folder = corpus("worklist/dcmtk")
    items = {path.stem: _read_dump(path) for path in sorted(folder.glob("wlistdb/*.dump"))}
    assert len(items) == 10
    for path in sorted(folder.glob("wlistqry/*.dump")):
        query = _read_dump(path)
        asked = keys.to_worklist_query(encoded(query), IMPLICIT)
        step = query.get("ScheduledProcedureStepSequence", [Dataset()])[0]
        for name, item in items.items():
            (stored,) = item.ScheduledProcedureStepSequence
            expected = all(
                not step.get(keyword) or str(step[keyword].value) in str(stored.get(keyword, "")).split("\\")
                for keyword in ("Modality", "ScheduledStationName")
            )
            title = step.get("ScheduledStationAETitle")
            titles = stored.ScheduledStationAETitle
            expected &= not title or title in ([titles] if isinstance(titles, str) else list(titles))
            if step.get("ScheduledProcedureStepStartTime"):
                expected &= str(stored.ScheduledProcedureStepStartTime) >= "120000"
            assert matches(_record(item), asked) == expected, (path.name, name)
