"""Performed procedure steps: an N-CREATE or N-SET attribute list to what it says. Source: PS3.3 C.4.13-C.4.16."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Limits
from bridge.codecs.dicom.tree import Node, read_tree, to_json
from bridge.domain.identifiers import check_ae_title, check_uid
from bridge.domain.matching import normal_date, normal_time
from bridge.domain.performed import AttributeList, PerformedDraft, ScheduledReference
from bridge.errors import BridgeError, Malformed

_LIMITS = Limits(depth=16, items=100_000)
_STATUS = 0x00400252
_PERFORMED_SERIES = 0x00400340
_REFERENCED_IMAGES = 0x00081140
_REFERENCED_NON_IMAGES = 0x00400220
_SCHEDULED_STEP_ATTRIBUTES = 0x00400270
_STUDY_INSTANCE_UID = 0x0020000D
_DISCONTINUATION_REASON = 0x00400281
_STATION_AE_TITLE = 0x00400241
_MODALITY = 0x00080060
_START_DATE, _START_TIME, _END_DATE, _END_TIME = 0x00400244, 0x00400245, 0x00400250, 0x00400251

# Attributes that an N-CREATE must bring with a value. Source: PS3.4 Table F.7.2-1 (type 1).
_REQUIRED: Final = {
    _SCHEDULED_STEP_ATTRIBUTES: "ScheduledStepAttributesSequence",
    _MODALITY: "Modality",
    _STATION_AE_TITLE: "PerformedStationAETitle",
    _START_DATE: "PerformedProcedureStepStartDate",
    _START_TIME: "PerformedProcedureStepStartTime",
    _STATUS: "PerformedProcedureStepStatus",
    0x00400253: "PerformedProcedureStepID",
}
# Attributes that an N-SET may not change. Source: PS3.4 Table F.7.2-1 ("not allowed").
FIXED: Final = {
    0x00081120: "ReferencedPatientSequence",
    _MODALITY: "Modality",
    0x00100010: "PatientName",
    0x00100020: "PatientID",
    0x00100021: "IssuerOfPatientID",
    0x00100024: "IssuerOfPatientIDQualifiersSequence",
    0x00100030: "PatientBirthDate",
    0x00100040: "PatientSex",
    0x00200010: "StudyID",
    0x00380010: "AdmissionID",
    0x00380014: "IssuerOfAdmissionIDSequence",
    0x00380060: "ServiceEpisodeID",
    _STATION_AE_TITLE: "PerformedStationAETitle",
    0x00400242: "PerformedStationName",
    0x00400243: "PerformedLocation",
    _START_DATE: "PerformedProcedureStepStartDate",
    _START_TIME: "PerformedProcedureStepStartTime",
    0x00400253: "PerformedProcedureStepID",
    _SCHEDULED_STEP_ATTRIBUTES: "ScheduledStepAttributesSequence",
}
_DATES: Final = {
    _START_DATE: "PerformedProcedureStepStartDate",
    _END_DATE: "PerformedProcedureStepEndDate",
}
_TIMES: Final = {
    _START_TIME: "PerformedProcedureStepStartTime",
    _END_TIME: "PerformedProcedureStepEndTime",
}
_DECIMALS: Final = {0x0018115E: "ImageAndFluoroscopyAreaDoseProduct", 0x00181110: "DistanceSourceToDetector"}


def read_performed(received: AttributeList, *, default_charset: CharacterSet = charset.LATIN_1) -> PerformedDraft:
    """
    Return what the attribute list of an N-CREATE or N-SET says.

    Raises: Malformed, if it cannot be read. Source: PS3.4 Table F.7.2-1.
    """
    return _draft(read_attributes(received, default_charset=default_charset))


def after_set(stands: Mapping[str, Any], said: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """
    Return what an N-SET changes, both as DICOM JSON, and the keywords of the fixed attributes that it tried to change.

    A fixed attribute that is said again as it stands is no attempt. Source: PS3.4 Table F.7.2-1 ("not allowed").
    """
    fixed = {f"{tag:08X}": keyword for tag, keyword in FIXED.items()}
    tried = [keyword for tag, keyword in fixed.items() if tag in said and said[tag] != stands.get(tag)]
    return {tag: value for tag, value in said.items() if tag not in fixed}, tuple(tried)


def read_attributes(received: AttributeList, *, default_charset: CharacterSet = charset.LATIN_1) -> Node:
    """
    Return an attribute list as a tree.

    A device that writes in another value representation than it agreed to is read in the one it wrote.
    Raises: Malformed, if it cannot be read.
    """
    agreed = received.transfer_syntax_uid
    other = EXPLICIT_LITTLE if agreed == IMPLICIT_LITTLE else IMPLICIT_LITTLE
    try:
        return read_tree(received.data, agreed, _LIMITS, default_charset=default_charset)
    except Malformed as fault:
        otherwise = _read_otherwise(received.data, other, default_charset)
        if otherwise is None:
            raise fault from None
        return otherwise


def _read_otherwise(data: bytes, syntax: str, default_charset: CharacterSet) -> Node | None:
    try:
        root = read_tree(data, syntax, _LIMITS, default_charset=default_charset)
    except Malformed:
        return None
    return root if _STATUS in root or _PERFORMED_SERIES in root else None


def _draft(root: Node) -> PerformedDraft:
    reasons = root.items_of(_DISCONTINUATION_REASON)
    absent, empty = _lacking(root)
    return PerformedDraft(
        status=root.text(_STATUS).upper(),
        scheduled=tuple(_scheduled(item) for item in root.items_of(_SCHEDULED_STEP_ATTRIBUTES)),
        patient_id=root.text(0x00100020),
        issuer_of_patient_id=root.text(0x00100021),
        performed_procedure_step_id=root.text(0x00400253),
        performed_station_ae_title=root.text(_STATION_AE_TITLE),
        modality=root.text(_MODALITY),
        started_local=_local(root, _START_DATE, _START_TIME),
        ended_local=_local(root, _END_DATE, _END_TIME),
        discontinuation_code=reasons[0].text(0x00080100) if reasons else "",
        discontinuation_meaning=reasons[0].text(0x00080104) if reasons else "",
        referenced_instances=_referenced(root) if _PERFORMED_SERIES in root else None,
        absent=absent,
        empty=empty,
        fixed=tuple(keyword for tag, keyword in FIXED.items() if tag in root),
        out_of_range=tuple(_out_of_range(root)),
        attributes=json.dumps(to_json(root), ensure_ascii=False, allow_nan=False, separators=(",", ":")),
    )


def _lacking(root: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what an N-CREATE should bring and does not, and what it brings without a value."""
    absent = [keyword for tag, keyword in _REQUIRED.items() if tag not in root]
    empty = [keyword for tag, keyword in _REQUIRED.items() if tag in root and not _has_value(root, tag)]
    items = root.items_of(_SCHEDULED_STEP_ATTRIBUTES)
    if any(_STUDY_INSTANCE_UID not in item for item in items):
        absent.append("StudyInstanceUID")
    elif any(not item.text(_STUDY_INSTANCE_UID) for item in items):
        empty.append("StudyInstanceUID")
    return tuple(absent), tuple(empty)


