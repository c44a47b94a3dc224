"""A scanner as the bridge sees it: it asks for its worklist, says what it performs, stores its images."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association

VERIFICATION = UID("1.2.840.10008.1.1")
MODALITY_WORKLIST_FIND = UID("1.2.840.10008.5.1.4.31")
MODALITY_PERFORMED_PROCEDURE_STEP = UID("1.2.840.10008.3.1.2.3.3")

_RETURN_KEYS = (
    "SpecificCharacterSet",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestingPhysician",
)
_STEP_KEYS = (
    "ScheduledProcedureStepStartTime",
    "ScheduledProcedureStepID",
    "ScheduledProcedureStepDescription",
    "ScheduledPerformingPhysicianName",
    "ScheduledStationName",
    "ScheduledProcedureStepLocation",
)


class DeviceError(Exception):
    """The bridge did not answer as a device needs it to."""


class Device:
    """One modality. Every call is an association of its own, as most devices do it."""

    def __init__(self, ae_title: str, modality: str, bridge: tuple[str, int, str]) -> None:
        """Say who the device is and where the bridge listens. bridge: host, port, AE title."""
        self.ae_title = ae_title
        self.modality = modality
        self._bridge = bridge

    def echo(self) -> None:
        """Ask whether the bridge is there. Raises: DeviceError."""
        association = self._associate(VERIFICATION)
        try:
            _expect_success(association.send_c_echo(), "C-ECHO")
        finally:
            association.release()

    def worklist(self, on: datetime) -> list[Dataset]:
        """Return what is scheduled for this station on that day. Source: PS3.4 K.6.1.2.2."""
        query = Dataset()
        query.SpecificCharacterSet = "ISO_IR 192"
        for keyword in _RETURN_KEYS[1:]:
            setattr(query, keyword, "")
        step = Dataset()
        for keyword in _STEP_KEYS:
            setattr(step, keyword, "")
        step.ScheduledStationAETitle = self.ae_title
        step.Modality = self.modality
        step.ScheduledProcedureStepStartDate = f"{on:%Y%m%d}"
        query.ScheduledProcedureStepSequence = Sequence([step])
        association = self._associate(MODALITY_WORKLIST_FIND)
        items: list[Dataset] = []
        try:
            for status, item in association.send_c_find(query, MODALITY_WORKLIST_FIND):
                if status and status.Status in (0xFF00, 0xFF01) and item is not None:
                    items.append(item)
                else:
                    _expect_success(status, "C-FIND")
        finally:
            association.release()
        return items

    def begin(self, item: Dataset, at: datetime) -> str:
        """Report that the step of *item* has begun; return the performed step's UID. Source: PS3.4 F.7.2.1."""
        step = item.ScheduledProcedureStepSequence[0]
        scheduled = Dataset()
        scheduled.StudyInstanceUID = item.StudyInstanceUID
        scheduled.ReferencedStudySequence = Sequence()
        scheduled.AccessionNumber = item.get("AccessionNumber", "")
        scheduled.RequestedProcedureID = item.get("RequestedProcedureID", "")
        scheduled.RequestedProcedureDescription = item.get("RequestedProcedureDescription", "")
        scheduled.ScheduledProcedureStepID = step.get("ScheduledProcedureStepID", "")
        scheduled.ScheduledProcedureStepDescription = step.get("ScheduledProcedureStepDescription", "")
        scheduled.ScheduledProtocolCodeSequence = Sequence()
        report = Dataset()
        report.SpecificCharacterSet = item.get("SpecificCharacterSet") or "ISO_IR 100"
        report.ScheduledStepAttributesSequence = Sequence([scheduled])
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
            setattr(report, keyword, item.get(keyword, ""))
        report.ReferencedPatientSequence = Sequence()
        report.PerformedProcedureStepID = step.get("ScheduledProcedureStepID", "")
        report.PerformedStationAETitle = self.ae_title
        report.PerformedStationName = self.ae_title
        report.PerformedLocation = ""
        report.PerformedProcedureStepStartDate, report.PerformedProcedureStepStartTime = _clock(at)
        report.PerformedProcedureStepStatus = "IN PROGRESS"
        report.PerformedProcedureStepDescription = step.get("ScheduledProcedureStepDescription", "")
        report.PerformedProcedureTypeDescription = ""
        report.ProcedureCodeSequence = Sequence()
        report.PerformedProcedureStepEndDate, report.PerformedProcedureStepEndTime = "", ""
        report.Modality = self.modality
        report.StudyID = item.get("RequestedProcedureID", "")
        report.PerformedProtocolCodeSequence = Sequence()
        report.PerformedSeriesSequence = Sequence()
        uid = str(generate_uid(prefix=None))
        association = self._associate(MODALITY_PERFORMED_PROCEDURE_STEP)
        try:
            status, _ = association.send_n_create(report, MODALITY_PERFORMED_PROCEDURE_STEP, uid)
            _expect_success(status, "N-CREATE")
        finally:
            association.release()
        return uid

    def finish(self, performed_step_uid: str, images: Iterable[Dataset], at: datetime) -> None:
        """Report that the step is complete, and which images it made. Source: PS3.4 F.7.2.2."""
        series: dict[str, Dataset] = {}
        for image in images:
            one = series.setdefault(image.SeriesInstanceUID, _performed_series(image))
            reference = Dataset()
            reference.ReferencedSOPClassUID = image.SOPClassUID
            reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
            one.ReferencedImageSequence.append(reference)
        change = Dataset()
        change.PerformedProcedureStepStatus = "COMPLETED"
        change.PerformedProcedureStepEndDate, change.PerformedProcedureStepEndTime = _clock(at)
        change.PerformedSeriesSequence = Sequence(series.values())
        association = self._associate(MODALITY_PERFORMED_PROCEDURE_STEP)
        try:
            status, _ = association.send_n_set(change, MODALITY_PERFORMED_PROCEDURE_STEP, performed_step_uid)
            _expect_success(status, "N-SET")
        finally:
            association.release()

    def store(self, images: Iterable[Dataset]) -> int:
        """Send *images* over one association and return how many the bridge promised to keep. Raises: DeviceError."""
        images = list(images)
        association = self._associate(*{image.SOPClassUID for image in images})
        try:
            for number, image in enumerate(images, 1):
                _expect_success(association.send_c_store(image, number), "C-STORE")
        finally:
            association.release()
        return len(images)

    def _associate(self, *sop_classes: str) -> Association:
        entity = AE(self.ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
        for sop_class in sop_classes:
            entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
        host, port, called = self._bridge
        association = entity.associate(host, port, ae_title=called)
        if not association.is_established:
            raise DeviceError(f"{self.ae_title}: the bridge refused the association")
        return association


def _performed_series(image: Dataset) -> Dataset:
    series = Dataset()
    series.PerformingPhysicianName, series.OperatorsName = "", ""
    series.ProtocolName = image.get("StudyDescription") or "unnamed"
    series.SeriesInstanceUID = image.SeriesInstanceUID
    series.SeriesDescription = image.get("SeriesDescription", "")
    series.RetrieveAETitle = ""
    series.ReferencedImageSequence = Sequence()
    series.ReferencedNonImageCompositeSOPInstanceSequence = Sequence()
    return series


def _clock(at: datetime) -> tuple[str, str]:
    return f"{at:%Y%m%d}", f"{at:%H%M%S}"


def _expect_success(status: Dataset, what: str) -> None:
    if not status or "Status" not in status:
        raise DeviceError(f"{what}: no answer")
    if status.Status != 0x0000:
        raise DeviceError(f"{what}: {status.Status:04X} {status.get('ErrorComment', '')}".strip())
