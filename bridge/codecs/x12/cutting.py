"""The cutter: the bytes of an X12 file to segments, by the delimiters that its ISA shows.

Each byte is looked at a fixed number of times, whatever the bytes are. Source: ASC X12.5, X12.6 3.5; 005010 appendix B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.codecs.x12.segments import BINARY, Delimiters, Segment
from bridge.errors import Malformed

ISA_LENGTH = 106
MAX_BYTES = 128 * 1024 * 1024
MAX_SEGMENTS = 500_000
MAX_SEGMENT_BYTES = 16_384
MAX_UNCOUNTED = 100
_BLANK = b" \t\r\n"
# Where the element separators of an ISA stand: its elements have fixed lengths. Source: ASC X12.5.
_SEPARATORS_AT = (3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103)
_FIRST_WITH_REPETITIONS = "00402"
_DIGITS_OF_A_LENGTH = 15
_BEFORE_THE_BYTES = 64


def skip_blanks(raw: bytes, position: int) -> int:
    """Return where the next byte stands that is no blank and no line end."""
    while position < len(raw) and raw[position] in _BLANK:
        position += 1
    return position


def delimiters_at(raw: bytes, position: int, number: int) -> Delimiters:
    """
    Return the delimiters of the ISA at *position*; number: that of its segment, for an error.

    Raises: Malformed where no ISA stands, or one with other lengths, or whose delimiters cannot be told apart.
    """
    where, head = f"segment {number} (ISA)", raw[position : position + ISA_LENGTH]
    if not head.startswith(b"ISA"):
        raise Malformed("an interchange begins with ISA", code="no_isa", where=where, source="ASC X12.5")
    if len(head) < ISA_LENGTH or any(head[place] != head[3] for place in _SEPARATORS_AT):
        raise Malformed("an ISA has 106 characters in fixed places", code="isa_length", where=where, source="ASC X12.5")
    element, repetition, component, segment = (chr(head[place]) for place in (3, 82, 104, 105))
    version = head[84:89].decode("latin-1")
    if repetition.isalnum() or repetition == " " or version < _FIRST_WITH_REPETITIONS:
        repetition = ""
    found = Delimiters(element, repetition, component, segment)
    if not found.can_be_told_apart:
        raise Malformed("its delimiters cannot be told apart", code="delimiters", where=where, source="ASC X12.6 3.5")
    return found


@dataclass(slots=True)
class Cutter:
    """
    Cuts a file into segments from *position* on.

    number: the last segment's. uncounted: places of segments whose bytes are not as many as they say.
    """

    raw: bytes
    position: int
    delimiters: Delimiters
    number: int = 0
    uncounted: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Segment]:
        """Yield segments until the file ends. Raises: Malformed for what is none, or none that is whole."""
        while (begin := skip_blanks(self.raw, self.position)) < len(self.raw):
            self.number += 1
            if self.number > MAX_SEGMENTS:
                raise Malformed(f"more than {MAX_SEGMENTS} segments", code="too_many", where=f"segment {self.number}")
            yield self._segment(begin)

    def _segment(self, begin: int) -> Segment:
        name = self.raw[begin : begin + 3].decode("latin-1")
        is_binary = name in BINARY and self.raw[begin + 3 : begin + 4] == self._element
        end = self._end_of_binary(begin, name) if is_binary else self._end(begin, begin + MAX_SEGMENT_BYTES + 1)
        self.position = end + 1
        piece = self.raw[begin:end]
        if not is_binary and (b"\r" in piece or b"\n" in piece):
            # Files are broken into lines of 80 characters wherever those end.
            piece = piece.translate(None, b"\r\n")
        # Bytes that are counted may be no text at all: as Latin-1 none of them is lost.
        text = piece.decode("latin-1") if is_binary else _decoded(piece)
        found = Segment(text, self.delimiters, self.number)
        name = found.name
        if not 2 <= len(name) <= 3 or not name.isalnum() or not name.isascii() or not name[0].isalpha():
            raise Malformed("what begins here is no segment", code="segment", where=f"segment {self.number}")
        return found

    @property
    def _element(self) -> bytes:
        return self.delimiters.element.encode("latin-1")

    def _end(self, begin: int, furthest: int) -> int:
        end = self.raw.find(self.delimiters.segment.encode("latin-1"), begin, furthest)
        if end >= 0:
            return end
        where = f"segment {self.number}"
        if furthest < len(self.raw):
            raise Malformed(f"a segment longer than {MAX_SEGMENT_BYTES} bytes", code="too_large", where=where)
        raise Malformed("the file breaks off inside a segment", code="cut_off", where=where, source="ASC X12.6")

    def _end_of_binary(self, begin: int, name: str) -> int:
        """Return where a segment ends by the length it tells; where none ends there, as any other would."""
        length_at, data_at = BINARY[name]
        head = self.raw[begin : begin + _BEFORE_THE_BYTES].split(self._element, data_at)
        length = head[length_at] if len(head) > data_at else b""
        if length.isdigit() and len(length) <= _DIGITS_OF_A_LENGTH:
            end = begin + sum(len(one) + 1 for one in head[:data_at]) + int(length)
            if self.raw[end : end + 1] == self.delimiters.segment.encode("latin-1"):
                return end
        if len(self.uncounted) < MAX_UNCOUNTED:
            self.uncounted.append(f"segment {self.number} ({name}{length_at:02})")
        return self._end(begin, len(self.raw))


def _decoded(piece: bytes) -> str:
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        return piece.decode("latin-1")