def _has_value(root: Node, tag: int) -> bool:
    return bool(root.items_of(tag)) if root[tag].items is not None else bool(root.text(tag))


def _out_of_range(root: Node) -> Iterator[str]:
    """Yield the attributes whose value is none of their kind; an empty value is of every kind."""
    yield from (keyword for tag, keyword in _DATES.items() if root.text(tag) and not normal_date(root.text(tag)))
    yield from (keyword for tag, keyword in _TIMES.items() if root.text(tag) and not normal_time(root.text(tag)))
    yield from (keyword for tag, keyword in _DECIMALS.items() if root.text(tag) and not _is_number(root.text(tag)))
    if root.text(_STATION_AE_TITLE) and not _passes(check_ae_title, root.text(_STATION_AE_TITLE)):
        yield "PerformedStationAETitle"
    if len(root.text(_MODALITY)) > 16:
        yield "Modality"
    uids = [item.text(_STUDY_INSTANCE_UID) for item in root.items_of(_SCHEDULED_STEP_ATTRIBUTES)]
    if any(uid and not _passes(_check_any_uid, uid) for uid in uids):
        yield "ScheduledStepAttributesSequence"


def _check_any_uid(value: str, where: str) -> str:
    return check_uid(value, where, tolerate_leading_zeros=True)


def _passes(check: Callable[[str, str], str], value: str) -> bool:
    try:
        check(value, "")
    except BridgeError:
        return False
    return True


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


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
