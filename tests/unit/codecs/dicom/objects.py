"""Objects of our own for these tests, built by pydicom where it can and by hand where it would refuse."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, CTImageStorage, JPEGBaseline8Bit

from bridge.codecs.dicom import part10

CORPUS = Path(__file__).resolve().parents[5] / "shared" / "corpus"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = str(JPEGBaseline8Bit)


def corpus(folder: str) -> Path:
    """Return a folder of the corpus, or skip."""
    path = CORPUS / folder
    if not path.is_dir():
        pytest.skip(f"the corpus folder {folder} is not beside this checkout")
    return path


def ct(**attributes: object) -> Dataset:
    """Return a small CT image of a person we made up."""
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = "1.2.826.0.1.77.3"
    dataset.StudyInstanceUID = "1.2.826.0.1.77.1"
    dataset.SeriesInstanceUID = "1.2.826.0.1.77.2"
    dataset.PatientName = "ARBOR^WILMA"
    dataset.PatientID = "RI-1001"
    dataset.IssuerOfPatientID = "RIVERSIDE"
    dataset.PatientBirthDate = "19620714"
    dataset.PatientSex = "F"
    dataset.AccessionNumber = "A-77"
    dataset.StudyDate, dataset.StudyTime = "20260105", "083015.5"
    dataset.Modality = "CT"
    dataset.InstanceNumber = "7"
    dataset.Rows = dataset.Columns = 4
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = struct.pack("<16H", *range(16))
    dataset["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def save(dataset: Dataset, path: Path, transfer_syntax_uid: str = EXPLICIT) -> Path:
    """Write *dataset* as a Part 10 file in a syntax, and return where."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CTImageStorage)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    if transfer_syntax_uid == JPEG:
        dataset.PixelData = encapsulate([b"\xff\xd8 not really \xff\xd9 "])
        dataset["PixelData"].VR = "OB"
    if transfer_syntax_uid == BIG:
        dataset.PixelData = struct.pack(">16H", *range(16))
    dataset.save_as(
        path,
        implicit_vr=transfer_syntax_uid == IMPLICIT,
        little_endian=transfer_syntax_uid != BIG,
        enforce_file_format=True,
    )
    return path


def wrap(data: bytes, path: Path, transfer_syntax_uid: str = IMPLICIT) -> Path:
    """Put raw data set bytes into a Part 10 file."""
    path.write_bytes(part10.file_meta(str(CTImageStorage), "1.2.826.0.1.77.3", transfer_syntax_uid, "CT1") + data)
    return path


def encoded(dataset: Dataset, *, implicit: bool = True) -> bytes:
    """Return a data set as it travels in a message."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def element(tag: int, value: bytes, length: int | None = None) -> bytes:
    """Return one implicit VR little endian element, with a length that may lie."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value
