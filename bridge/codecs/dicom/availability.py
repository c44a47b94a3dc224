"""Instance Availability Notification: what can be retrieved of a study, and from whom. Source: PS3.4 Table R.3.2-1."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as DicomSequence

from bridge.domain.availability import Availability
from bridge.domain.study import Instance, StudyContents

INSTANCE_AVAILABILITY_NOTIFICATION: Final = "1.2.840.10008.5.1.4.33"
_PERFORMED_STEP: Final = "1.2.840.10008.3.1.2.3.3"


def notification(
    contents: StudyContents,
    performed_step_uids: Iterable[str],
    retrieve_ae_title: str,
    *,
    implicit: bool,
    online: Collection[int],
) -> bytes:
    """
    Return the attribute list that says what of a study is online at *retrieve_ae_title*; it names no patient.

    online: the keys of the instances that can be retrieved there; the others are unavailable.
    """
    said = Dataset()
    said.StudyInstanceUID = contents.study.study_instance_uid
    said.ReferencedPerformedProcedureStepSequence = DicomSequence(_step(uid) for uid in performed_step_uids)
    said.ReferencedSeriesSequence = DicomSequence()
    for series in contents.series:
        if not contents.instances[series.key]:
            continue
        item = Dataset()
        item.SeriesInstanceUID = series.series_instance_uid
        item.ReferencedSOPSequence = DicomSequence(
            _instance(one, retrieve_ae_title, is_online=one.key in online) for one in contents.instances[series.key]
        )
        said.ReferencedSeriesSequence.append(item)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, True
    write_dataset(buffer, said)
    return buffer.getvalue()


def _step(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = _PERFORMED_STEP, uid
    item.PerformedWorkitemCodeSequence = DicomSequence()
    return item


def _instance(one: Instance, retrieve_ae_title: str, *, is_online: bool) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
    item.InstanceAvailability = (Availability.ONLINE if is_online else Availability.UNAVAILABLE).value
    item.RetrieveAETitle = retrieve_ae_title
    return item
