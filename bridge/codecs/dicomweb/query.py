"""QIDO-RS parameters as a C-FIND identifier, and its answers back. Source: PS3.18 8.3.4, 10.6."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian

from bridge.errors import Malformed

TRANSFER_SYNTAX = str(ExplicitVRLittleEndian)

_VALUE_MAX = 1024
# A list of UIDs, as long as an identifier takes it.
_UIDS_MAX = 16_000
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
# What an answer holds without being asked. Source: PS3.18 10.6.3-3 to 10.6.3-5.
_STUDY = [
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "InstanceAvailability",
    "ModalitiesInStudy",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
    "StudyDescription",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
]
_SERIES = ["Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances"]
_INSTANCE = ["SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames"]
_RETURNED = {
    "STUDY": _STUDY,
    "SERIES": ["StudyInstanceUID", *_SERIES],
    "IMAGE": ["StudyInstanceUID", "SeriesInstanceUID", *_INSTANCE],
}

# What the standard wants returned and only the objects tell. Source: PS3.18 Tables 10.6.3-3 to 10.6.3-5.
_FROM_HEADER = {
    "STUDY": ["TimezoneOffsetFromUTC"],
    "SERIES": [
        "TimezoneOffsetFromUTC",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
    ],
    "IMAGE": ["TimezoneOffsetFromUTC", "Rows", "Columns", "BitsAllocated", "NumberOfFrames"],
}
_ALL_OF_STUDY = [
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "PatientComments",
    "EthnicGroup",
    "AdmittingDiagnosesDescription",
    "NameOfPhysiciansReadingStudy",
    "PhysiciansOfRecord",
    "ProcedureCodeSequence",
    "IssuerOfAccessionNumberSequence",
    "ReasonForPerformedProcedureCodeSequence",
    "AdmissionID",
]
_ALL_OF_SERIES = [
    "SeriesDate",
    "SeriesTime",
    "BodyPartExamined",
    "Laterality",
    "ProtocolName",
    "Manufacturer",
    "ManufacturerModelName",
    "StationName",
    "InstitutionName",
    "InstitutionalDepartmentName",
    "PerformingPhysicianName",
    "OperatorsName",
    "FrameOfReferenceUID",
    "PatientPosition",
    "PerformedProcedureStepID",
    "PerformedProcedureStepDescription",
    "DeviceSerialNumber",
    "SoftwareVersions",
]
_ALL_OF_INSTANCE = [
    "ImageType",
    "ContentDate",
    "ContentTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SliceLocation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "WindowCenter",
    "WindowWidth",
    "LossyImageCompression",
    "BurnedInAnnotation",
    "ConceptNameCodeSequence",
    "ContentLabel",
    "ContentDescription",
]
_ALL = {
    "STUDY": _ALL_OF_STUDY,
    "SERIES": _ALL_OF_STUDY + _ALL_OF_SERIES,
    "IMAGE": _ALL_OF_STUDY + _ALL_OF_SERIES + _ALL_OF_INSTANCE,
}


def tags_of(level: str, included: Iterable[str]) -> frozenset[int]:
    """
    Return what an answer at *level* holds beyond what the index knows: the rest of the standard's list, and *included*.

    included: attributes as keywords or tags, a sequence or "all"; of a path into a sequence the whole sequence.
    Raises: Malformed, for an attribute that does not exist. Source: PS3.18 8.3.4.3, 10.6.3.
    """
    wanted = set(_FROM_HEADER[level])
    for name in included:
        wanted |= set(_ALL[level]) if name.lower() == "all" else {_keyword(name.partition(".")[0])}
    return frozenset(tag for keyword in wanted if (tag := tag_for_keyword(keyword)) is not None)


def searchable(included: Iterable[str]) -> list[str]:
    """Return those of *included* that an identifier can ask for."""
    keywords = [_keyword(name) for name in included if "." not in name and name.lower() != "all"]
    return [keyword for keyword in keywords if dictionary_VR(keyword) != "SQ"]


def identifier_of(level: str, filters: Mapping[str, str], included: Iterable[str] = ()) -> bytes:
    """
    Return the identifier of a search at *level* ("STUDY", "SERIES", "IMAGE"), in Explicit VR Little Endian.

    filters: attribute (keyword or eight hexadecimal digits) to value. included: further attributes to return.
    Raises: Malformed, for an attribute that does not exist or a value too long to be one.
    """
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.QueryRetrieveLevel = level
    for keyword in (*_RETURNED[level], *(_keyword(name) for name in included)):
        _set(dataset, keyword, "")
    for name, value in filters.items():
        keyword = _keyword(name)
        longest = _UIDS_MAX if dictionary_VR(keyword) == "UI" else _VALUE_MAX
        if len(value) > longest or "\x00" in value:
            raise Malformed("not a value to search by", where=name[:40])
        _set(dataset, keyword, value)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    try:
        write_dataset(buffer, dataset)
    except (ValueError, TypeError, OverflowError):
        raise Malformed("a value does not fit its attribute", source="PS3.5 6.2") from None
    return buffer.getvalue()


def json_of(answer: bytes) -> dict[str, Any]:
    """Return one answer (Explicit VR Little Endian) as DICOM JSON. Source: PS3.18 F."""
    dataset = read_dataset(BytesIO(answer), is_implicit_VR=False, is_little_endian=True)
    if "QueryRetrieveLevel" in dataset:
        del dataset.QueryRetrieveLevel
    return dataset.to_json_dict(suppress_invalid_tags=True)


def _keyword(name: str) -> str:
    if _TAG.fullmatch(name):
        name = keyword_for_tag(int(name, 16)) or name
    if tag_for_keyword(name) is None:
        raise Malformed("no such attribute", where=name[:40], source="PS3.6")
    return name


def _set(dataset: Dataset, keyword: str, value: str) -> None:
    if dictionary_VR(keyword) == "SQ":
        raise Malformed("sequences are not searched by", where=keyword)
    values = value.split(",") if dictionary_VR(keyword) == "UI" and "," in value else value
    try:
        # pydicom's own check would write the value, somebody's name perhaps, into its log; ours refuses what is none.
        dataset.add(
            DataElement(tag_for_keyword(keyword) or 0, dictionary_VR(keyword), values or None, validation_mode=IGNORE)
        )
    except (ValueError, TypeError, OverflowError):
        raise Malformed("a value does not fit its attribute", where=keyword, source="PS3.5 6.2") from None
