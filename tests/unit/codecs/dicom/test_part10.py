"""The file around a data set."""

from __future__ import annotations

import struct
from pathlib import Path

import pydicom
import pytest

from bridge.codecs.dicom import part10
from bridge.errors import Malformed, Unsupported
from tests.unit.codecs.dicom.objects import DEFLATED, EXPLICIT, IMPLICIT, JPEG, ct, encoded, save


def test_our_file_meta_reads_in_pydicom_and_in_ours(tmp_path: Path) -> None:
    meta = part10.file_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", IMPLICIT, "CT1")
    path = tmp_path / "x.dcm"
    path.write_bytes(meta + encoded(ct()))
    read = pydicom.dcmread(path).file_meta
    assert read.MediaStorageSOPInstanceUID == "1.2.3"
    assert read.TransferSyntaxUID == IMPLICIT
    assert read.SourceApplicationEntityTitle == "CT1"
    assert read.ImplementationClassUID == part10.IMPLEMENTATION_CLASS_UID
    ours = part10.read_file_meta(path.read_bytes())
    assert (ours.media_storage_sop_instance_uid, ours.dataset_at) == ("1.2.3", len(meta))
    assert read.FileMetaInformationGroupLength == len(meta) - 144


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, JPEG])
def test_the_header_ends_where_the_pixels_begin(tmp_path: Path, syntax: str) -> None:
    path = save(ct(), tmp_path / "x.dcm", syntax)
    header, offset = part10.split_header(path)
    whole = path.read_bytes()
    assert whole[:offset] == header
    assert struct.unpack_from("<HH", whole, offset) == (0x7FE0, 0x0010)


def test_a_file_without_pixels_is_all_header(tmp_path: Path) -> None:
    dataset = ct()
    del dataset.PixelData
    path = save(dataset, tmp_path / "x.dcm")
    assert part10.pixel_offset(path) == path.stat().st_size


def test_a_deflated_file_has_no_pixel_offset(tmp_path: Path) -> None:
    with pytest.raises(Unsupported):
        part10.pixel_offset(save(ct(), tmp_path / "x.dcm", DEFLATED))


def test_deflated_bytes_that_are_none_or_cut_are_refused() -> None:
    with pytest.raises(Malformed, match="cannot be inflated"):
        part10.inflate(b"\xff\xff\xff\xff")
    with pytest.raises(Malformed, match="cut off"):
        part10.inflate(b"\x4b\x4c")
