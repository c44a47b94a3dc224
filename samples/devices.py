"""A scanner as the bridge sees it: it asks for its worklist, says what it performs, stores its images."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

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


_SUCCESS, _DUPLICATE_SOP_INSTANCE, _MAY_NO_LONGER_BE_UPDATED = 0x0000, 0x0111, 0xA710
_TRIES, _PAUSE_SECS, _ANSWER_SECS = 4, 1.0, 15

_Result = TypeVar("_Result")


class DeviceError(Exception):
    """The bridge did not answer as a device needs it to."""


class NoAnswer(DeviceError):
    """Nothing came, or that the bridge has no room or time now: what was asked is asked again."""


class Device:
    """
    One modality. Every call is an association of its own, as most devices do it.

    What gets no answer is sent again over a new one, as most devices do that, too. On a busy machine it happens to us more
    often than to them: the library's own thread may take an answer for a request of the bridge's, and drops it.
    """

    def __init__(self, ae_title: str, modality: str, bridge: tuple[str, int, str]) -> None:
        """Say who the device is and where the bridge listens. bridge: host, port, AE title."""
        self.ae_title = ae_title
        self.modality = modality
        self._bridge = bridge

    def echo(self) -> None:
        """Ask whether the bridge is there. Raises: DeviceError."""

        def ask(association: Association, _: bool) -> None:
            _expect_success(association.send_c_echo(), "C-ECHO")

        self._over_association(ask, VERIFICATION)

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

        def ask(association: Association, _: bool) -> list[Dataset]:
            items: list[Dataset] = []
            for status, item in association.send_c_find(query, MODALITY_WORKLIST_FIND):
                if status and status.Status in (0xFF00, 0xFF01) and item is not None:
                    items.append(item)
                else:
                    _expect_success(status, "C-FIND")
            return items

        return self._over_association(ask, MODALITY_WORKLIST_FIND)

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

        def tell(association: Association, is_again: bool) -> None:
            status, _ = association.send_n_create(report, MODALITY_PERFORMED_PROCEDURE_STEP, uid)
            if not (is_again and status and status.Status == _DUPLICATE_SOP_INSTANCE):
                _expect_success(status, "N-CREATE")

        self._over_association(tell, MODALITY_PERFORMED_PROCEDURE_STEP)
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

        def tell(association: Association, is_again: bool) -> None:
            status, _ = association.send_n_set(change, MODALITY_PERFORMED_PROCEDURE_STEP, performed_step_uid)
            if not (is_again and status and status.get("ErrorID") == _MAY_NO_LONGER_BE_UPDATED):
                _expect_success(status, "N-SET")

        self._over_association(tell, MODALITY_PERFORMED_PROCEDURE_STEP)

    def store(self, images: Iterable[Dataset]) -> int:
        """Send *images* and return how many the bridge promised to keep. Raises: DeviceError."""
        waiting = deque(images)
        count = len(waiting)

        def send(association: Association, _: bool) -> None:
            while waiting:
                _expect_success(association.send_c_store(waiting[0]), "C-STORE")
                waiting.popleft()

        if waiting:
            self._over_association(send, *{image.SOPClassUID for image in waiting})
        return count

    def _over_association(self, deed: Callable[[Association, bool], _Result], *sop_classes: str) -> _Result:
        """Return what *deed* does over an association; it is told whether that is done again. Raises: DeviceError."""
        for tried in range(_TRIES):
            association = self._associate(*sop_classes)
            try:
                return deed(association, tried > 0)
            except NoAnswer:
                if tried == _TRIES - 1:
                    raise
            finally:
                association.release()
            time.sleep(_PAUSE_SECS)
        raise AssertionError("unreachable")

    def _associate(self, *sop_classes: str) -> Association:
        entity = AE(self.ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _ANSWER_SECS
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
        raise NoAnswer(f"{what}: no answer")
    if status.Status == _SUCCESS:
        return
    said = f"{what}: {status.Status:04X} {status.get('ErrorComment', '')}".strip()
    # A7xx, and 0110 to a device's report: out of resources, send it again.
    raise NoAnswer(said) if status.Status >> 8 == 0xA7 or status.Status == 0x0110 else DeviceError(said)
