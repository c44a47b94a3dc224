"""DIMSE command sets and the P-DATA that carries them, by struct. Source: PS3.7 6.3, 9.3, 10.3, E; PS3.8 9.3.5, E.

A command set is a handful of elements of known types; building each as a pydicom data set costs more than storing a
small image does, once for every request and every answer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.errors import Malformed

AFFECTED_SOP_CLASS_UID: Final = 0x0002
REQUESTED_SOP_CLASS_UID: Final = 0x0003
COMMAND_FIELD: Final = 0x0100
MESSAGE_ID: Final = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO: Final = 0x0120
MOVE_DESTINATION: Final = 0x0600
PRIORITY: Final = 0x0700
COMMAND_DATA_SET_TYPE: Final = 0x0800
STATUS: Final = 0x0900
OFFENDING_ELEMENT: Final = 0x0901
ERROR_COMMENT: Final = 0x0902
ERROR_ID: Final = 0x0903
ATTRIBUTE_IDENTIFIER_LIST: Final = 0x1005
AFFECTED_SOP_INSTANCE_UID: Final = 0x1000
REQUESTED_SOP_INSTANCE_UID: Final = 0x1001
EVENT_TYPE_ID: Final = 0x1002
ACTION_TYPE_ID: Final = 0x1008
REMAINING_SUBOPERATIONS: Final = 0x1020
COMPLETED_SUBOPERATIONS: Final = 0x1021
FAILED_SUBOPERATIONS: Final = 0x1022
WARNING_SUBOPERATIONS: Final = 0x1023
MOVE_ORIGINATOR_AE_TITLE: Final = 0x1030
MOVE_ORIGINATOR_MESSAGE_ID: Final = 0x1031

C_STORE_RQ: Final = 0x0001
C_GET_RQ: Final = 0x0010
C_FIND_RQ: Final = 0x0020
C_MOVE_RQ: Final = 0x0021
C_ECHO_RQ: Final = 0x0030
N_EVENT_REPORT_RQ: Final = 0x0100
N_GET_RQ: Final = 0x0110
N_SET_RQ: Final = 0x0120
N_ACTION_RQ: Final = 0x0130
N_CREATE_RQ: Final = 0x0140
C_CANCEL_RQ: Final = 0x0FFF
RESPONSE: Final = 0x8000

NO_DATA_SET: Final = 0x0101
HAS_DATA_SET: Final = 0x0001

# Control bits of a presentation data value. Source: PS3.8 E.2.
IS_COMMAND: Final = 1
IS_LAST: Final = 2

PDU_HEADER_BYTES: Final = 6
# Length, context and control of a presentation data value inside its PDU.
PDV_HEADER_BYTES: Final = 6
_P_DATA_TF: Final = 4

_UIDS = frozenset(
    {AFFECTED_SOP_CLASS_UID, REQUESTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, REQUESTED_SOP_INSTANCE_UID}
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command set: element number of group 0000 to its raw value."""

    values: Mapping[int, bytes] = field(repr=False)

    def number(self, element: int) -> int | None:
        """Return a US value, None if absent or not one."""
        value = self.values.get(element, b"")
        return int.from_bytes(value, "little") if len(value) == 2 else None

    def text(self, element: int) -> str:
        """Return a UI or AE value without padding, "" if absent. Bytes beyond ASCII become "?": never a valid UID."""
        return self.values.get(element, b"").rstrip(b"\0 ").decode("ascii", "replace").replace("�", "?")

    def tags(self, element: int) -> tuple[int, ...] | None:
        """Return an AT value as tags (group << 16 | element), () if absent or empty, None if it is not one."""
        value = self.values.get(element, b"")
        if len(value) % 4:
            return None
        pairs = struct.unpack(f"<{len(value) // 2}H", value)
        return tuple(group << 16 | number for group, number in zip(pairs[::2], pairs[1::2], strict=True))

    @property
    def command_field(self) -> int:
        return self.number(COMMAND_FIELD) or 0

    @property
    def is_response(self) -> bool:
        return bool(self.command_field & RESPONSE)

    @property
    def message_id(self) -> int:
        return self.number(MESSAGE_ID) or 0

    @property
    def has_data_set(self) -> bool:
        return self.number(COMMAND_DATA_SET_TYPE) != NO_DATA_SET


