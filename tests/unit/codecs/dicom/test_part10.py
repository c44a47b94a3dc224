"""The file around a data set."""

from __future__ import annotations

import mmap
import random
import struct
import zlib
from pathlib import Path

import pydicom
import pytest

from bridge.codecs.dicom import part10
from bridge.errors import Malformed, Unsupported
from tests.unit.codecs.dicom.objects import DEFLATED, IMPLICIT, ct, encoded


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


def test_deflated_bytes_that_are_none_or_cut_are_refused() -> None:
    with pytest.raises(Malformed, match="cannot be inflated"):
        list(part10.inflate(b"\xff\xff\xff\xff"))
    with pytest.raises(Malformed, match="cut off"):
        list(part10.inflate(b"\x4b\x4c"))


def deflated_file(size: int, filling: bytes = b"\0") -> bytes:
    """Return a file whose data set has one value of about *size* bytes, which deflates as well as *filling* does."""
    value = filling * (size // len(filling))
    element = struct.pack("<HH2sHL", 0x0009, 0x1001, b"OB", 0, len(value)) + value
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    meta = part10.file_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", DEFLATED, "CT1")
    return meta + deflater.compress(element) + deflater.flush()


def inflated(data: bytes) -> part10.DataSetBytes:
    return part10.dataset_bytes(data, part10.read_file_meta(data))


@pytest.mark.parametrize("size", [1 << 10, 12 << 20])
def test_small_and_large_deflated_data_sets_are_inflated_whole(size: int) -> None:
    found = inflated(deflated_file(size, bytes(range(256))))
    assert (found.start, found.end) == (0, size + 12)
    assert found.data[12:268] == found.data[size - 244 : size + 12] == bytes(range(256))


def test_what_inflates_a_hundredfold_is_refused_beyond_what_is_free() -> None:
    assert inflated(deflated_file(part10.FREE_INFLATED_BYTES - 12)).end == part10.FREE_INFLATED_BYTES
    with pytest.raises(Unsupported) as refused:
        inflated(deflated_file(part10.FREE_INFLATED_BYTES + 1))
    assert refused.value.code == "inflation_limit"


def test_nothing_inflates_beyond_the_ceiling_whatever_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part10, "MAX_INFLATED_BYTES", 1 << 20)
    data = deflated_file(2 << 20, random.Random(1).randbytes(4096))
    taken: list[int] = []
    with pytest.raises(Unsupported):
        taken.extend(map(len, part10.inflate(data, part10.read_file_meta(data).dataset_at)))
    assert sum(taken) <= 1 << 20


def test_a_large_one_is_not_held_in_memory() -> None:
    assert isinstance(inflated(deflated_file(12 << 20)).data, mmap.mmap)
    assert isinstance(inflated(deflated_file(1 << 20)).data, bytes)
