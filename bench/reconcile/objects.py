"""What the synthetic hospital's devices send: images with faulty headers, performed steps, rejection notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ImplicitVRLittleEndian
from pydicom.valuerep import PersonName

from bridge.domain.study import OutgoingObject

Line = dict[str, Any]

_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"
_PATIENT_NAME: Final = 0x0010_0010
_TEXTS: Final = (
    "AccessionNumber",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "Modality",
    "BodyPartExamined",
    "StudyDescription",
    "StationName",
    "InstitutionName",
)


def images(header: Line, folder: Path) -> Iterator[OutgoingObject]:
    """Write a study's objects, one for each patient that it names, and return them."""
    for number, other in enumerate([{}, *header["OtherHeadersInStudy"]], 1):
        yield _written(_image({**header, **other}, number), folder)


def rejection_note(signal: Line, shown: Line, folder: Path) -> OutgoingObject:
    """Write a Key Object Selection that rejects a study's images. Source: IHE RAD TF-3 4.66, PS3.3 A.35.4."""
    uid = signal["study_uid"]
    note = _image({**shown, "OtherHeadersInStudy": [], "StudyInstanceUID": uid, "Modality": "KO"}, 900)
    for keyword in ("Rows", "Columns", "PixelData", "SamplesPerPixel", "PhotometricInterpretation"):
        delattr(note, keyword)
    for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(note, keyword)
    note.SOPClassUID, note.SeriesInstanceUID = _KEY_OBJECT_SELECTION, f"{uid}.9"
    note.ValueType, note.ContinuityOfContent = "CONTAINER", "SEPARATE"
    note.ContentDate, note.ContentTime = shown["StudyDate"], shown["StudyTime"]
    note.ConceptNameCodeSequence = Items([_code(signal["code"], "DCM", "Incorrect Modality Worklist Entry")])
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    note.ContentTemplateSequence = Items([template])
    rejected = _reference(_SECONDARY_CAPTURE, f"{uid}.1.1")
    note.CurrentRequestedProcedureEvidenceSequence = Items([_evidence(uid, rejected)])
    shown_item = Dataset()
    shown_item.RelationshipType, shown_item.ValueType = "CONTAINS", "IMAGE"
    shown_item.ReferencedSOPSequence = Items([_reference(_SECONDARY_CAPTURE, f"{uid}.1.1")])
    note.ContentSequence = Items([shown_item])
    return _written(note, folder)


def performed_step(signal: Line) -> tuple[Dataset, Dataset]:
    """Return what begins and what discontinues the step of a signal. Source: PS3.4 F.7.2, PS3.16 CID 9300."""
    scheduled, begun, ended = Dataset(), Dataset(), Dataset()
    scheduled.StudyInstanceUID, scheduled.AccessionNumber = signal["study_uid"], signal["accession"]
    scheduled.RequestedProcedureID = scheduled.ScheduledProcedureStepID = ""
    day, _, time = signal["t"].partition("T")
    begun.ScheduledStepAttributesSequence = Items([scheduled])
    begun.PatientID = signal["patient_id"]
    begun.PerformedProcedureStepID, begun.PerformedStationAETitle = f"M{signal['seq']}", "CT_1"
    begun.PerformedProcedureStepStartDate = day.replace("-", "")
    begun.PerformedProcedureStepStartTime = time.replace(":", "")
    begun.PerformedProcedureStepStatus, begun.Modality = "IN PROGRESS", "CT"
    ended.PerformedProcedureStepStatus = "DISCONTINUED"
    reason = _code(signal["code"], "DCM", "Incorrect Worklist Entry Selected")
    ended.PerformedProcedureStepDiscontinuationReasonCodeSequence = Items([reason])
    ended.PerformedSeriesSequence = Items([])
    return begun, ended


def _image(header: Line, number: int) -> Dataset:
    shown, uid = Dataset(), header["StudyInstanceUID"]
    shown.SOPClassUID, shown.SOPInstanceUID = _SECONDARY_CAPTURE, f"{uid}.1.{number}"
    shown.StudyInstanceUID, shown.SeriesInstanceUID = uid, f"{uid}.1"
    shown.SpecificCharacterSet = header["SpecificCharacterSet"].split("\\")
    for keyword in _TEXTS:
        setattr(shown, keyword, header[keyword])
    # As bytes: a garbled name is not what its character set says, and must leave so.
    shown.add(DataElement(_PATIENT_NAME, "OB", _name_bytes(header)))
    if header["RequestAttributes"]:
        shown.RequestAttributesSequence = Items([_request(one) for one in header["RequestAttributes"]])
    shown.SeriesNumber, shown.InstanceNumber = 1, number
    shown.SamplesPerPixel, shown.PhotometricInterpretation = 1, "MONOCHROME2"
    shown.Rows, shown.Columns = 4, 8
    shown.BitsAllocated, shown.BitsStored, shown.HighBit, shown.PixelRepresentation = 16, 12, 11, 0
    shown.PixelData = number.to_bytes(2, "little") * 32
    shown["PixelData"].VR = "OW"
    return shown


def _name_bytes(header: Line) -> bytes:
    """Return the name as the device writes it: in its character set, or as the bytes it took for Latin-1."""
    name, said = header["PatientName"], header["SpecificCharacterSet"]
    if said in ("", "ISO_IR 100"):
        try:
            return _even(name.encode("latin-1"))
        except UnicodeEncodeError:
            return _even(name.encode())
    return _even(PersonName(name).encode(convert_encodings(said.split("\\"))))


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)


def _request(said: Line) -> Dataset:
    item = Dataset()
    for keyword, value in said.items():
        setattr(item, keyword, value)
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    return item


def _evidence(study_instance_uid: str, rejected: Dataset) -> Dataset:
    of_study, of_series = Dataset(), Dataset()
    of_series.SeriesInstanceUID, of_series.ReferencedSOPSequence = f"{study_instance_uid}.1", Items([rejected])
    of_study.StudyInstanceUID, of_study.ReferencedSeriesSequence = study_instance_uid, Items([of_series])
    return of_study


def _written(dataset: Dataset, folder: Path) -> OutgoingObject:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(dataset.SOPClassUID)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True, implicit_vr=True, little_endian=True)
    return OutgoingObject(path, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(ImplicitVRLittleEndian))
