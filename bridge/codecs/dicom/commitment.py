"""Storage commitment's data sets: what is asked to be kept, and what is reported of it. Source: PS3.4 J.3.2.1.1, J.3.3.1.1."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import Command, encode_command
from bridge.codecs.dicom.elements import IMPLICIT_LITTLE, ITEM, Element, Event, Limits, Walk, syntax_of
from bridge.domain.commitment import PROCESSING_FAILURE, Failure, Reference, Report, Request
from bridge.domain.identifiers import check_uid
from bridge.errors import BridgeError, Malformed

STORAGE_COMMITMENT_PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
# The one instance that every commitment is asked of. Source: PS3.4 J.3.5.
PUSH_MODEL_INSTANCE: Final = "1.2.840.10008.1.20.1.1"

_REFERENCED_CLASS = 0x00081150
_REFERENCED_INSTANCE = 0x00081155
_TRANSACTION_UID = 0x00081195
_FAILURE_REASON = 0x00081197
_FAILED_SEQUENCE = 0x00081198
_REFERENCED_SEQUENCE = 0x00081199
_WANTED = frozenset(
    {_REFERENCED_CLASS, _REFERENCED_INSTANCE, _TRANSACTION_UID, _FAILURE_REASON, _FAILED_SEQUENCE, _REFERENCED_SEQUENCE}
)
_SEQUENCES = (_REFERENCED_SEQUENCE, _FAILED_SEQUENCE)
_MOST_REFERENCES: Final = 50_000
_LIMITS = Limits(depth=4, items=_MOST_REFERENCES + 1, elements=8 * _MOST_REFERENCES)
_LONGEST_UID: Final = 64


@dataclass(slots=True)
class _Read:
    """A data set of this service. items: of either sequence, each tag to raw value; None where it is absent."""

    transaction_uid: str | None = None
    items: dict[int, list[dict[int, bytes]]] = field(default_factory=dict)


def read_request(data: bytes, transfer_syntax_uid: str) -> Request:
    """
    Return what an N-ACTION asks to be kept.

    Raises: Malformed, code "no_such_argument" where one is absent, "invalid_argument" where one is there and cannot be.
    """
    said = _read(data, transfer_syntax_uid)
    references = said.items.get(_REFERENCED_SEQUENCE)
    if said.transaction_uid is None:
        raise Malformed("no Transaction UID", code="no_such_argument", where="TransactionUID", source="PS3.4 J.3.2.1.1")
    if references is None:
        raise Malformed("no references", code="no_such_argument", where="ReferencedSOPSequence")
    if not references:
        raise Malformed("nothing is referenced", code="invalid_argument", where="ReferencedSOPSequence")
    return Request(_uid(said.transaction_uid, "TransactionUID"), tuple(_reference(one) for one in references))


def read_report(data: bytes, transfer_syntax_uid: str) -> Report:
    """Return what an N-EVENT-REPORT says is kept and is not. Raises: Malformed, as `read_request`."""
    said = _read(data, transfer_syntax_uid)
    if not said.transaction_uid:
        raise Malformed("no Transaction UID", code="no_such_argument", where="TransactionUID", source="PS3.4 J.3.3.1.1")
    return Report(
        said.transaction_uid,
        tuple(_named(one) for one in said.items.get(_REFERENCED_SEQUENCE, ())),
        tuple(Failure(_named(one), _reason(one)) for one in said.items.get(_FAILED_SEQUENCE, ())),
    )


def encode_request(request: Request, transfer_syntax_uid: str) -> bytes:
    """Return the Action Information of an N-ACTION, in one of the two little endian syntaxes."""
    writer = _Writer(implicit=transfer_syntax_uid == IMPLICIT_LITTLE)
    references = writer.references(request.references)
    return writer.uid(_TRANSACTION_UID, request.transaction_uid) + writer.sequence(_REFERENCED_SEQUENCE, references)


def encode_report(report: Report, transfer_syntax_uid: str) -> bytes:
    """Return the Event Information of an N-EVENT-REPORT, in one of the two little endian syntaxes."""
    writer = _Writer(implicit=transfer_syntax_uid == IMPLICIT_LITTLE)
    out = writer.uid(_TRANSACTION_UID, report.transaction_uid)
    if report.failed:
        items = (writer.reference(one.reference) + writer.number(_FAILURE_REASON, one.reason) for one in report.failed)
        out += writer.sequence(_FAILED_SEQUENCE, items)
    if report.committed:
        out += writer.sequence(_REFERENCED_SEQUENCE, writer.references(report.committed))
    return out


def request_command(message_id: int) -> bytes:
    """Return the command set of the N-ACTION-RQ that asks for commitment. Source: PS3.7 10.3.4."""
    return encode_command(
        {
            commands.REQUESTED_SOP_CLASS_UID: STORAGE_COMMITMENT_PUSH_MODEL,
            commands.COMMAND_FIELD: commands.N_ACTION_RQ,
            commands.MESSAGE_ID: message_id,
            commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
            commands.REQUESTED_SOP_INSTANCE_UID: PUSH_MODEL_INSTANCE,
            commands.ACTION_TYPE_ID: 1,
        }
    )


def report_command(message_id: int, event_type: int) -> bytes:
    """Return the command set of an N-EVENT-REPORT-RQ. Source: PS3.7 10.3.1."""
    return encode_command(
        {
            commands.AFFECTED_SOP_CLASS_UID: STORAGE_COMMITMENT_PUSH_MODEL,
            commands.COMMAND_FIELD: commands.N_EVENT_REPORT_RQ,
            commands.MESSAGE_ID: message_id,
            commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
            commands.AFFECTED_SOP_INSTANCE_UID: PUSH_MODEL_INSTANCE,
            commands.EVENT_TYPE_ID: event_type,
        }
    )


def report_answer(request: Command) -> bytes:
    """Return the command set of the N-EVENT-REPORT-RSP that says a report was heard. Source: PS3.7 10.3.1."""
    return encode_command(
        {
            commands.AFFECTED_SOP_CLASS_UID: STORAGE_COMMITMENT_PUSH_MODEL,
            commands.COMMAND_FIELD: commands.N_EVENT_REPORT_RQ | commands.RESPONSE,
            commands.MESSAGE_ID_BEING_RESPONDED_TO: request.message_id,
            commands.COMMAND_DATA_SET_TYPE: commands.NO_DATA_SET,
            commands.STATUS: 0,
            commands.AFFECTED_SOP_INSTANCE_UID: PUSH_MODEL_INSTANCE,
            commands.EVENT_TYPE_ID: request.number(commands.EVENT_TYPE_ID) or 1,
        }
    )


def _read(data: bytes, transfer_syntax_uid: str) -> _Read:
    said = _Read()
    walk = iter(Walk(data, 0, len(data), syntax_of(transfer_syntax_uid), _LIMITS, wanted=_WANTED))
    try:
        for element in walk:
            _take(said, element, walk, data)
    except Malformed as fault:
        raise Malformed(fault.detail, code="invalid_argument", source=fault.source) from None
    return said


def _take(said: _Read, element: Element, walk: Iterator[Element], data: bytes) -> None:
    """Take one element of the outermost data set in, a sequence with all its items."""
    if element.event is Event.SEQUENCE:
        found = _items(walk, data)
        if element.tag in _SEQUENCES:
            said.items.setdefault(element.tag, found)
    elif element.tag == _TRANSACTION_UID and element.event is Event.VALUE:
        said.transaction_uid = _text(_value(element, data))


def _items(walk: Iterator[Element], data: bytes) -> list[dict[int, bytes]]:
    """Read the items of a sequence of the outermost data set, up to its end; what is nested deeper is passed over."""
    items: list[dict[int, bytes]] = []
    for element in walk:
        if element.event is Event.SEQUENCE_END and element.depth == 0:
            break
        if element.event is Event.ITEM and element.depth == 1:
            items.append({})
        elif element.event is Event.VALUE and element.depth == 1 and items:
            items[-1][element.tag] = _value(element, data)
    return items


def _value(element: Element, data: bytes) -> bytes:
    return data[element.value_at : element.value_at + min(element.length, 2 * _LONGEST_UID)]


def _text(value: bytes) -> str:
    return value.strip(b" \0").decode("ascii", "replace")


def _reference(item: dict[int, bytes]) -> Reference:
    return Reference(
        _uid(_text(item.get(_REFERENCED_CLASS, b"")), "ReferencedSOPClassUID"),
        _uid(_text(item.get(_REFERENCED_INSTANCE, b"")), "ReferencedSOPInstanceUID"),
    )


def _named(item: dict[int, bytes]) -> Reference:
    """Read a reference as it is: one that names nothing we asked for is passed over later."""
    return Reference(_text(item.get(_REFERENCED_CLASS, b"")), _text(item.get(_REFERENCED_INSTANCE, b"")))


def _reason(item: dict[int, bytes]) -> int:
    value = item.get(_FAILURE_REASON, b"")
    return int.from_bytes(value, "little") if len(value) == 2 else PROCESSING_FAILURE


def _uid(text: str, where: str) -> str:
    try:
        return check_uid(text, where, tolerate_leading_zeros=True)
    except BridgeError as fault:
        raise Malformed(fault.detail, code="invalid_argument", where=where, source=fault.source) from None


class _Writer:
    """Writes the few elements of this service, little endian."""

    def __init__(self, *, implicit: bool) -> None:
        self._implicit = implicit

    def uid(self, tag: int, value: str) -> bytes:
        raw = value.encode("ascii")
        return self._element(tag, b"UI", raw + b"\0" * (len(raw) % 2))

    def number(self, tag: int, value: int) -> bytes:
        return self._element(tag, b"US", struct.pack("<H", value))

    def reference(self, one: Reference) -> bytes:
        return self.uid(_REFERENCED_CLASS, one.sop_class_uid) + self.uid(_REFERENCED_INSTANCE, one.sop_instance_uid)

    def references(self, many: Iterable[Reference]) -> Iterator[bytes]:
        return (self.reference(one) for one in many)

    def sequence(self, tag: int, items: Iterable[bytes]) -> bytes:
        body = b"".join(struct.pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, len(item)) + item for item in items)
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        return head + (b"" if self._implicit else b"SQ\0\0") + struct.pack("<L", len(body)) + body

    def _element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        length = struct.pack("<L", len(value)) if self._implicit else vr + struct.pack("<H", len(value))
        return head + length + value
