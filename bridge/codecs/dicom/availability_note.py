"""A peer's Instance Availability Notification, its attribute list to what it says. Source: PS3.4 Table R.3.2-1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.codecs.dicom.elements import Limits
from bridge.codecs.dicom.tree import Node, read_tree
from bridge.domain.availability import Availability, AvailabilityNote, InstanceSaid
from bridge.domain.identifiers import check_ae_title, check_uid
from bridge.errors import BridgeError, Incomplete, Malformed

_LIMITS = Limits(depth=6, items=60_000, elements=500_000)
_SOURCE: Final = "PS3.4 Table R.3.2-1"
_LONGEST_URL: Final = 2000

_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E
_PERFORMED_STEPS = 0x00081111
_REFERENCED_SERIES = 0x00081115
_REFERENCED_SOPS = 0x00081199
_SOP_CLASS_UID = 0x00081150
_SOP_INSTANCE_UID = 0x00081155
_WORKITEM_CODES = 0x00404019
_AVAILABILITY = 0x00080056
_RETRIEVE_AE_TITLE = 0x00080054
_RETRIEVE_URL = 0x00081190
_RETRIEVE_URI = 0x0040E010

_KEYWORDS: Final = {
    _STUDY_INSTANCE_UID: "StudyInstanceUID",
    _SERIES_INSTANCE_UID: "SeriesInstanceUID",
    _PERFORMED_STEPS: "ReferencedPerformedProcedureStepSequence",
    _REFERENCED_SERIES: "ReferencedSeriesSequence",
    _REFERENCED_SOPS: "ReferencedSOPSequence",
    _SOP_CLASS_UID: "ReferencedSOPClassUID",
    _SOP_INSTANCE_UID: "ReferencedSOPInstanceUID",
    _WORKITEM_CODES: "PerformedWorkitemCodeSequence",
    _AVAILABILITY: "InstanceAvailability",
    _RETRIEVE_AE_TITLE: "RetrieveAETitle",
    _RETRIEVE_URL: "RetrieveURL",
    _RETRIEVE_URI: "RetrieveURI",
}


def read_note(data: bytes, transfer_syntax_uid: str) -> AvailabilityNote:
    """
    Return what an N-CREATE's attribute list says; of an instance that stands in it twice, the last counts.

    Raises: Incomplete, code "missing_attribute" or "empty_value", where the table requires what is not there; Malformed,
    for a value that cannot be. Source: PS3.4 Table R.3.2-1.
    """
    root = read_tree(data, transfer_syntax_uid, _LIMITS)
    study = _uid(root, _STUDY_INSTANCE_UID)
    _check_performed_steps(root)
    said: dict[str, InstanceSaid] = {}
    for series in _items(root, _REFERENCED_SERIES):
        _uid(series, _SERIES_INSTANCE_UID)
        for item in _items(series, _REFERENCED_SOPS):
            one = _instance(item)
            said[one.sop_instance_uid] = one
    return AvailabilityNote(study, tuple(said.values()))


def _check_performed_steps(root: Node) -> None:
    _require(root, _PERFORMED_STEPS)
    for step in root.items_of(_PERFORMED_STEPS):
        _uid(step, _SOP_CLASS_UID)
        _uid(step, _SOP_INSTANCE_UID)
        _require(step, _WORKITEM_CODES)


def _instance(item: Node) -> InstanceSaid:
    _uid(item, _SOP_CLASS_UID)
    uid, availability = _uid(item, _SOP_INSTANCE_UID), _text(item, _AVAILABILITY)
    if availability not in set(Availability):
        raise Malformed("not an Instance Availability", where=_KEYWORDS[_AVAILABILITY], source="PS3.3 C.4.23.1.1")
    title = _text(item, _RETRIEVE_AE_TITLE)
    checked = _checked(lambda: check_ae_title(title, _KEYWORDS[_RETRIEVE_AE_TITLE]))
    return InstanceSaid(uid, Availability(availability), checked, _url(item))


def _url(item: Node) -> str:
    tag = _RETRIEVE_URL if item.text(_RETRIEVE_URL) else _RETRIEVE_URI
    url = item.text(tag)
    if len(url) > _LONGEST_URL or any(not 0x20 < ord(char) < 0x7F for char in url):
        raise Malformed("not a URL", where=_KEYWORDS[tag], source=_SOURCE)
    return url


def _uid(node: Node, tag: int) -> str:
    value = _text(node, tag)
    return _checked(lambda: check_uid(value, _KEYWORDS[tag], tolerate_leading_zeros=True))


def _checked(check: Callable[[], str]) -> str:
    try:
        return check()
    except BridgeError as fault:
        raise Malformed(fault.detail, where=fault.where, source=fault.source) from None


def _items(node: Node, tag: int) -> tuple[Node, ...]:
    _require(node, tag)
    items = node.items_of(tag)
    if not items:
        raise _empty(tag)
    return items


def _text(node: Node, tag: int) -> str:
    _require(node, tag)
    value = node.text(tag)
    if not value:
        raise _empty(tag)
    return value


def _require(node: Node, tag: int) -> None:
    if tag not in node:
        keyword = _KEYWORDS[tag]
        raise Incomplete(f"no {keyword}", code="missing_attribute", where=keyword, source=_SOURCE)


def _empty(tag: int) -> Incomplete:
    keyword = _KEYWORDS[tag]
    return Incomplete(f"{keyword} is empty", code="empty_value", where=keyword, source=_SOURCE)
