"""The positional ER7 reader: bytes to segments, fields, repetitions, components, each cut only when it is asked for.

It knows no message structures: a Z segment, an unknown field or a segment out of order stays where it was sent.
Source: HL7 2.5.1 2.5, 2.7, 2.10.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bridge.codecs.hl7.charset import decode
from bridge.codecs.hl7.envelope import Envelope, body_of, read_envelope
from bridge.codecs.hl7.escapes import NULL, STANDARD, Delimiters, escape, has_double_escape, unescape
from bridge.domain.message import Notice
from bridge.errors import Malformed, Unsupported

__all__ = ["NULL", "Delimiters", "Envelope", "Message", "Segment", "build_segment", "parse", "read_envelope"]

MAX_SEGMENTS = 20_000
MAX_REPETITIONS = 1_000
MAX_DELIMITERS = 500_000
MAX_LINES = 250_000
MAX_ESCAPES = 200_000
_SURELY_FITS = min(MAX_DELIMITERS, MAX_LINES, MAX_ESCAPES)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")


class Segment:
    """One segment. number: its place among those of its name, from 1. Fields are counted as the standard counts them."""

    __slots__ = ("_fields", "_message", "name", "number", "text")

    def __init__(self, message: Message, name: str, number: int, text: str) -> None:
        self.name = name
        self.number = number
        self.text = text
        self._message = message
        self._fields: list[str] | None = None

    @property
    def where(self) -> str:
        """Its place for an error: "PID", or "OBR[2]" from the second on."""
        return self.name if self.number == 1 else f"{self.name}[{self.number}]"

    @property
    def fields(self) -> list[str]:
        """The raw fields; index 0 is the name, so that index and field number agree."""
        if self._fields is None:
            separator = self._message.delimiters.field
            self._fields = self.text.split(separator)
            if self.name == "MSH":
                self._fields.insert(1, separator)
        return self._fields

    def field(self, number: int) -> str | None:
        """Return a raw field: None if the segment ends before it, "" if it is empty, `""` (NULL) if it is erased."""
        fields = self.fields
        return fields[number] if number < len(fields) else None

    def repetitions(self, number: int) -> list[str]:
        """
        Return the raw repetitions of a field, [] if it is absent or empty.

        Raises: Malformed, for more than MAX_REPETITIONS.
        """
        raw = self.field(number)
        if not raw:
            return []
        mark = self._message.delimiters.repetition
        if not mark or mark not in raw or (self.name == "MSH" and number == 2):
            return [raw]
        if raw.count(mark) >= MAX_REPETITIONS:
            raise Malformed(f"more than {MAX_REPETITIONS} repetitions", code="too_many", where=f"{self.where}-{number}")
        return raw.split(mark)

    def value(self, number: int, component: int = 1, subcomponent: int = 0) -> str:
        """Return one decoded value of the first repetition, "" where it is absent, empty or null; see `Message.part`."""
        repetitions = self.repetitions(number)
        if not repetitions or repetitions[0] == NULL:
            return ""
        return self._message.part(repetitions[0], component, subcomponent)


@dataclass(slots=True)
class Message:
    """A message as sent. codec: what read it. notices: what was let through."""

    envelope: Envelope
    delimiters: Delimiters
    codec: str
    segments: tuple[Segment, ...] = ()
    notices: list[Notice] = field(default_factory=list)
    _unknown_escapes: list[str] = field(default_factory=list)

    def all(self, name: str) -> list[Segment]:
        """Return every segment of that name, in order."""
        return [segment for segment in self.segments if segment.name == name]

    def first(self, name: str) -> Segment | None:
        """Return the first segment of that name."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def components(self, repetition: str) -> list[str]:
        """Return the raw components of one raw repetition."""
        return repetition.split(self.delimiters.component)

    def parts(self, repetition: str, begin: int = 0, end: int | None = None) -> list[str]:
        """Return components of a raw repetition, decoded; begin, end: as a slice counts, as many as there are."""
        found = repetition.split(self.delimiters.component)[begin:end]
        if self.delimiters.escape in repetition or '"' in repetition:
            return [self.decode(component) for component in found]
        return [component.strip() for component in found]

    def decode(self, raw: str) -> str:
        """Return a raw value with its escapes decoded and its padding gone; null is empty."""
        if raw == NULL:
            return ""
        mark = self.delimiters.escape
        if mark and mark in raw:
            raw = unescape(raw, self.delimiters, self.codec, self._unknown_escapes)
        return raw.strip()

    def part(self, repetition: str, component: int = 1, subcomponent: int = 0) -> str:
        """
        Return one decoded component of a raw repetition, "" where it ends before.

        subcomponent: 0 takes the component whole: in a text, `&` is most often an ampersand that nobody escaped.
        """
        delimiters = self.delimiters
        if delimiters.component in repetition:
            parts = repetition.split(delimiters.component)
            if component > len(parts):
                return ""
            repetition = parts[component - 1]
        elif component > 1:
            return ""
        if subcomponent:
            mark = delimiters.subcomponent
            parts = repetition.split(mark) if mark else [repetition]
            if subcomponent > len(parts):
                return ""
            repetition = parts[subcomponent - 1]
        return self.decode(repetition)

    def all_notices(self) -> list[Notice]:
        """Return what was let through, an escape without a meaning told once."""
        if not self._unknown_escapes:
            return list(self.notices)
        return [*self.notices, Notice("W", "an escape without a meaning was kept as text")]


