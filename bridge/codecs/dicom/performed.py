"""Performed procedure steps: an N-CREATE or N-SET attribute list to what it says. Source: PS3.3 C.4.13-C.4.16."""

from __future__ import annotations

import json

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Limits
from bridge.codecs.dicom.tree import Node, read_tree, to_json
from bridge.domain.matching import normal_date, normal_time
from bridge.domain.performed import PerformedDraft, ScheduledReference
from bridge.errors import Malformed

_LIMITS = Limits(depth=16, items=100_000)
_PERFORMED_SERIES = 0x00400340
_REFERENCED_IMAGES = 0x00081140
_REFERENCED_NON_IMAGES = 0x00400220
_SCHEDULED_STEP_ATTRIBUTES = 0x00400270
_DISCONTINUATION_REASON = 0x00400281


def read_performed(
    attributes: bytes, transfer_syntax_uid: str, *, default_charset: CharacterSet = charset.LATIN_1
) -> PerformedDraft:
    """
    Return what the attribute list of an N-CREATE or N-SET says.

    Raises: Malformed, if it cannot be read. Source: PS3.4 Table F.7.2-1.
    """
    root = read_tree(attributes, transfer_syntax_uid, _LIMITS, default_charset=default_charset)
    reasons = root.items_of(_DISCONTINUATION_REASON)
    return PerformedDraft(
        status=root.text(0x00400252).upper(),
        scheduled=tuple(_scheduled(item) for item in root.items_of(_SCHEDULED_STEP_ATTRIBUTES)),
        patient_id=root.text(0x00100020),
        issuer_of_patient_id=root.text(0x00100021),
        performed_procedure_step_id=root.text(0x00400253),
        performed_station_ae_title=root.text(0x00400241),
        modality=root.text(0x00080060),
        started_local=_local(root, 0x00400244, 0x00400245),
        ended_local=_local(root, 0x00400250, 0x00400251),
        discontinuation_code=reasons[0].text(0x00080100) if reasons else "",
        referenced_instances=_referenced(root) if _PERFORMED_SERIES in root else None,
        attributes=json.dumps(to_json(root), ensure_ascii=False, allow_nan=False, separators=(",", ":")),
    )


def performed_from(dataset: Dataset) -> PerformedDraft:
    """
    Return what an attribute list says that pydicom has read already; see `read_performed`, which needs no detour.

    Raises: Malformed, if its values cannot be written back, as with a character set that is none.
    """
    implicit = dataset.original_encoding[0] is True
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    try:
        write_dataset(buffer, dataset)
    except (LookupError, UnicodeError, AttributeError, TypeError, ValueError):
        raise Malformed("an attribute list that cannot be read", code="bad_attribute_list") from None
    return read_performed(buffer.getvalue(), IMPLICIT_LITTLE if implicit else EXPLICIT_LITTLE)


def _scheduled(item: Node) -> ScheduledReference:
    return ScheduledReference(
        study_instance_uid=item.text(0x0020000D),
        accession_number=item.text(0x00080050),
        requested_procedure_id=item.text(0x00401001),
        scheduled_procedure_step_id=item.text(0x00400009),
    )


def _local(root: Node, date_tag: int, time_tag: int) -> str:
    """Return date and time joined, as the device's clock says; "" without a date."""
    day = normal_date(root.text(date_tag))
    return day + (normal_time(root.text(time_tag))[:6] or "000000") if day else ""


def _referenced(root: Node) -> tuple[str, ...]:
    """Return every referenced SOP Instance UID once, in order."""
    uids = [
        reference.text(0x00081155)
        for series in root.items_of(_PERFORMED_SERIES)
        for sequence in (_REFERENCED_IMAGES, _REFERENCED_NON_IMAGES)
        for reference in series.items_of(sequence)
    ]
    return tuple(dict.fromkeys(uid for uid in uids if uid))
