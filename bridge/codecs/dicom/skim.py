"""The plain case of reading a header: its elements in order, out of an object's first bytes in memory.

Whatever is out of the ordinary is left to the careful walk, which names it; what both read is equal. Source: PS3.5 7.1.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.codecs.dicom.elements import (
    LONG_LENGTH_VRS,
    NATIVE,
    PIXEL_DATA,
    PIXEL_DATA_ELEMENTS,
    SHORT_LENGTH_VRS,
    UNDEFINED,
    Element,
    Event,
    Syntax,
    Walk,
    syntax_of,
    vr_of,
)
from bridge.errors import Malformed

Items = list[dict[int, bytes]]

_SHORT = frozenset(vr.encode() for vr in SHORT_LENGTH_VRS)
_LONG = frozenset(vr.encode() for vr in LONG_LENGTH_VRS - {"SQ"})
_SIGNATURES = 0xFFFAFFFA
_SHORT_HEAD = struct.Struct("<HH2sH")
_IMPLICIT_HEAD = struct.Struct("<HHL")
_LENGTH = struct.Struct("<L")


class _UnusualError(Exception):
    """Something that the careful walk must look at."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a Part 10 file of *size_bytes*, at hand from when it was written."""

    data: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What is to be kept. values: tags of the root; sequences: tags of the root to the tags in their items.

    value_bytes: no longer value, items: no more items of a sequence are kept.
    """

    values: frozenset[int]
    sequences: Mapping[int, frozenset[int]]
    value_bytes: int
    items: int


@dataclass(slots=True)
class Skimmed:
    """
    The values that were wanted, of the root and of the wanted sequences' items.

    pixel_bytes: the length of native pixel data, None without any. is_signed: digital signatures follow.
    """

    values: dict[int, bytes] = field(default_factory=dict)
    items: dict[int, Items] = field(default_factory=dict)
    pixel_bytes: int | None = None
    is_signed: bool = False


def skim(head: Head, dataset_at: int, transfer_syntax_uid: str, wanted: Wanted) -> Skimmed | None:
    """
    Return what is wanted of the data set at *dataset_at*, None if that takes the careful walk.

    That the last element ends with the file is checked, pixels are not looked at.
    """
    syntax = syntax_of(transfer_syntax_uid)
    if syntax.big_endian or syntax.deflated:
        return None
    skimming = _Skimming(head, syntax, wanted, has_native_pixels=transfer_syntax_uid in NATIVE)
    try:
        if syntax.implicit:
            skimming.implicit(dataset_at)
        else:
            skimming.explicit(dataset_at)
    except (_UnusualError, Malformed, struct.error):
        return None
    return skimming.found


class _Skimming:
    """One pass. Raises: _UnusualError; struct.error, where the head ends too early."""

    def __init__(self, head: Head, syntax: Syntax, wanted: Wanted, *, has_native_pixels: bool) -> None:
        self.found = Skimmed()
        self._head = head.data
        self._size_bytes = head.size_bytes
        self._syntax = syntax
        self._wanted = wanted
        self._has_native_pixels = has_native_pixels

    def explicit(self, at: int) -> None:
        unpack, head, size, values = _SHORT_HEAD.unpack_from, self._head, self._size_bytes, self._wanted.values
        last = 0
        while at < size:
            group, number, code, length = unpack(head, at)
            tag = group << 16 | number
            if tag <= last or group == 0xFFFE:
                raise _UnusualError
            last = tag
            if code in _SHORT:
                value_at = at + 8
            elif code == b"SQ":
                at = self._sequence(tag, at)
                continue
            else:
                value_at, length = at + 12, self._long_length(tag, code, at)
            at = value_at + length
            if tag in values:
                self._keep(tag, value_at, at)
            elif tag in PIXEL_DATA_ELEMENTS:
                if not self._has_native_pixels:
                    raise _UnusualError
                self.found.pixel_bytes = length
        if at != size:
            raise _UnusualError

    def implicit(self, at: int) -> None:
        unpack, head, size, values = _IMPLICIT_HEAD.unpack_from, self._head, self._size_bytes, self._wanted.values
        last = 0
        while at < size:
            group, number, length = unpack(head, at)
            tag = group << 16 | number
            if tag <= last or group == 0xFFFE:
                raise _UnusualError
            last = tag
            if vr_of(tag) == "SQ":
                at = self._sequence(tag, at)
                continue
            if length == UNDEFINED:
                raise _UnusualError
            value_at = at + 8
            at = value_at + length
            if tag in values:
                self._keep(tag, value_at, at)
            elif tag in PIXEL_DATA_ELEMENTS:
                self.found.pixel_bytes = length
        if at != size:
            raise _UnusualError

    def _long_length(self, tag: int, code: bytes, at: int) -> int:
        length = int(_LENGTH.unpack_from(self._head, at + 8)[0])
        if code not in _LONG or length == UNDEFINED or (code == b"UN" and vr_of(tag) == "SQ"):
            raise _UnusualError
        return length

    def _keep(self, tag: int, value_at: int, end: int) -> None:
        if end > len(self._head) or end - value_at > self._wanted.value_bytes:
            raise _UnusualError
        self.found.values[tag] = self._head[value_at:end]

    def _sequence(self, tag: int, at: int) -> int:
        """Check a sequence as the careful walk does, keep what is wanted of it and return where it ends."""
        nested = self._wanted.sequences.get(tag)
        if tag in self._wanted.values or tag == PIXEL_DATA:
            raise _UnusualError
        if nested is not None:
            self.found.items[tag] = []
        self.found.is_signed |= tag == _SIGNATURES
        walk = Walk(self._head, at, self._size_bytes, self._syntax, wanted=nested or frozenset())
        for element in walk:
            if element.depth == 0 and element.event is Event.SEQUENCE_END and not walk.faults:
                return element.value_at
            if element.depth == 0 and element.event is not Event.SEQUENCE:
                raise _UnusualError
            if nested is not None and element.depth == 1:
                self._keep_nested(self.found.items[tag], element, nested)
        raise _UnusualError

    def _keep_nested(self, items: Items, element: Element, wanted: frozenset[int]) -> None:
        if element.event is Event.ITEM:
            if len(items) == self._wanted.items:
                raise _UnusualError
            items.append({})
        elif element.event is Event.VALUE and element.tag in wanted:
            end = element.value_at + element.length
            if element.tag in items[-1] or element.length > self._wanted.value_bytes or end > len(self._head):
                raise _UnusualError
            items[-1][element.tag] = self._head[element.value_at : end]