def parse(raw: bytes, default_charset: str | None = None, envelope: Envelope | None = None) -> Message:
    """
    Return the message in *raw*.

    default_charset: the site's, see `charset.decode`. envelope: its own, where the caller has read it already.
    Raises: Malformed for what cannot be read without doubt, Incomplete for a character set without meaning,
    Unsupported for a batch.
    """
    envelope = envelope or read_envelope(raw)
    if envelope.fault:
        raise envelope.fault
    if envelope.is_batch:
        raise Unsupported(
            "a batch is not one message", code="unsupported_type", where="MSH-9", source="HL7 2.5.1 2.10.3"
        )
    text, codec, notices = decode(body_of(raw), envelope.declared_charsets, default_charset)
    message = Message(envelope, envelope.delimiters, codec, notices=notices)
    if has_double_escape(envelope.field(2)):
        notices.append(Notice("W", "the escape character stands there twice, and was read as one", "MSH-2"))
    if len(text) > _SURELY_FITS:
        _check_counts(text, envelope.delimiters)
    lines = _lines(text, envelope.delimiters.field)
    if "Base64" in text:
        lines = _unwrapped(lines, message)
    message.segments = tuple(_segments(message, lines))
    return message


def _check_counts(text: str, delimiters: Delimiters) -> None:
    """Refuse what would be cut into more pieces than any message has: it would cost seconds and memory by the gigabyte."""
    marks = (delimiters.field, delimiters.component, delimiters.repetition, delimiters.subcomponent)
    counts = [text.count(mark) for mark in marks if mark]
    lines = text.count("\r") + text.count("\n")
    escapes = text.count(delimiters.escape) if delimiters.escape else 0
    if max(counts) > MAX_DELIMITERS or lines > MAX_LINES or escapes > MAX_ESCAPES:
        raise Malformed("more delimiters, lines or escapes than a message has", code="too_many")


def _lines(text: str, separator: str) -> list[str]:
    """Return the segments' texts. A line feed ends one only where the next begins; elsewhere it is text."""
    lines = text.split("\r")
    if "\n" not in text:
        return lines
    out: list[str] = []
    for line in lines:
        kept: list[str] = []
        for part in line.split("\n"):
            if kept and part.strip() and not _begins_segment(part.lstrip(), separator):
                kept.append(part)
            elif part.strip():
                out.append("\n".join(kept))
                kept = [part]
        out.append("\n".join(kept))
    return out


def _unwrapped(lines: list[str], message: Message) -> list[str]:
    """Join what a sender broke a Base64 value into: such lines begin no segment, and nothing else in them can be meant."""
    separator = message.delimiters.field
    out: list[str] = []
    value: list[str] = []
    for line in lines:
        if value and not _begins_segment(line, separator) and _BASE64.fullmatch(line.split(separator, 1)[0]):
            value.append(line)
            continue
        out.append("".join(value))
        value = [line] if line.startswith("OBX") and "Base64" in line else []
        out += [] if value else [line]
    out.append("".join(value))
    if len(out) - out.count("") < len(lines) - lines.count(""):
        message.notices.append(Notice("W", "a Base64 value that was broken into lines was joined", "OBX-5"))
    return out


def _begins_segment(line: str, separator: str) -> bool:
    return bool(_SEGMENT.match(line)) and line[3:4] in ("", separator)


def _segments(message: Message, lines: list[str]) -> list[Segment]:
    segments: list[Segment] = []
    numbers: dict[str, int] = {}
    separator = message.delimiters.field
    for line in lines:
        if not _begins_segment(line, separator):
            line = line.strip()
            if not line:
                continue
            if not _begins_segment(line, separator):
                after = segments[-1].where if segments else "MSH"
                raise Malformed("a line that begins no segment", code="segment_sequence", where=after)
        name = line[:3]
        numbers[name] = number = numbers.get(name, 0) + 1
        segments.append(Segment(message, name, number, line))
        if len(segments) > MAX_SEGMENTS:
            raise Malformed(f"more than {MAX_SEGMENTS} segments", code="too_many", where=name)
    if numbers.get("MSH", 0) != 1:
        raise Malformed("two messages in one", code="segment_sequence", where="MSH[2]", source="HL7 2.5.1 2.14.9")
    return segments


def build_segment(name: str, fields: list[str | list[str]], delimiters: Delimiters = STANDARD) -> str:
    """
    Return one segment with its CR, trailing empty fields left out.

    fields: from field 1 on (MSH: from field 3 on); a text is escaped, a list is the components of one repetition.
    """
    rendered = [
        delimiters.component.join(escape(part, delimiters) for part in value).rstrip(delimiters.component)
        if isinstance(value, list)
        else escape(value, delimiters)
        for value in fields
    ]
    head = [name, delimiters.encoding_characters] if name == "MSH" else [name]
    while rendered and not rendered[-1]:
        rendered.pop()
    return delimiters.field.join([*head, *rendered]) + "\r"
