"""X12 delimiters and segments: one segment's text, its elements cut only when they are asked for.

A value is counted as the standard counts it: `NM103` is `segment.element(3)`, `SV101-2` is `segment.component(1, 2)`.
X12 has no escape character: what a value must not hold cannot be written at all. Source: ASC X12.5, X12.6 3.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.errors import Incomplete, Malformed

MAX_ELEMENTS = 200
MAX_REPETITIONS = 1_000
MAX_COMPONENTS = 100

# What may be sent: X12's basic and extended sets, which every partner reads. Source: ASC X12.6 3.3.
BASIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!\"&'()*+,-./:;?= ")
SENDABLE = BASIC | frozenset("abcdefghijklmnopqrstuvwxyz%~@[]_{}\\|<>#$^`")
# Segments whose last element is bytes of a length that an element before it tells: (of the length, of the bytes).
BINARY = {"BIN": (1, 2), "BDS": (2, 3)}


class Delimiters(NamedTuple):
    """The four marks. repetition: "" where the version knows none."""

    element: str = "*"
    repetition: str = "^"
    component: str = ":"
    segment: str = "~"

    @property
    def can_be_told_apart(self) -> bool:
        """Whether each is another sign, none of them a letter, digit or blank, and only the last a line end."""
        marks = [mark for mark in self if mark]
        plain = all(not mark.isalnum() and mark != " " and ord(mark) <= 0x7E for mark in marks)
        return plain and len(set(marks)) == len(marks) and {"\r", "\n"}.isdisjoint(self[:-1])


STANDARD = Delimiters()
Value = str | tuple[str, ...] | list[str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as sent, without its terminator. number: its place in the file, from 1; 0 for one that we make."""

    text: str
    delimiters: Delimiters = STANDARD
    number: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """Its first element: "NM1"."""
        return self.text[: self._end_of_name()]

    @property
    def where(self) -> str:
        """Its place for an error."""
        return f"segment {self.number} ({self.name[:3]})"

    def place(self, number: int) -> str:
        """Return an element's place for an error: "segment 14 (NM103)"."""
        return f"segment {self.number} ({self.name[:3]}{number:02})"

    def elements(self) -> list[str]:
        """
        Return the raw elements; index 0 is the name, so that index and element number agree.

        Raises: Malformed for more than MAX_ELEMENTS.
        """
        most = BINARY[self.name][1] if self.name in BINARY else MAX_ELEMENTS
        found = self.text.split(self.delimiters.element, most)
        if len(found) > MAX_ELEMENTS:
            raise Malformed("more elements than any segment has", code="too_many", where=self.where)
        return found

    def element(self, number: int) -> str:
        """Return an element without the blanks around it, "" where the segment ends before it."""
        found = self.elements()
        return found[number].strip(" ") if number < len(found) else ""

    def components(self, number: int, repetition: int = 1) -> list[str]:
        """Return the components of one repetition of an element, [] where it is empty."""
        repetitions = self.repetitions(number)
        return repetitions[repetition - 1] if repetition <= len(repetitions) else []

    def component(self, number: int, component: int) -> str:
        """Return one component of an element's first repetition, "" where it ends before it."""
        found = self.components(number)
        return found[component - 1].strip(" ") if component <= len(found) else ""

    def repetitions(self, number: int) -> list[list[str]]:
        """
        Return an element's repetitions, each cut into components; [] where it is empty.

        Raises: Malformed for more of either than any element has.
        """
        raw = self.element(number)
        if not raw:
            return []
        mark = self.delimiters.repetition
        repeated = raw.split(mark, MAX_REPETITIONS) if mark else [raw]
        cut = [one.split(self.delimiters.component, MAX_COMPONENTS) for one in repeated]
        if len(repeated) > MAX_REPETITIONS or any(len(one) > MAX_COMPONENTS for one in cut):
            raise Malformed("more parts than any element has", code="too_many", where=self.place(number))
        return cut

    def _end_of_name(self) -> int:
        end = self.text.find(self.delimiters.element)
        return len(self.text) if end < 0 else end


def build(name: str, *values: Value, delimiters: Delimiters = STANDARD) -> Segment:
    """
    Return one segment, trailing empty elements and components left out.

    values: from element 1 on; a text is one element, a tuple its components, a list its repetitions.
    Raises: Incomplete for a character that X12 does not have, or that is one of the delimiters in use.
    """
    rendered = [_render(value, delimiters, f"{name}{number:02}") for number, value in enumerate(values, 1)]
    while rendered and not rendered[-1]:
        rendered.pop()
    return Segment(delimiters.element.join([name, *rendered]), delimiters)


def build_bytes(name: str, *head: str, content: str) -> Segment:
    """
    Return a BDS or BIN with its length told; head: the elements before that.

    content: ASCII, as it goes into the file; it may hold any delimiter, as it is found by its length.
    """
    start = build(name, *head, str(len(content)))
    return Segment(f"{start.text}{STANDARD.element}{content}", STANDARD)


def _render(value: Value, delimiters: Delimiters, where: str) -> str:
    if isinstance(value, list):
        return delimiters.repetition.join(_render(one, delimiters, where) for one in value)
    if isinstance(value, tuple):
        return delimiters.component.join(_checked(one, delimiters, where) for one in value).rstrip(delimiters.component)
    return _checked(value, delimiters, where)


def _checked(text: str, delimiters: Delimiters, where: str) -> str:
    if not SENDABLE.issuperset(text):
        raise Incomplete("a character that X12 does not have", code="character", where=where, source="ASC X12.6 3.3")
    if not set(delimiters).isdisjoint(text):
        raise Incomplete("a character that separates in this file", code="delimiter", where=where, source="ASC X12.6")
    return text
