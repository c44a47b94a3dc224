"""Write a Key Object Selection that names the images of a packet: what a viewer or an archive opens. Source: PS3.3 A.35.4."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from bridge.codecs.dicom.part10 import file_meta
from bridge.domain.patient import Patient

KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"
_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_LONGEST_TEXT: Final = 64
# The series needs one, and no device numbers so high. Source: PS3.3 Table C.17.6-1.
_SERIES_NUMBER: Final = 9000


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object that is named. frame: from 1, 0 for all of it."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    frame: int = 0


@dataclass(frozen=True, slots=True)
class KeyObjectManifest:
    """
    What the document says. The UIDs are its own; study_instance_uid: the study that it belongs to.

    study_date, study_time, study_id: of that study, as it leaves. made_at: aware. why: one line on what it is for.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient: Patient
    made_at: datetime
    objects: tuple[NamedObject, ...]
    accession_number: str = ""
    study_date: str = ""
    study_time: str = ""
    study_id: str = ""
    manufacturer: str = ""
    why: str = ""


def write_manifest(manifest: KeyObjectManifest) -> bytes:
    """
    Return the document as a Part 10 file, explicit VR little endian: the same for the same manifest.

    Its title is Manifest (113030, DCM). Source: PS3.3 A.35.4, C.17.6, PS3.16 TID 2010, CID 7010.
    """
    said = Dataset()
    _identify(said, manifest)
    said.CurrentRequestedProcedureEvidenceSequence = list(_evidence(manifest.objects))
    said.ReferencedRequestSequence = []
    said.ValueType = "CONTAINER"
    said.ContinuityOfContent = "SEPARATE"
    said.ConceptNameCodeSequence = [_code("113030", "DCM", "Manifest")]
    said.ContentTemplateSequence = [_template()]
    said.ContentSequence = [*_purpose(manifest.why), *(_image(one) for one in manifest.objects)]
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, said)
    return file_meta(KEY_OBJECT_SELECTION, manifest.sop_instance_uid, _EXPLICIT_LITTLE, "") + buffer.getvalue()


def _identify(said: Dataset, manifest: KeyObjectManifest) -> None:
    patient = manifest.patient
    said.SpecificCharacterSet = "ISO_IR 192"
    said.SOPClassUID, said.SOPInstanceUID = KEY_OBJECT_SELECTION, manifest.sop_instance_uid
    said.StudyInstanceUID, said.SeriesInstanceUID = manifest.study_instance_uid, manifest.series_instance_uid
    said.PatientName = patient.patient_name
    said.PatientID = patient.primary.patient_id
    said.IssuerOfPatientID = patient.primary.issuer_of_patient_id
    said.PatientBirthDate, said.PatientSex = patient.patient_birth_date, patient.patient_sex
    said.AccessionNumber, said.StudyID = manifest.accession_number, manifest.study_id
    said.StudyDate, said.StudyTime, said.ReferringPhysicianName = manifest.study_date, manifest.study_time, ""
    said.Modality, said.SeriesNumber, said.InstanceNumber = "KO", _SERIES_NUMBER, 1
    said.ReferencedPerformedProcedureStepSequence = []
    said.Manufacturer = manifest.manufacturer
    said.ContentDate = manifest.made_at.strftime("%Y%m%d")
    said.ContentTime = manifest.made_at.strftime("%H%M%S.%f")
    said.TimezoneOffsetFromUTC = manifest.made_at.strftime("%z")


def _evidence(objects: Sequence[NamedObject]) -> Iterable[Dataset]:
    """Yield an item for each study, every object once. Source: PS3.3 C.17.2, Table C.17-3."""
    once = {one.sop_instance_uid: one for one in objects}.values()
    ordered = sorted(once, key=lambda one: (one.study_instance_uid, one.series_instance_uid))
    for study_uid, of_study in groupby(ordered, key=lambda one: one.study_instance_uid):
        item = Dataset()
        item.StudyInstanceUID, item.ReferencedSeriesSequence = study_uid, []
        for series_uid, of_series in groupby(of_study, key=lambda one: one.series_instance_uid):
            series = Dataset()
            series.SeriesInstanceUID = series_uid
            series.ReferencedSOPSequence = [_reference(one) for one in of_series]
            item.ReferencedSeriesSequence.append(series)
        yield item


def _reference(one: NamedObject) -> Dataset:
    found = Dataset()
    found.ReferencedSOPClassUID, found.ReferencedSOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
    return found


def _image(one: NamedObject) -> Dataset:
    item, reference = Dataset(), _reference(one)
    if one.frame:
        reference.ReferencedFrameNumber = one.frame
    item.RelationshipType, item.ValueType = "CONTAINS", "IMAGE"
    item.ReferencedSOPSequence = [reference]
    return item


def _purpose(why: str) -> Iterable[Dataset]:
    if why:
        item = Dataset()
        item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
        item.ConceptNameCodeSequence = [_code("113012", "DCM", "Key Object Description")]
        item.TextValue = why
        yield item


def _template() -> Dataset:
    found = Dataset()
    found.MappingResource, found.TemplateIdentifier = "DCMR", "2010"
    return found


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    found = Dataset()
    found.CodeValue, found.CodingSchemeDesignator, found.CodeMeaning = value, scheme, meaning[:_LONGEST_TEXT]
    return found
