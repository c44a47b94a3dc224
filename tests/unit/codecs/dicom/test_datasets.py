"""What arrives is read whole or refused by name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from bridge.codecs.dicom import charset, part10
from bridge.codecs.dicom.announced import check_identity
from bridge.codecs.dicom.datasets import read_header
from bridge.codecs.dicom.elements import Event, Syntax, Walk
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import RequestAttributes
from bridge.errors import BridgeError, Incomplete, Malformed, Unsupported
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


def test_every_uncompressed_syntax_and_a_compressed_one_say_the_same(tmp_path: Path) -> None:
    for syntax in (IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG):
        header = read_header(save(ct(), tmp_path / "x.dcm", syntax))
        assert header.patient_name == "ARBOR^WILMA"
        assert header.patient_name_bytes == b"ARBOR^WILMA"
        assert (header.patient_id, header.issuer_of_patient_id) == ("RI-1001", "RIVERSIDE")
        assert (header.patient_birth_date, header.patient_sex) == ("19620714", "F")
        assert (header.study_date, header.study_time) == ("20260105", "083015.5")
        assert (header.rows, header.columns, header.instance_number, header.number_of_frames) == (4, 4, 7, 1)
        assert header.transfer_syntax_uid == syntax
        assert header.faults == ()


def test_what_the_worklist_gave_the_scanner_is_read_from_its_sequences(tmp_path: Path) -> None:
    request, issuer, other = Dataset(), Dataset(), Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = "RP-1", "SPS-1"
    request.AccessionNumber, request.StudyInstanceUID = "A-77", "1.2.826.0.1.77.1"
    issuer.LocalNamespaceEntityID = "RIVERSIDE"
    other.PatientID, other.IssuerOfPatientID = "X-9", "OTHER"
    dataset = ct(
        RequestAttributesSequence=[request], IssuerOfAccessionNumberSequence=[issuer], OtherPatientIDsSequence=[other]
    )
    for syntax in (IMPLICIT, EXPLICIT, BIG):
        header = read_header(save(dataset, tmp_path / "x.dcm", syntax))
        assert header.request_attributes == (RequestAttributes("RP-1", "SPS-1", "A-77", "1.2.826.0.1.77.1"),)
        assert header.issuer_of_accession_number == "RIVERSIDE"
        assert header.other_patient_ids == (PatientIdentifier("X-9", "OTHER"),)


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_an_object_without_a_uid_is_incomplete(tmp_path: Path, keyword: str) -> None:
    dataset = ct()
    delattr(dataset, keyword)
    with pytest.raises(Incomplete) as refused:
        read_header(save(dataset, tmp_path / "x.dcm"))
    assert (refused.value.code, refused.value.where) == ("missing_uid", keyword)


@pytest.mark.parametrize("uid", [b"../../../tmp/evil", b"1.2.3;id", b"1." * 40 + b"1"])
def test_a_uid_that_is_none_is_refused(tmp_path: Path, uid: bytes) -> None:
    data = encoded(ct()).replace(b"1.2.826.0.1.77.1", uid[:16].ljust(16, b"x"))
    with pytest.raises(Malformed):
        read_header(wrap(data, tmp_path / "x.dcm"))


def test_a_uid_with_a_leading_zero_passes_with_a_fault(tmp_path: Path) -> None:
    data = encoded(ct()).replace(b"1.2.826.0.1.77.2", b"1.2.826.0.01.7.2")
    assert "uid_leading_zero" in read_header(wrap(data, tmp_path / "x.dcm")).faults


def test_a_file_cut_inside_any_element_is_refused(tmp_path: Path) -> None:
    whole = save(ct(), tmp_path / "whole.dcm", JPEG).read_bytes()
    cut = tmp_path / "cut.dcm"
    start = part10.read_file_meta(whole).dataset_at
    elements = list(Walk(whole, start, len(whole), Syntax()))
    starts = {element.at for element in elements if element.depth == 0}
    # Between two fragments only the delimiter is missing: devices forget it.
    between = {one.value_at + one.length for one in elements if one.event is Event.FRAGMENT}
    between |= {one.value_at for one in elements if one.event is Event.SEQUENCE}
    for length in {0, 1, 131, 140, *range(start, len(whole))} - starts - between:
        cut.write_bytes(whole[:length])
        with pytest.raises(BridgeError):
            read_header(cut)


def test_pixel_data_shorter_than_announced_is_refused(tmp_path: Path) -> None:
    data = encoded(ct())[:-40] + element(0x7FE00010, bytes(64), length=65536)
    with pytest.raises(Malformed) as refused:
        read_header(wrap(data, tmp_path / "x.dcm"))
    assert refused.value.code == "truncated"


def test_three_thousand_nested_sequences_are_refused(tmp_path: Path) -> None:
    nest = b"".join(element(0x00400275, b"", 0xFFFFFFFF) + element(0xFFFEE000, b"", 0xFFFFFFFF) for _ in range(3000))
    path = wrap(encoded(ct())[:-40] + nest, tmp_path / "x.dcm")
    with pytest.raises(Malformed) as refused:
        read_header(path)
    assert refused.value.code == "too_deep"


def test_a_flood_of_empty_items_is_refused(tmp_path: Path) -> None:
    items = element(0xFFFEE000, b"") * 500_001
    with pytest.raises(Malformed) as refused:
        read_header(wrap(element(0x00400275, items), tmp_path / "x.dcm"))
    assert refused.value.code == "too_many_items"


def test_noise_is_refused(tmp_path: Path) -> None:
    noise = bytes((i * 167 + 13) % 251 for i in range(3000))
    for syntax in (IMPLICIT, EXPLICIT, BIG):
        with pytest.raises(BridgeError):
            read_header(wrap(noise, tmp_path / "x.dcm", syntax))
    (tmp_path / "y.dcm").write_bytes(noise)
    with pytest.raises(Malformed) as refused:
        read_header(tmp_path / "y.dcm")
    assert refused.value.code == "not_part10"


def test_an_identity_that_stands_twice_is_refused(tmp_path: Path) -> None:
    data = encoded(ct())[:-40] + element(0x00100020, b"RI-2002 ")
    with pytest.raises(Malformed) as refused:
        read_header(wrap(data, tmp_path / "x.dcm"))
    assert (refused.value.code, refused.value.where) == ("duplicate_element", "PatientID")


def test_nuls_after_the_data_set_pass_and_other_bytes_do_not(tmp_path: Path) -> None:
    assert "trailing_padding" in read_header(wrap(encoded(ct()) + bytes(700), tmp_path / "x.dcm")).faults
    with pytest.raises(Malformed):
        read_header(wrap(encoded(ct()) + b"\0\0\0\0garbage", tmp_path / "x.dcm"))


@pytest.mark.parametrize("codec", [b"unicode_escape", b"utf_16", b"idna"])
def test_a_python_codec_is_no_character_set(tmp_path: Path, codec: bytes) -> None:
    data = encoded(ct()).replace(b"ARBOR^WILMA ", b"A\\u0041^WIL\xe9")
    header = read_header(wrap(element(0x00080005, codec + b" " * (len(codec) % 2)) + data, tmp_path / "x.dcm"))
    assert header.patient_name == "A\\u0041^WIL\u00e9"
    assert "unknown_charset" in header.faults


def test_undeclared_text_is_read_as_the_device_is_known_to_write(tmp_path: Path) -> None:
    data = encoded(ct()).replace(b"ARBOR^WILMA ", "ÁRB^WILMÁ".encode("iso8859_2").ljust(12))
    path = wrap(data, tmp_path / "x.dcm")
    header = read_header(path, default_charset=charset.parse(b"ISO_IR 101"))
    assert header.patient_name == "ÁRB^WILMÁ"
    assert header.specific_character_set == ()
    assert "undeclared_charset" in header.faults


def test_old_and_broken_dates_are_read_or_left_out(tmp_path: Path) -> None:
    data = encoded(ct())
    dotted = data.replace(element(0x00100030, b"19620714"), element(0x00100030, b"1962.07.14"))
    assert read_header(wrap(dotted, tmp_path / "x.dcm")).patient_birth_date == "19620714"
    broken = data.replace(element(0x00100030, b"19620714"), element(0x00100030, b"19620799"))
    header = read_header(wrap(broken, tmp_path / "x.dcm"))
    assert (header.patient_birth_date, header.faults) == ("", ("bad_date",))


def test_pixels_in_the_other_form_than_their_syntax_pass_with_a_fault(tmp_path: Path) -> None:
    plain = save(ct(), tmp_path / "x.dcm", EXPLICIT).read_bytes()
    body = plain[part10.read_file_meta(plain).dataset_at :]
    assert "pixel_data_form" in read_header(wrap(body, tmp_path / "y.dcm", JPEG)).faults
    assert "pixel_data_form" not in read_header(wrap(body, tmp_path / "y.dcm", EXPLICIT)).faults


def test_a_command_for_another_object_is_refused(tmp_path: Path) -> None:
    header = read_header(save(ct(), tmp_path / "x.dcm"))
    check_identity(header, header.sop_class_uid, header.sop_instance_uid)
    with pytest.raises(Malformed) as refused:
        check_identity(header, header.sop_class_uid, "1.2.3")
    assert refused.value.code == "uid_mismatch"
    with pytest.raises(Malformed) as refused:
        check_identity(header, "1.2.3", header.sop_instance_uid)
    assert refused.value.code == "sop_class_mismatch"


def test_a_small_file_that_inflates_without_end_is_refused(tmp_path: Path) -> None:
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = deflater.compress(struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, 100 << 20))
    bomb += b"".join(deflater.compress(bytes(1 << 20)) for _ in range(100)) + deflater.flush()
    path = wrap(bomb, tmp_path / "x.dcm", DEFLATED)
    with pytest.raises(Unsupported) as refused:
        read_header(path)
    assert refused.value.code == "inflation_limit"


def test_every_corpus_file_is_read_or_refused_by_name() -> None:
    outcomes: dict[str, int] = {}
    for path in sorted(p for p in corpus("dicom").rglob("*") if p.is_file()):
        try:
            header = read_header(path)
        except (Malformed, Incomplete) as refused:
            outcomes[refused.code] = outcomes.get(refused.code, 0) + 1
        else:
            assert header.study_instance_uid
            outcomes["read"] = outcomes.get("read", 0) + 1
    assert outcomes == {"read": 184, "missing_uid": 16, "truncated": 3, "not_part10": 4, "no_transfer_syntax": 1}


@pytest.mark.parametrize("tag", [0x00100010, 0x00100020, 0x00081030, 0x00180015])
def test_a_nul_inside_a_value_reads_as_what_cannot_be_read(tmp_path: Path, tag: int) -> None:
    dataset = ct()
    if tag in dataset:
        del dataset[tag]
    header = read_header(wrap(_inserted(encoded(dataset), tag, b"AB\0C"), tmp_path / "x.dcm"))
    found = {header.patient_name, header.patient_id, header.study_description, header.body_part_examined}
    assert "AB\ufffdC" in found
    assert "undecodable_text" in header.faults


@pytest.mark.parametrize("number", [b"1.0e300 ", b"-9.9e18 ", b"1.e19 "])
@pytest.mark.parametrize("tag", [0x00200011, 0x00200013, 0x00280008])
def test_a_number_that_no_row_can_hold_is_none(tmp_path: Path, tag: int, number: bytes) -> None:
    dataset = ct()
    if tag in dataset:
        del dataset[tag]
    header = read_header(wrap(_inserted(encoded(dataset), tag, number), tmp_path / "x.dcm"))
    assert {0x00200011: header.series_number, 0x00200013: header.instance_number}.get(tag) is None
    assert header.number_of_frames == 1
    assert "bad_integer" in header.faults


def _inserted(data: bytes, tag: int, value: bytes) -> bytes:
    """Return an implicit VR data set with one more element, in its place."""
    at = next(
        element.at
        for element in Walk(data, 0, len(data), Syntax(implicit=True))
        if element.depth == 0 and element.tag > tag
    )
    return data[:at] + element(tag, value) + data[at:]
