"""Raw data elements: one walk that checks structure and never decodes a value. Source: PS3.5 7.1, 7.5, A.4."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from bridge.errors import Malformed

Buffer = bytes | mmap.mmap

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"

# Pixels lie there as they are; every other transfer syntax wraps them in fragments (PS3.5 A.4).
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_LITTLE})

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
# NULs, a line's end, or the end of a text file in DOS.
_PADDING = b"\0\r\n\x1a"
PIXEL_DATA_ELEMENTS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})

_SHORT = tuple("AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())  # noqa: SIM905
_LONG = tuple("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # noqa: SIM905
_VRS = {vr.encode(): (vr, False) for vr in _SHORT} | {vr.encode(): (vr, True) for vr in _LONG}
SHORT_LENGTH_VRS = frozenset(_SHORT)
LONG_LENGTH_VRS = frozenset(_LONG)
_PLAIN = frozenset(vr.encode() for vr in _SHORT)


class Event(IntEnum):
    """What the walk has come to. An ITEM of encapsulated pixel data (depth's parent vr is OB or OW) is a FRAGMENT."""

    VALUE = 0
    SEQUENCE = 1
    ITEM = 2
    ITEM_END = 3
    SEQUENCE_END = 4
    FRAGMENT = 5


class Element(NamedTuple):
    """
    One event of the walk.

    at: offset of its tag. value_at: offset of its value. length: as declared, UNDEFINED if so; of an end event 0.
    vr: as sent, from the dictionary in implicit VR, "" if that has none. depth: open sequences around it. implicit: how
    it is written, which inside a sequence of VR UN differs from the transfer syntax.
    """

    event: Event
    tag: int
    vr: str
    at: int
    value_at: int
    length: int
    depth: int
    implicit: bool


class Syntax(NamedTuple):
    """How a transfer syntax writes elements. Whatever is not one of the four below is explicit little endian (PS3.5 A.4)."""

    implicit: bool = False
    big_endian: bool = False
    deflated: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one walk: open sequences, items in all of them together, and elements."""

    depth: int = 64
    items: int = 500_000
    elements: int = 4_000_000


def syntax_of(transfer_syntax_uid: str) -> Syntax:
    """Return how *transfer_syntax_uid* writes its elements."""
    return Syntax(
        implicit=transfer_syntax_uid == IMPLICIT_LITTLE,
        big_endian=transfer_syntax_uid == EXPLICIT_BIG,
        deflated=transfer_syntax_uid == DEFLATED_LITTLE,
    )


@lru_cache(maxsize=8192)
def vr_of(tag: int) -> str:
    """Return the dictionary's VR of *tag*, the first where it names several, "" for an unknown or private one."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag & 0x10000:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else ""
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return ""


class _Frame(NamedTuple):
    """An open data set (root or item), sequence or run of fragments. end: offset, None while its length is undefined."""

    is_dataset: bool
    is_fragments: bool
    tag: int
    end: int | None
    limit: int
    implicit: bool


class Walk:
    """
    The elements of *data* from *start* to *end*, in order, nested ones where they stand.

    wanted: which values are worth an event; of all others only the length is checked. None: all of them are.
    faults: what was let through, complete once the walk has ended. ended_at: where the data set ended.
    Raises while walking: Malformed, code "truncated", "garbage", "too_deep", "too_many_items", "too_many_elements" or
    "bad_sequence".
    """

    def __init__(
        self,
        data: Buffer,
        start: int,
        end: int,
        syntax: Syntax,
        limits: Limits | None = None,
        *,
        wanted: frozenset[int] | None = None,
    ) -> None:
        self.faults: set[str] = set()
        self.ended_at = end
        self._data = data
        self._limits = limits or Limits()
        self._wanted = wanted
        self._items = self._elements = self._depth = self._last_root_tag = 0
        order = ">" if syntax.big_endian else "<"
        self._explicit = struct.Struct(order + "HH2sH")
        self._implicit = struct.Struct(order + "HHL")
        self._long = struct.Struct(order + "L")
        self._big_endian = syntax.big_endian
        self._start = start
        self._stack = [_Frame(True, False, 0, end, end, syntax.implicit)]

    def __iter__(self) -> Iterator[Element]:
        at, stack = self._start, self._stack
        while True:
            frame = stack[-1]
            if frame.is_dataset and self._wanted is not None:
                at = self._skip(at, frame, self._wanted)
            if at == frame.end:
                if len(stack) == 1:
                    return
                yield self._close(at, at)
                continue
            if len(stack) == 1 and self._only_padding_left(at, frame.limit):
                return
            element = self._element(at, frame) if frame.is_dataset else self._item(at, frame)
            yield element
            at = element.value_at
            if element.event is Event.VALUE or element.event is Event.FRAGMENT:
                at += element.length

    def _skip(self, at: int, frame: _Frame, wanted: frozenset[int]) -> int:
        """Return the offset of the next element that is wanted or needs a closer look: most need neither."""
        is_root = len(self._stack) == 1
        skip = self._skip_implicit if frame.implicit else self._skip_explicit
        at, last, count = skip(at, frame.limit, self._last_root_tag if is_root else 0, wanted)
        if count:
            self._count(count)
        if is_root:
            self._last_root_tag = last
        return at

    def _skip_explicit(self, at: int, limit: int, last: int, wanted: frozenset[int]) -> tuple[int, int, int]:
        unpack, data, count = self._explicit.unpack_from, self._data, 0
        while at + 8 <= limit:
            group, number, code, length = unpack(data, at)
            tag, after = group << 16 | number, at + 8 + length
            if code not in _PLAIN or tag in wanted or tag <= last or after > limit or group == 0xFFFE:
                break
            at, last, count = after, tag, count + 1
        return at, last, count

    def _skip_implicit(self, at: int, limit: int, last: int, wanted: frozenset[int]) -> tuple[int, int, int]:
        unpack, data, count = self._implicit.unpack_from, self._data, 0
        while at + 8 <= limit:
            group, number, length = unpack(data, at)
            tag, after = group << 16 | number, at + 8 + length
            if tag in wanted or tag <= last or after > limit or group == 0xFFFE or vr_of(tag) == "SQ":
                break
            at, last, count = after, tag, count + 1
        return at, last, count

    def _count(self, elements: int) -> None:
        self._elements += elements
        if self._elements > self._limits.elements:
            raise Malformed("too many elements", code="too_many_elements")

    def _element(self, at: int, frame: _Frame) -> Element:
        """Read the element at *at* of a data set; opens a frame if it is a sequence."""
        if at + 8 > frame.limit:
            raise Malformed("the data set ends inside an element", code="truncated")
        if frame.implicit:
            group, number, length = self._implicit.unpack_from(self._data, at)
            tag, value_at = group << 16 | number, at + 8
            vr = "" if group == 0xFFFE else vr_of(tag)
        else:
            group, number, code, length = self._explicit.unpack_from(self._data, at)
            tag, value_at = group << 16 | number, at + 8
            vr = ""
            if group != 0xFFFE:
                vr, is_long = _VRS.get(code) or self._odd_vr(code)
                if is_long:
                    length, value_at = self._long_length(at, frame.limit), at + 12
        if group == 0xFFFE:
            return self._item_end(tag, at, frame)
        self._count(1)
        if len(self._stack) == 1:
            if tag <= self._last_root_tag:
                self.faults.add("tags_out_of_order")
            self._last_root_tag = tag
        if length == UNDEFINED:
            return self._open_undefined(tag, vr, (at, value_at), frame)
        if value_at + length > frame.limit:
            raise Malformed("an element is longer than what is there", code="truncated")
        # UN is implicit VR little endian, whatever is around it. Source: PS3.5 6.2.2 note 2.
        if vr == "SQ" or (vr == "UN" and length and vr_of(tag) == "SQ" and not self._big_endian):
            end = value_at + length
            return self._open(
                _Frame(False, False, tag, end, end, vr == "UN" or frame.implicit), "SQ", (at, value_at), length
            )
        return Element(Event.VALUE, tag, vr, at, value_at, length, self._depth, frame.implicit)

    def _long_length(self, at: int, limit: int) -> int:
        if at + 12 > limit:
            raise Malformed("the data set ends inside an element", code="truncated")
        return int(self._long.unpack_from(self._data, at + 8)[0])

    def _odd_vr(self, code: bytes) -> tuple[str, bool]:
        """Return how to read a VR that the standard does not have: new ones take the long form (PS3.5 7.1.2)."""
        if not (code.isalpha() and code.isupper()):
            raise Malformed("not a data element", code="garbage", source="PS3.5 7.1.2")
        self.faults.add("unknown_vr")
        return code.decode("ascii"), True

    def _open_undefined(self, tag: int, vr: str, place: tuple[int, int], frame: _Frame) -> Element:
        if tag in PIXEL_DATA_ELEMENTS or vr in ("OB", "OW"):
            return self._open(_Frame(False, True, tag, None, frame.limit, frame.implicit), vr, place, UNDEFINED)
        if (vr in SHORT_LENGTH_VRS and not frame.implicit) or (vr == "UN" and self._big_endian):
            raise Malformed("a value of undefined length", code="bad_sequence", source="PS3.5 7.1.1")
        # UN of undefined length is a sequence in implicit VR. Source: PS3.5 6.2.2 note 4.
        implicit = frame.implicit or vr == "UN"
        return self._open(_Frame(False, False, tag, None, frame.limit, implicit), "SQ", place, UNDEFINED)

    def _open(self, frame: _Frame, vr: str, place: tuple[int, int], length: int) -> Element:
        element = Element(Event.SEQUENCE, frame.tag, vr, *place, length, self._depth, frame.implicit)
        self._depth += 1
        if self._depth > self._limits.depth:
            raise Malformed("sequences nested too deep", code="too_deep")
        self._stack.append(frame)
        return element

    def _item(self, at: int, frame: _Frame) -> Element:
        """Read what stands between the items of a sequence: an item's start, or the sequence's end."""
        if frame.is_fragments and frame.end is None and len(self._stack) == 2 and self._ends_here(at, frame.limit):
            self.faults.add("unterminated_pixel_data")
            return self._close(at, frame.limit)
        if at + 8 > frame.limit:
            raise Malformed("a sequence is not closed", code="truncated", source="PS3.5 7.5.2")
        group, number, length = self._implicit.unpack_from(self._data, at)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            if frame.end is not None:
                raise Malformed("a sequence ends before its length", code="bad_sequence", source="PS3.5 7.5.2")
            return self._close(at, at + 8)
        if tag != ITEM:
            raise Malformed("something else than an item in a sequence", code="bad_sequence", source="PS3.5 7.5.1")
        self._items += 1
        if self._items > self._limits.items:
            raise Malformed("too many sequence items", code="too_many_items")
        return self._open_item(at, length, frame)

    def _open_item(self, at: int, length: int, frame: _Frame) -> Element:
        value_at = at + 8
        if length != UNDEFINED and value_at + length > frame.limit:
            raise Malformed("an item is longer than what is there", code="truncated")
        if frame.is_fragments:
            if length == UNDEFINED:
                raise Malformed("a pixel fragment of undefined length", code="bad_sequence", source="PS3.5 A.4")
            return Element(Event.FRAGMENT, ITEM, "", at, value_at, length, self._depth, frame.implicit)
        end = None if length == UNDEFINED else value_at + length
        self._stack.append(_Frame(True, False, ITEM, end, frame.limit if end is None else end, frame.implicit))
        return Element(Event.ITEM, ITEM, "", at, value_at, length, self._depth, frame.implicit)

    def _item_end(self, tag: int, at: int, frame: _Frame) -> Element:
        if tag != ITEM_END or frame.end is not None:
            raise Malformed("an item or sequence ends where none is open", code="bad_sequence", source="PS3.5 7.5")
        return self._close(at, at + 8)

    def _close(self, at: int, after: int) -> Element:
        frame = self._stack.pop()
        if frame.is_dataset:
            return Element(Event.ITEM_END, ITEM, "", at, after, 0, self._depth, frame.implicit)
        self._depth -= 1
        return Element(Event.SEQUENCE_END, frame.tag, "", at, after, 0, self._depth, frame.implicit)

    def _ends_here(self, at: int, limit: int) -> bool:
        if self._data[at : min(at + 4, limit)].strip(_PADDING):
            return False
        chunks = range(at, limit, 1 << 16)
        return not any(self._data[at : min(at + (1 << 16), limit)].strip(_PADDING) for at in chunks)

    def _only_padding_left(self, at: int, limit: int) -> bool:
        """Say whether nothing but padding follows: some writers fill up the last block, some end a line."""
        if not self._ends_here(at, limit):
            return False
        self.faults.add("trailing_padding")
        self.ended_at = at
        return True
