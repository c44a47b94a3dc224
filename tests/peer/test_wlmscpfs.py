"""The same items behind dcmtk's worklist server and behind ours, the same queries to both, and their answers side by side."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from bridge.codecs.dicom.worklist_item import WorklistEntry
from bridge.domain.details import Finding
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.order import Code
from bridge.wiring import House
from tests.conftest import ROOT, dcmtk_tool, run_tool
from tests.fakes.worklist import put
from tests.flows.worklist_devices import DICOM, associate, open_door
from tests.unit.codecs.dicom.test_worklist_item import ENTRY

pytestmark = pytest.mark.peer

MakeHouse = Callable[..., House]


def read_dump(path: Path, folder: Path) -> Path:
    """Return the DICOM file that dcmtk's own tool makes of a dump."""
    made = folder / f"{path.stem}.dcm"
    ended = run_tool(dcmtk_tool("dump2dcm"), str(path), str(made))
    assert ended.returncode == 0, ended.stderr
    return made


def text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword, "") or "")


def several(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    found = dataset.get(keyword) or ()
    return (found,) if isinstance(found, str) else tuple(found)


def entry_of(item: Dataset) -> WorklistEntry:
    """Return what we store of an item: each value that it holds, and no other."""
    (step,) = item.ScheduledProcedureStepSequence
    patient = replace(
        ENTRY.patient,
        patient_name=text(item, "PatientName"),
        identifiers=(PatientIdentifier(text(item, "PatientID")),),
        patient_birth_date=text(item, "PatientBirthDate"),
        patient_sex=text(item, "PatientSex"),
        findings={"allergies": Finding(several(item, "Allergies"))},
    )
    order = replace(
        ENTRY.order,
        accession_number=text(item, "AccessionNumber"),
        issuer_of_accession_number="",
        requested_procedure_id=text(item, "RequestedProcedureID"),
        requested_procedure_description=text(item, "RequestedProcedureDescription"),
        requested_procedure_code=Code(),
        requested_procedure_priority=text(item, "RequestedProcedurePriority"),
        requesting_physician=text(item, "RequestingPhysician"),
        referring_physician_name=text(item, "ReferringPhysicianName"),
        study_instance_uid=text(item, "StudyInstanceUID"),
        details={"medical_alerts": several(item, "MedicalAlerts")},
    )
    return WorklistEntry(
        patient,
        order,
        replace(
            ENTRY.step,
            scheduled_procedure_step_id=text(step, "ScheduledProcedureStepID"),
            modality=text(step, "Modality"),
            scheduled_station_ae_title=several(step, "ScheduledStationAETitle"),
            scheduled_start_local=text(step, "ScheduledProcedureStepStartDate")
            + text(step, "ScheduledProcedureStepStartTime"),
            scheduled_procedure_step_description=text(step, "ScheduledProcedureStepDescription"),
            scheduled_performing_physician_name=text(step, "ScheduledPerformingPhysicianName"),
            scheduled_station_name=text(step, "ScheduledStationName"),
            scheduled_procedure_step_location=text(step, "ScheduledProcedureStepLocation"),
            requested_contrast_agent=text(step, "RequestedContrastAgent"),
            pre_medication=text(step, "PreMedication"),
        ),
    )


@contextmanager
def wlmscpfs(folder: Path) -> Iterator[int]:
    """Run dcmtk's server over *folder*/LIST; yield its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [str(dcmtk_tool("wlmscpfs")), "-dfp", str(folder), "-s", str(port)]
    server = subprocess.Popen(
        command, env=os.environ | {"TCP_NODELAY": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        echo = dcmtk_tool("echoscu")
        for _ in range(100):
            if run_tool(echo, "-to", "1", "-aec", "LIST", "127.0.0.1", str(port)).returncode == 0:
                break
        yield port
    finally:
        server.terminate()
        server.wait(10)


def ask(port: int, called: str, query: Path, folder: Path) -> list[Dataset]:
    """Return findscu's answers."""
    folder.mkdir()
    tool = dcmtk_tool("findscu")
    ended = run_tool(
        tool, "-W", "-X", "-od", str(folder), "-aet", "CT1", "-aec", called, "127.0.0.1", str(port), str(query)
    )
    assert ended.returncode == 0, ended.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def plain(dataset: Dataset) -> dict[str, Any]:
    """Return a data set as something that compares: keyword to its text, or to the items of a sequence."""
    found: dict[str, Any] = {}
    for element in dataset:
        if element.VR == "SQ":
            found[element.keyword] = [plain(item) for item in element.value]
        else:
            found[element.keyword] = str(element.value or "")
    return found


def an_item(number: int, **values: str | tuple[str, ...]) -> Dataset:
    """Return an item of our own. Keywords of the step go into its sequence."""
    item, step = Dataset(), Dataset()
    known: dict[str, Any] = {
        "AccessionNumber": f"W{number:04d}",
        "PatientName": f"Person^Number{number}",
        "PatientID": f"ID{number}",
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "MedicalAlerts": "NONE",
        "Allergies": "NONE",
        "StudyInstanceUID": f"1.2.840.99.1.{number}",
        "RequestingPhysician": "Asker^A",
        "ReferringPhysicianName": "Refer^R",
        "RequestedProcedureDescription": "Head",
        "RequestedProcedureID": f"RP{number}",
        "RequestedProcedurePriority": "ROUTINE",
        "Modality": "CT",
        "RequestedContrastAgent": "",
        "ScheduledStationAETitle": "CT1",
        "ScheduledProcedureStepStartDate": "20260131",
        "ScheduledProcedureStepStartTime": "083000",
        "ScheduledPerformingPhysicianName": "Doer^D",
        "ScheduledProcedureStepDescription": "Head",
        "ScheduledProcedureStepID": f"S{number}",
        "ScheduledStationName": "ROOM1",
        "ScheduledProcedureStepLocation": "A1",
        "PreMedication": "",
    }
    for keyword, value in (known | values).items():
        is_step = keyword.startswith("Scheduled") or keyword in ("Modality", "RequestedContrastAgent", "PreMedication")
        setattr(step if is_step else item, keyword, list(value) if isinstance(value, tuple) else value)
    item.ScheduledProcedureStepSequence = [step]
    return item


ITEMS = (
    an_item(1, PatientName="Smith^John", PatientBirthDate="19620714"),
    an_item(2, PatientName="SMITH^JANE", PatientSex="F", ScheduledStationAETitle=("CT1", "CT2")),
    an_item(3, PatientName="Smithson^Ann", Modality="MR", ScheduledStationAETitle="MR1"),
    an_item(4, PatientName="Smith", RequestedProcedurePriority="STAT", PatientBirthDate=""),
    an_item(5, PatientName="O'Brien^Pat", ScheduledProcedureStepStartTime="223000"),
    an_item(6, ScheduledProcedureStepStartDate="20260201", ScheduledProcedureStepStartTime="053000"),
    an_item(7, ScheduledProcedureStepStartDate="20260201", ScheduledProcedureStepStartTime="120000"),
    an_item(8, PatientID="[8]", AccessionNumber="W%08", ScheduledPerformingPhysicianName=""),
    an_item(9, ScheduledStationAETitle=("CT2", "CT3"), AccessionNumber=""),
    an_item(10, ReferringPhysicianName="", ScheduledProcedureStepStartTime="235959"),
)
_ROOT = ("AccessionNumber", "PatientName", "PatientID", "PatientBirthDate", "RequestedProcedureID")
_STEP = ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime")
# What is asked, and by which rule of docs/conformance.md we answer other items than wlmscpfs does, "" for none.
QUERIES: tuple[tuple[dict[str, str], str], ...] = (
    ({}, ""),
    ({"PatientName": "Smith*"}, "names"),
    ({"PatientName": "SMITH*"}, "names"),
    ({"PatientName": "Smith"}, ""),
    ({"PatientName": "Smith^J?hn"}, ""),
    ({"PatientName": "Smith^*"}, "names"),
    ({"PatientName": "Smith^^^^"}, "names"),
    ({"PatientName": "*"}, ""),
    ({"PatientID": "ID1"}, ""),
    ({"PatientID": "ID*"}, "wildcards"),
    ({"PatientID": "[8]"}, ""),
    ({"PatientID": "id1"}, ""),
    ({"PatientID": " ID1 "}, ""),
    ({"AccessionNumber": "W0001"}, ""),
    ({"AccessionNumber": "W*"}, ""),
    ({"AccessionNumber": "W%08"}, ""),
    ({"PatientBirthDate": "19620714"}, ""),
    ({"PatientBirthDate": "19600101-19650101"}, ""),
    ({"PatientBirthDate": "-19991231"}, ""),
    ({"PatientSex": "F"}, ""),
    ({"RequestedProcedureID": "RP2"}, ""),
    ({"RequestedProcedurePriority": "STAT"}, ""),
    ({"ReferringPhysicianName": "Refer^R"}, ""),
    ({"ScheduledPerformingPhysicianName": "DOER*"}, "names"),
    ({"Modality": "CT"}, ""),
    ({"Modality": "ct"}, ""),
    ({"Modality": "C*"}, "wildcards"),
    ({"ScheduledStationAETitle": "CT2"}, ""),
    ({"ScheduledStationAETitle": "CT3", "Modality": "CT"}, ""),
    ({"ScheduledStationAETitle": "ct2"}, ""),
    ({"ScheduledStationAETitle": "CT?"}, "wildcards"),
    ({"ScheduledProcedureStepStartDate": "20260131"}, ""),
    ({"ScheduledProcedureStepStartDate": "20260131-"}, ""),
    ({"ScheduledProcedureStepStartDate": "-20260131"}, ""),
    ({"ScheduledProcedureStepStartTime": "08"}, "precision"),
    ({"ScheduledProcedureStepStartTime": "2200-"}, ""),
    ({"ScheduledProcedureStepStartTime": "235959"}, ""),
    ({"ScheduledProcedureStepStartDate": "20260131", "ScheduledProcedureStepStartTime": "080000-120000"}, ""),
    ({"ScheduledProcedureStepStartDate": "20260131-20260201", "ScheduledProcedureStepStartTime": "220000-060000"}, ""),
    ({"ScheduledProcedureStepStartDate": "20260131-20260201", "ScheduledProcedureStepStartTime": "050000-130000"}, ""),
    ({"ScheduledStationName": "ROOM1"}, ""),
    ({"ScheduledStationName": "NOWHERE"}, "more keys"),
    ({"StudyInstanceUID": "1.2.840.99.1.3"}, "more keys"),
    ({"MedicalAlerts": "OTHER"}, "more keys"),
)


def a_query(asked: dict[str, str]) -> Dataset:
    query, step = Dataset(), Dataset()
    for keyword, value in (dict.fromkeys((*_ROOT, *_STEP), "") | asked).items():
        setattr(step if keyword.startswith("Scheduled") or keyword == "Modality" else query, keyword, value)
    query.ScheduledProcedureStepSequence = [step]
    return query


def as_we_answer(answer: dict[str, Any], query: Dataset) -> dict[str, Any]:
    """
    Return wlmscpfs's *answer* with the two listed differences of form.

    "codes": a code sequence that was asked for and is not known comes back empty. "whole step": a step sequence without
    keys brings what the item has, codes and state included, and no keys that were not asked for.
    """
    asked = {element.keyword for element in query}
    shown = dict(answer)
    if "RequestedProcedureCodeSequence" in asked:
        shown.setdefault("RequestedProcedureCodeSequence", [])
    if "ScheduledProcedureStepSequence" in asked:
        (theirs,) = answer["ScheduledProcedureStepSequence"]
        (key,) = query.ScheduledProcedureStepSequence
        unasked = () if len(key) else _EXPANDED
        step = {keyword: value for keyword, value in theirs.items() if keyword not in unasked}
        if not len(key) or "ScheduledProtocolCodeSequence" in key:
            step.setdefault("ScheduledProtocolCodeSequence", [])
        if not len(key):
            step["ScheduledProcedureStepStatus"] = "SCHEDULED"
        shown["ScheduledProcedureStepSequence"] = [step]
    return shown


_TITLES = ("LIST", "BRIDGE")
_EXPANDED = (
    "ScheduledProcedureStepEndDate",
    "ScheduledProcedureStepEndTime",
    "CommentsOnTheScheduledProcedureStep",
)


def as_set(answers: Iterable[dict[str, Any]]) -> list[str]:
    """Return answers in an order of their own: which comes first is nobody's business."""
    return sorted(json.dumps(answer, sort_keys=True) for answer in answers)


@contextmanager
def both(house: House, items: Iterable[Dataset], folder: Path) -> Iterator[tuple[int, int]]:
    """Serve *items* twice; yield wlmscpfs's port and ours."""
    listed = folder / "worklists" / "LIST"
    listed.mkdir(parents=True)
    (listed / "lockfile").touch()
    for number, item in enumerate(items):
        pydicom.dcmwrite(listed / f"{number}.wl", item, implicit_vr=False, little_endian=True)
        with house.store.write() as tx:
            put(tx, entry_of(item))
    with wlmscpfs(listed.parent) as port, open_door(house) as door:
        yield port, door.port


def findscu_asks(ports: tuple[int, int], query: Dataset, folder: Path) -> list[list[dict[str, Any]]]:
    """Return what wlmscpfs and we answer dcmtk's client."""
    folder.mkdir()
    pydicom.dcmwrite(folder / "query.dcm", query, implicit_vr=False, little_endian=True)
    asked = zip(ports, _TITLES, strict=True)
    return [[plain(one) for one in ask(port, title, folder / "query.dcm", folder / title)] for port, title in asked]


def pynetdicom_asks(associations: Iterable[Any], query: Dataset) -> list[list[dict[str, Any]]]:
    """Return what is answered on associations that stay open for many queries."""
    answers = [list(one.send_c_find(query, ModalityWorklistInformationFind)) for one in associations]
    return [[plain(identifier) for _, identifier in found[:-1]] for found in answers]


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: that both find the same stands in tests/property."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


def test_the_queries_of_dcmtk_are_answered_as_dcmtk_answers_them(
    make_house: MakeHouse, corpus: Path, tmp_path: Path
) -> None:
    folder = corpus / "worklist/dcmtk"
    made = {path.stem: pydicom.dcmread(read_dump(path, tmp_path)) for path in sorted(folder.glob("*/*.dump"))}
    items = [dataset for name, dataset in made.items() if name.startswith("wklist")]
    queries = {name: dataset for name, dataset in made.items() if name.startswith("wlistqry")}
    assert (len(items), len(queries)) == (10, 13)
    with both(make_house(dicom=DICOM), items, tmp_path / "served") as ports:
        for name, query in queries.items():
            theirs, ours = findscu_asks(ports, query, tmp_path / name)
            assert as_set(ours) == as_set(as_we_answer(answer, query) for answer in theirs), name


def test_our_own_queries_find_what_dcmtk_finds_and_where_they_do_not_a_rule_is_written_down(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    house, wrong = make_house(dicom=DICOM), []
    with both(house, ITEMS, tmp_path) as ports:
        associations = [associate(port, "CT1", title) for port, title in zip(ports, _TITLES, strict=True)]
        for asked, rule in QUERIES:
            theirs, ours = pynetdicom_asks(associations, a_query(asked))
            if (as_set(ours) == as_set(theirs)) is bool(rule) or (not rule and len(theirs) == 0 != len(ours)):
                wrong.append((asked, rule, len(theirs), len(ours)))
        for association in associations:
            association.release()
    assert wrong == []


def test_every_rule_by_which_we_differ_stands_in_the_conformance_statement() -> None:
    said = (ROOT / "docs/conformance.md").read_text("utf-8").partition("#### Beside wlmscpfs")[2].partition("\n### ")[0]
    rules = {line.split("|")[1].strip() for line in said.splitlines() if line.startswith("| ")} - {"difference"}
    assert rules == {rule for _, rule in QUERIES if rule} | {"codes", "whole step"}
