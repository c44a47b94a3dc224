"""Corrections on the way out."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from bridge.codecs.dicom import part10
from bridge.codecs.dicom.datasets import read_header
from bridge.codecs.dicom.elements import Syntax, Walk, syntax_of
from bridge.codecs.dicom.overlay import corrected_copy
from bridge.domain.overlay import Layer, Reason
from bridge.errors import BridgeError, Malformed, Unsupported
from tests.unit.codecs.dicom.objects import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    corpus,
    ct,
    element,
    encoded,
    save,
    wrap,
)

_AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
_RECORD = {
    "PatientName": "ARBOR^WILLA",
    "PatientID": "RI-2002",
    "IssuerOfPatientID": "RIVERSIDE",
    "PatientBirthDate": "19620715",
    "PatientSex": "M",
    "AccessionNumber": "A-78",
    "IssuerOfAccessionNumberSequence": "1.2.3.4",
}


def correct(source: Path, corrections: dict[str, str], reason: Reason = Reason.COERCE) -> Path:
    """Return the file that leaves: the copy, or *source* itself where nothing differs."""
    return apply(source, Layer(_AT, corrections, reason))


def apply(source: Path, *layers: Layer) -> Path:
    target = source.with_suffix(".out")
    return target if corrected_copy(source, target, layers, "BRIDGE") else source


def item(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG])
def test_the_copy_carries_the_record_and_nothing_else_changes(tmp_path: Path, syntax: str) -> None:
    source = save(ct(), tmp_path / "x.dcm", syntax)
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    corrected = pydicom.dcmread(correct(source, _RECORD))
    original = pydicom.dcmread(source)
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    assert corrected.file_meta.TransferSyntaxUID == syntax
    assert (str(corrected.PatientName), corrected.PatientID) == ("ARBOR^WILLA", "RI-2002")
    assert (corrected.PatientBirthDate, corrected.PatientSex, corrected.AccessionNumber) == ("19620715", "M", "A-78")
    assert corrected.IssuerOfAccessionNumberSequence[0].UniversalEntityID == "1.2.3.4"
    assert corrected.PixelData == original.PixelData
    assert "SpecificCharacterSet" not in corrected
    touched = {*_RECORD, "InstanceCoercionDateTime", "OriginalAttributesSequence"}
    assert {e.keyword for e in corrected} - {e.keyword for e in original} == touched - {e.keyword for e in original}
    assert all(corrected[e.tag].value == e.value for e in original if e.keyword not in touched)


def test_what_was_replaced_is_recorded(tmp_path: Path) -> None:
    source = save(ct(), tmp_path / "x.dcm")
    corrected = pydicom.dcmread(correct(source, {"PatientID": "RI-2002", "AccessionNumber": "A-77"}, Reason.CORRECT))
    (record,) = corrected.OriginalAttributesSequence
    assert record.AttributeModificationDateTime == "20260105093000.000000+0000"
    assert (record.ModifyingSystem, record.SourceOfPreviousValues) == ("BRIDGE", "")
    assert record.ReasonForTheAttributeModification == "CORRECT"
    (old,) = record.ModifiedAttributesSequence
    assert [(e.keyword, e.value) for e in old] == [("PatientID", "RI-1001"), ("IssuerOfPatientID", "RIVERSIDE")]


def test_an_attribute_that_was_not_there_is_recorded_with_zero_length(tmp_path: Path) -> None:
    dataset = ct()
    del dataset.AccessionNumber
    corrected = pydicom.dcmread(correct(save(dataset, tmp_path / "x.dcm"), {"AccessionNumber": "A-78"}))
    assert corrected.AccessionNumber == "A-78"
    assert corrected.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].AccessionNumber == ""
    assert [e.tag for e in corrected] == sorted(e.tag for e in corrected)


def test_nothing_to_correct_is_a_plain_copy(tmp_path: Path) -> None:
    source = save(ct(), tmp_path / "x.dcm")
    target = correct(source, {"PatientName": "ARBOR^WILMA^^^", "PatientID": "RI-1001", "PatientBirthDate": "19620714"})
    assert target.read_bytes() == source.read_bytes()


def test_an_issuer_that_is_there_already_is_no_modification(tmp_path: Path) -> None:
    issuer = item(LocalNamespaceEntityID="RIVERSIDE", UniversalEntityID="1.2.3.4", UniversalEntityIDType="ISO")
    source = save(ct(IssuerOfAccessionNumberSequence=[issuer]), tmp_path / "x.dcm")
    for same in ("RIVERSIDE", "1.2.3.4"):
        assert correct(source, {"IssuerOfAccessionNumberSequence": same}).read_bytes() == source.read_bytes()
    other = pydicom.dcmread(correct(source, {"IssuerOfAccessionNumberSequence": "OTHER"}))
    assert other.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "OTHER"
    assert "UniversalEntityID" not in other.IssuerOfAccessionNumberSequence[0]
    none = pydicom.dcmread(correct(source, {"IssuerOfAccessionNumberSequence": ""}))
    assert "IssuerOfAccessionNumberSequence" not in none


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG])
def test_what_agrees_already_leaves_as_it_is(tmp_path: Path, syntax: str) -> None:
    source = save(ct(), tmp_path / "x.dcm", syntax)
    once = correct(source, _RECORD).rename(tmp_path / "y.dcm")
    assert correct(once, _RECORD) == once
    assert correct(source, {"PatientID": ct().PatientID}) == source


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG])
def test_the_same_version_leaves_with_the_same_bytes(tmp_path: Path, syntax: str) -> None:
    source = save(ct(), tmp_path / "x.dcm", syntax)
    once, again = (correct(source, _RECORD).read_bytes() for _ in range(2))
    assert once == again != source.read_bytes()


def test_each_layer_says_when_it_was_laid_and_what_it_took_the_place_of(tmp_path: Path) -> None:
    source = save(ct(), tmp_path / "x.dcm")
    later = Layer(_AT.replace(hour=11), {"AccessionNumber": "A-78"}, Reason.CORRECT)
    corrected = pydicom.dcmread(apply(source, Layer(_AT, {"PatientName": "ARBOR^WILLA"}), later))
    first, second = corrected.OriginalAttributesSequence
    said = [(one.AttributeModificationDateTime[8:10], one.ReasonForTheAttributeModification) for one in (first, second)]
    assert said == [("09", "COERCE"), ("11", "CORRECT")]
    assert [e.keyword for e in first.ModifiedAttributesSequence[0]] == ["PatientName"]
    assert [e.keyword for e in second.ModifiedAttributesSequence[0]] == ["AccessionNumber"]


@pytest.mark.parametrize("undefined_length", [False, True])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_an_earlier_modification_stays(tmp_path: Path, syntax: str, undefined_length: bool) -> None:
    earlier = item(
        ModifiedAttributesSequence=[item(PatientID="RI-0001", PatientName="ARBOR^WILMA")], ModifyingSystem="RIS"
    )
    dataset = ct(OriginalAttributesSequence=[earlier])
    dataset["OriginalAttributesSequence"].is_undefined_length = undefined_length
    corrected = pydicom.dcmread(correct(save(dataset, tmp_path / "x.dcm", syntax), _RECORD))
    assert [record.ModifyingSystem for record in corrected.OriginalAttributesSequence] == ["RIS", "BRIDGE"]
    assert corrected.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName == "ARBOR^WILMA"
    assert corrected.PixelData == pydicom.dcmread(tmp_path / "x.dcm").PixelData


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("undefined_length", [False, True])
def test_copies_of_the_identity_in_sequences_follow(tmp_path: Path, syntax: str, undefined_length: bool) -> None:
    dataset = ct(
        RequestAttributesSequence=[item(AccessionNumber="WRONG", RequestedProcedureID="RP-1")],
        ReferencedRequestSequence=[item(AccessionNumber="A-77"), item(AccessionNumber="A-5")],
        OtherPatientIDsSequence=[item(PatientID="RI-1001", IssuerOfPatientID="OTHER")],
        ContentSequence=[
            item(ContentSequence=[item(PersonName="ARBOR^WILMA"), item(PersonName="QUILL^NORA")]),
            item(PatientName="ARBOR^WILMA", PatientID="RI-1001", PatientBirthDate="19620714", PatientSex="F"),
            item(PatientName="ELM^OTTO", PatientID="RI-5", PatientBirthDate="19620714"),
        ],
    )
    for sequence in ("RequestAttributesSequence", "ContentSequence"):
        dataset[sequence].is_undefined_length = undefined_length
    corrected = pydicom.dcmread(correct(save(dataset, tmp_path / "x.dcm", syntax), _RECORD))
    assert corrected.RequestAttributesSequence[0].AccessionNumber == "A-78"
    assert corrected.RequestAttributesSequence[0].RequestedProcedureID == "RP-1"
    assert [r.AccessionNumber for r in corrected.ReferencedRequestSequence] == ["A-78", "A-5"]
    assert corrected.OtherPatientIDsSequence[0].PatientID == "RI-1001"
    nested, same, other = corrected.ContentSequence
    assert [str(c.PersonName) for c in nested.ContentSequence] == ["ARBOR^WILLA", "QUILL^NORA"]
    assert (str(same.PatientName), same.PatientID, same.PatientBirthDate, same.PatientSex) == (
        "ARBOR^WILLA",
        "RI-2002",
        "19620715",
        "M",
    )
    assert (str(other.PatientName), other.PatientID, other.PatientBirthDate) == ("ELM^OTTO", "RI-5", "19620714")
    old = corrected.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert old.RequestAttributesSequence[0].AccessionNumber == "WRONG"
    assert str(old.ContentSequence[0].ContentSequence[0].PersonName) == "ARBOR^WILMA"
    assert "OtherPatientIDsSequence" not in old


def test_a_new_number_takes_the_old_issuers_qualifiers_away(tmp_path: Path) -> None:
    dataset = ct(IssuerOfPatientIDQualifiersSequence=[item(UniversalEntityID="9.9", UniversalEntityIDType="ISO")])
    source = save(dataset, tmp_path / "x.dcm")
    corrected = pydicom.dcmread(correct(source, {"PatientID": "RI-2002"}))
    assert "IssuerOfPatientIDQualifiersSequence" not in corrected
    old = corrected.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert old.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "9.9"
    given = pydicom.dcmread(correct(source, {"PatientID": "RI-2002", "IssuerOfPatientIDQualifiersSequence": "1.2.3"}))
    assert given.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "1.2.3"


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_name_that_does_not_fit_turns_every_text_into_utf8(tmp_path: Path, syntax: str) -> None:
    dataset = ct(
        SpecificCharacterSet="ISO_IR 100",
        PatientName="NÚÑEZ^JOSÉ",
        StudyDescription="Tête",
        ContentSequence=[item(SpecificCharacterSet="ISO_IR 144", TextValue="Пётр"), item(TextValue="é")],
    )
    corrected = pydicom.dcmread(correct(save(dataset, tmp_path / "x.dcm", syntax), {"PatientName": "山田^太郎"}))
    assert corrected.SpecificCharacterSet == "ISO_IR 192"
    assert str(corrected.PatientName) == "山田^太郎"
    assert corrected.StudyDescription == "Tête"
    assert [c.TextValue for c in corrected.ContentSequence] == ["Пётр", "é"]
    old = corrected.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert old.SpecificCharacterSet == "ISO_IR 100"
    assert str(old.PatientName) == "NÚÑEZ^JOSÉ"


def test_a_name_that_fits_keeps_the_character_set(tmp_path: Path) -> None:
    dataset = ct(SpecificCharacterSet="ISO_IR 100", PatientName="NÚÑEZ^JOSÉ")
    corrected = pydicom.dcmread(correct(save(dataset, tmp_path / "x.dcm"), {"PatientName": "ÑANDÚ^EVA"}))
    assert corrected.SpecificCharacterSet == "ISO_IR 100"
    assert str(corrected.PatientName) == "ÑANDÚ^EVA"


def test_old_values_that_break_their_vr_are_kept_as_bytes(tmp_path: Path) -> None:
    data = encoded(ct())
    data = data.replace(element(0x00100030, b"19620714"), element(0x00100030, b"1962.07.14"))
    data = data.replace(b"ARBOR^WILMA ", "ARBÓR^WILMÁ ".encode("latin_1"))
    corrected = pydicom.dcmread(correct(wrap(data, tmp_path / "x.dcm"), _RECORD))
    (record,) = corrected.OriginalAttributesSequence
    odd = {o.SelectorAttribute: o.NonconformingDataElementValue for o in record.NonconformingModifiedAttributesSequence}
    assert odd == {0x00100010: "ARBÓR^WILMÁ ".encode("latin_1"), 0x00100030: b"1962.07.14"}
    assert record.ModifiedAttributesSequence[0].PatientBirthDate == ""


def test_group_lengths_go_since_they_would_be_wrong(tmp_path: Path) -> None:
    data = element(0x00080000, (999).to_bytes(4, "little")) + encoded(ct())
    corrected = pydicom.dcmread(correct(wrap(data, tmp_path / "x.dcm"), _RECORD))
    assert 0x00080000 not in corrected


def test_what_is_never_corrected_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    source = save(ct(), tmp_path / "x.dcm")
    with pytest.raises(Unsupported) as refused:
        correct(source, {"StudyInstanceUID": "1.2.3"})
    assert (refused.value.code, refused.value.where) == ("not_correctable", "StudyInstanceUID")
    with pytest.raises(Malformed):
        correct(source, {"PatientID": "X" * 65})
    source.write_bytes(source.read_bytes()[:-10])
    with pytest.raises(Malformed):
        correct(source, _RECORD)
    assert not source.with_suffix(".out").exists()


def test_every_readable_corpus_file_takes_a_correction(tmp_path: Path) -> None:
    done = 0
    for source in sorted(p for p in corpus("dicom").rglob("*") if p.is_file()):
        try:
            header = read_header(source)
        except BridgeError:
            continue
        target = tmp_path / "x.out"
        record = {**_RECORD, "PatientName": "Žižka^Jan"}
        assert corrected_copy(source, target, [Layer(_AT, record)], "BRIDGE")
        after = read_header(target)
        assert (after.patient_name, after.patient_id, after.accession_number) == ("Žižka^Jan", "RI-2002", "A-78"), (
            source
        )
        assert after.issuer_of_accession_number == "1.2.3.4"
        assert (after.series_description, after.rows, after.study_date) == (
            header.series_description,
            header.rows,
            header.study_date,
        )
        if header.transfer_syntax_uid != DEFLATED:
            assert _pixels(target) == _pixels(source), source
        done += 1
    assert done == 184


def _pixels(path: Path) -> bytes:
    """Return what begins at the pixels, without a group length, which a correction takes away."""
    whole = path.read_bytes()
    meta = part10.read_file_meta(whole)
    for one in Walk(whole, meta.dataset_at, len(whole), syntax_of(meta.transfer_syntax_uid)):
        if one.depth == 0 and one.tag >= 0x7FE00001:
            return whole[one.at :]
    return b""


@pytest.mark.parametrize("vr", [b"UN", b"OB"])
def test_a_sequence_that_came_as_a_plain_value_leaves_as_a_sequence(tmp_path: Path, vr: bytes) -> None:
    raw = save(ct(), tmp_path / "x.dcm", EXPLICIT).read_bytes()
    at = raw.index(b"\x08\x00\x60\x00CS")
    odd = struct.pack("<HH2sHL", 0x0008, 0x0051, vr, 0, 0)
    (tmp_path / "x.dcm").write_bytes(raw[:at] + odd + raw[at:])
    target = correct(tmp_path / "x.dcm", _RECORD)
    assert read_header(target).issuer_of_accession_number == "1.2.3.4"
    assert pydicom.dcmread(target).PatientID == "RI-2002"


def test_what_a_person_erased_leaves_without_it_wherever_it_stands(tmp_path: Path) -> None:
    dataset = ct()
    dataset.StudyDescription = "WRONG"
    data = encoded(dataset)
    place = next(e for e in Walk(data, 0, len(data), Syntax(implicit=True)) if e.tag == 0x00081030)
    end = place.value_at + place.length
    at = next(e.at for e in Walk(data, 0, len(data), Syntax(implicit=True)) if e.tag > 0x00100030 and not e.depth)
    moved = data[: place.at] + data[end:at] + data[place.at : end] + data[at:]
    source = wrap(moved, tmp_path / "x.dcm")
    assert "tags_out_of_order" in read_header(source).faults
    target = correct(source, {"StudyDescription": ""}, Reason.CORRECT)
    assert target != source
    assert read_header(target).study_description == ""
