"""A corrected copy is the original but for what was corrected, whatever it is written in and whoever reads it."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from bridge.codecs.dicom.datasets import read_header
from bridge.codecs.dicom.leaving_rows import tag_rows
from bridge.codecs.dicom.overlay import corrected_copy
from bridge.domain.overlay import Layer, Reason
from bridge.errors import BridgeError
from tests.unit.codecs.dicom.objects import BIG, DEFLATED, EXPLICIT, IMPLICIT, JPEG, corpus, ct, save

AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
ADDED = {"InstanceCoercionDateTime", "OriginalAttributesSequence", "SpecificCharacterSet"}
BINDING = {
    "PatientName": st.sampled_from(["ARBOR^WILLA", "Núñez^Señora", "Yamada^Tarou=山田^太郎", "Žižka^Jan"]),
    "PatientID": st.sampled_from(["RI-2002", "7", "Ö-1"]),
    "IssuerOfPatientID": st.sampled_from(["RIVERSIDE", "MERCY"]),
    "PatientBirthDate": st.sampled_from(["19620715", ""]),
    "PatientSex": st.sampled_from(["M", "O"]),
    "AccessionNumber": st.sampled_from(["A-78", "LONGER-NUMBER-16"]),
}
BY_PEOPLE = {
    "StudyDescription": st.sampled_from(["CT CHEST", "Schädel", ""]),
    "ReferringPhysicianName": st.sampled_from(["BRANDT^EVA", "Größe^Ä"]),
    "RequestedProcedureID": st.sampled_from(["R7", "R-LONGER-NUMBER"]),
    "ProcedureCodeSequence": st.sampled_from(["71260^CT chest^C4", ""]),
    "AdmissionID": st.sampled_from(["V1", "V-22"]),
}
NESTED = {"RequestAttributesSequence", "ProcedureCodeSequence"}


def layers() -> st.SearchStrategy[list[Layer]]:
    binding = st.fixed_dictionaries({}, optional=BINDING)
    people = st.fixed_dictionaries({}, optional=BY_PEOPLE)
    return st.builds(
        lambda one, other: [Layer(AT, one), Layer(AT.replace(hour=11), other, Reason.CORRECT, 2)], binding, people
    )


def original(charset: str) -> Dataset:
    request, person = Dataset(), Dataset()
    request.AccessionNumber, request.RequestedProcedureID = "A-77", "R1"
    person.PatientName, person.PatientID, person.PatientSex = "ARBOR^WILMA", "RI-1001", "F"
    dataset = ct(
        StudyDescription="CT CHST", RequestAttributesSequence=[request], ReferencedPatientPhotoSequence=[person]
    )
    if charset:
        dataset.SpecificCharacterSet = charset
    return dataset


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    syntax=st.sampled_from([IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG]),
    charset=st.sampled_from(["", "ISO_IR 100", "ISO_IR 192"]),
    laid=layers(),
)
def test_a_corrected_copy_equals_the_original_but_for_what_was_corrected(
    tmp_path: Path, syntax: str, charset: str, laid: list[Layer]
) -> None:
    source, target = save(original(charset), tmp_path / "x.dcm", syntax), tmp_path / "x.out"
    before = source.read_bytes()
    is_changed = corrected_copy(source, target, laid, "BRIDGE")
    assert source.read_bytes() == before
    received, leaving = pydicom.dcmread(source), pydicom.dcmread(target if is_changed else source)
    wanted = {keyword: value for layer in laid for keyword, value in layer.values.items()}
    touched = {*wanted, *NESTED, *ADDED, "ReferencedPatientPhotoSequence", "IssuerOfPatientIDQualifiersSequence"}
    assert {e.tag for e in received if e.keyword not in touched} == {e.tag for e in leaving if e.keyword not in touched}
    assert all(leaving[e.tag].value == e.value for e in received if e.keyword not in touched)
    assert leaving.file_meta.TransferSyntaxUID == syntax
    for keyword in wanted.keys() - NESTED - {"RequestedProcedureID"}:
        assert str(leaving[keyword].value if keyword in leaving else "") == wanted[keyword]
    items = leaving.get("OriginalAttributesSequence", [])
    assert len(items) <= len(laid)
    old = {e.tag: e.value for item in items for e in item.ModifiedAttributesSequence[0]}
    assert all(old[e.tag] == e.value for e in received if e.tag in old and e.keyword not in NESTED)
    again = corrected_copy(source, tmp_path / "y.out", laid, "BRIDGE")
    assert not again or (tmp_path / "y.out").read_bytes() == target.read_bytes()


def dcmtk_json(path: Path) -> dict[str, object]:
    """Return a file as dcmtk reads it, pixels by their length; its dump must not complain either."""
    dumped = subprocess.run(["dcmdump", "-q", "+L", str(path)], capture_output=True, check=False)
    assert dumped.returncode == 0, dumped.stderr
    said = subprocess.run(["dcm2json", "-q", str(path)], capture_output=True, check=True).stdout
    found: dict[str, object] = json.loads(said)
    return found


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_dcmtk_reads_the_same_difference(tmp_path: Path, syntax: str) -> None:
    if not shutil.which("dcm2json"):
        pytest.skip("dcmtk is not on this machine")
    source, target = save(original("ISO_IR 100"), tmp_path / "x.dcm", syntax), tmp_path / "x.out"
    values = {"PatientName": "Žižka^Jan", "PatientID": "RI-2002"}
    people = Layer(AT, {"StudyDescription": "CT CHEST"}, Reason.CORRECT, 2)
    assert corrected_copy(source, target, [Layer(AT, values), people], "BRIDGE")
    before, after = dcmtk_json(source), dcmtk_json(target)
    differing = {tag for tag in before.keys() | after.keys() if before.get(tag) != after.get(tag)}
    photo = f"{pydicom.datadict.tag_for_keyword('ReferencedPatientPhotoSequence'):08X}"
    # dcm2json itself writes UTF-8, and says so of both.
    assert differing == {"00080015", "00081030", "00100010", "00100020", "04000561", photo}
    assert after["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Žižka^Jan"}]}


def test_every_corpus_file_that_is_corrected_is_read_back_by_dcmtk_and_shows_its_rows(tmp_path: Path) -> None:
    if not shutil.which("dcmdump"):
        pytest.skip("dcmtk is not on this machine")
    laid = [Layer(AT, {"PatientName": "ARBOR^WILLA", "PatientID": "RI-2002"})]
    done = 0
    for source in sorted(p for p in corpus("dicom").rglob("*") if p.is_file())[::6]:
        target = tmp_path / "x.out"
        try:
            read_header(source)
            corrected_copy(source, target, laid, "BRIDGE")
            rows = tag_rows(source, laid, "BRIDGE")
        except BridgeError:
            continue
        reads = [
            subprocess.run(["dcmdump", "-q", str(one)], capture_output=True, check=False) for one in (source, target)
        ]
        assert reads[1].returncode == 0 or reads[0].returncode != 0, (source, reads[1].stderr)
        assert {row.leaving for row in rows if row.keyword == "PatientID" and not row.path} == {"RI-2002"}, source
        done += 1
    assert done > 20
