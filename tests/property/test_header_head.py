"""A header read out of an object's first bytes is the one that the careful walk over the file reads, or the same refusal."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from bridge.codecs.dicom.datasets import read_header
from bridge.codecs.dicom.elements import NATIVE
from bridge.codecs.dicom.skim import Head
from bridge.domain.study import Header
from bridge.errors import BridgeError
from tests.unit.codecs.dicom.objects import EXPLICIT, IMPLICIT, JPEG, corpus, ct, save

# Lengths and tags on which readers part ways.
_PIECES = (
    b"\xff\xff\xff\xff",
    bytes(4),
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0" + bytes(4),
    b"\xfe\xff\xdd\xe0" + bytes(4),
    b"\xe0\x7f\x10\x00OW\0\0",
    b"\x10\x00\x20\x00LO\x04\x00RI-9",
    b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff",
    b"UN",
    b"SQ",
    b"ZZ",
)


def _bases(folder: Path) -> list[bytes]:
    request, private, other = Dataset(), Dataset(), Dataset()
    request.AccessionNumber, request.RequestedProcedureID = "A-77", "RP-1"
    other.PatientID, other.IssuerOfPatientID = "X-9", "OTHER"
    private.AccessionNumber = "A-78"
    dataset = ct(
        RequestAttributesSequence=[request, request], OtherPatientIDsSequence=[other], ProcedureCodeSequence=[]
    )
    dataset.private_block(0x0019, "ACME 1.0", create=True).add_new(0x01, "SQ", [private])
    bases = [save(dataset, folder / syntax, syntax).read_bytes() for syntax in (EXPLICIT, IMPLICIT, JPEG)]
    dataset["RequestAttributesSequence"].is_undefined_length = True
    bases.append(save(dataset, folder / "undefined").read_bytes())
    del dataset.PixelData
    bases += [save(dataset, folder / "report", syntax).read_bytes() for syntax in (EXPLICIT, IMPLICIT)]
    return bases


def _outcome(path: Path, head: Head | None) -> Header | tuple[str, str, str]:
    try:
        return read_header(path, head=head)
    except BridgeError as fault:
        return type(fault).__name__, fault.code, fault.where


def _spoil(raw: bytes, chance: random.Random) -> bytes:
    if len(raw) < 400:
        return raw
    at = chance.randrange(300, len(raw))
    spoilt = bytearray(raw)
    match chance.randrange(6):
        case 0:
            del spoilt[at:]
        case 1:
            spoilt[at] = chance.randrange(256)
        case 2:
            piece = chance.choice(_PIECES)
            spoilt[at : at + len(piece)] = piece
        case 3:
            spoilt[at:at] = chance.choice(_PIECES)
        case 4:
            spoilt += bytes(chance.choice((1, 8, 100)))
        case _:
            start = chance.randrange(300, len(raw))
            spoilt[at:at] = raw[start : start + chance.randrange(1, 64)]
    return bytes(spoilt)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 2**32))
def test_spoilt_objects_are_read_or_refused_alike(tmp_path: Path, seed: int) -> None:
    chance, path = random.Random(seed), tmp_path / "object"
    for base in _bases(tmp_path):
        raw = base
        for _ in range(chance.randrange(3)):
            raw = _spoil(raw, chance)
        path.write_bytes(raw)
        careful = _outcome(path, None)
        for length in (len(raw), len(raw) * 3 // 4, chance.randrange(len(raw))):
            assert _outcome(path, Head(raw[:length], len(raw))) == careful


def test_whole_objects_are_read_without_opening_the_file(tmp_path: Path) -> None:
    for raw in _bases(tmp_path):
        path = tmp_path / "object"
        path.write_bytes(raw)
        careful = read_header(path)
        if careful.transfer_syntax_uid in NATIVE:
            assert read_header(tmp_path / "nowhere", head=Head(raw, len(raw))) == careful


@pytest.mark.parametrize("length", [700, 4096, 65_536])
def test_the_corpus_is_read_or_refused_alike(length: int) -> None:
    for path in (one for one in corpus("").rglob("*") if one.is_file()):
        raw = path.read_bytes()
        assert _outcome(path, Head(raw[:length], len(raw))) == _outcome(path, None), path.name


@pytest.mark.parametrize("group", ["root", "item"])
def test_an_end_of_an_item_that_poses_as_an_element_is_refused_alike(tmp_path: Path, group: str) -> None:
    posing = struct.pack("<HH2sH", 0xFFFE, 0xE00D, b"LO", 4) + b"EVIL"
    raw, path = save(ct(), tmp_path / "object").read_bytes(), tmp_path / "object"
    if group == "item":
        item = struct.pack("<HHL", 0xFFFE, 0xE000, len(posing)) + posing
        posing = struct.pack("<HH2sHL", 0x0040, 0x0275, b"SQ", 0, len(item)) + item
        at = raw.index(b"\xe0\x7f\x10\x00")
        raw = raw[:at] + posing + raw[at:]
    else:
        raw += posing
    path.write_bytes(raw)
    careful = _outcome(path, None)
    assert careful == ("Malformed", "bad_sequence", "")
    assert _outcome(path, Head(raw, len(raw))) == careful