def parse_command(data: bytes | bytearray | memoryview) -> Command:
    """
    Read one command set.

    Raises: Malformed, if lengths, groups or order are wrong, or command field or data set type are missing.
    Source: PS3.7 6.3.1 (implicit VR little endian, ascending tags).
    """
    values: dict[int, bytes] = {}
    at, end, last = 0, len(data), -1
    while at < end:
        if at + 8 > end:
            raise Malformed("the command set ends inside an element", source="PS3.7 6.3.1")
        group, element, length = struct.unpack_from("<HHL", data, at)
        at += 8
        if group != 0 or element <= last or length > end - at:
            raise Malformed("not a command set", source="PS3.7 6.3.1")
        values[element] = bytes(data[at : at + length])
        at, last = at + length, element
    command = Command(values)
    if command.number(COMMAND_FIELD) is None or command.number(COMMAND_DATA_SET_TYPE) is None:
        raise Malformed("the command set lacks its field or data set type", source="PS3.7 E.1")
    return command


def encode_tags(tags: Iterable[int]) -> bytes:
    """Return tags (group << 16 | element) as an AT value. Source: PS3.5 6.2."""
    return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)


def encode_command(values: Mapping[int, int | str | bytes]) -> bytes:
    """
    Return a command set with its group length. Numbers become US, UIDs are padded with NUL, other text with a space.

    Bytes stand as they are.

    Source: PS3.7 6.3.1, E.1.
    """
    parts = []
    for element in sorted(values):
        value = values[element]
        if isinstance(value, int):
            raw = struct.pack("<H", value)
        elif isinstance(value, bytes):
            raw = value
        else:
            raw = value.encode("ascii", "replace")
            if len(raw) % 2:
                raw += b"\0" if element in _UIDS else b" "
        parts.append(struct.pack("<HHL", 0, element, len(raw)) + raw)
    body = b"".join(parts)
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def values_of(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """
    Yield (context id, control bits, fragment) for each presentation data value of a P-DATA-TF.

    body: the PDU behind its header. The fragments are views of *body*.
    Raises: Malformed, if a length is wrong or there is none. Source: PS3.8 9.3.5.1.
    """
    at, end = 0, len(body)
    if not end:
        raise Malformed("a P-DATA-TF without a value", source="PS3.8 9.3.5")
    while at < end:
        if at + PDV_HEADER_BYTES > end:
            raise Malformed("a presentation data value is cut off", source="PS3.8 9.3.5.1")
        length, context_id, control = struct.unpack_from(">LBB", body, at)
        if length < 2 or at + 4 + length > end:
            raise Malformed("a presentation data value has a wrong length", source="PS3.8 9.3.5.1")
        yield context_id, control, body[at + PDV_HEADER_BYTES : at + 4 + length]
        at += 4 + length


def p_data_header(context_id: int, control: int, length: int) -> bytes:
    """Return the bytes before a fragment of *length* bytes that travels alone in its P-DATA-TF. Source: PS3.8 9.3.5."""
    return struct.pack(">BBLLBB", _P_DATA_TF, 0, length + PDV_HEADER_BYTES, length + 2, context_id, control)


def message(context_id: int, command: bytes, data_set: bytes | None, fragment_bytes: int) -> bytes:
    """
    Return one DIMSE message as P-DATA-TFs, ready for one send.

    fragment_bytes: the largest fragment the receiver takes (its maximum length without the value's header).
    """
    out = list(_fragments(context_id, IS_COMMAND, command, fragment_bytes))
    if data_set is not None:
        out.extend(_fragments(context_id, 0, data_set, fragment_bytes))
    return b"".join(out)


def _fragments(context_id: int, kind: int, data: bytes, fragment_bytes: int) -> Iterator[bytes]:
    for at in range(0, max(len(data), 1), fragment_bytes):
        part = data[at : at + fragment_bytes]
        last = IS_LAST if at + fragment_bytes >= len(data) else 0
        yield p_data_header(context_id, kind | last, len(part))
        yield part
