"""A journalled message as people read it: raw, and parsed into labelled segments and fields."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.charset import codec_of
from bridge.codecs.hl7.field_names import field_name, segment_name
from bridge.errors import BridgeError


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field that says something. where: "PID-3"; text: as sent, escapes decoded."""

    where: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class SegmentView:
    """One segment with its fields."""

    name: str
    label: str
    fields: tuple[FieldView, ...]


def raw_text(raw: bytes, charset: str) -> str:
    """Return raw bytes for the eye: one segment a line, what is no text in its set as escapes."""
    try:
        text = raw.decode(charset or "utf-8", errors="backslashreplace")
    except LookupError:
        text = raw.decode("ascii", errors="backslashreplace")
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\x0b\x1c\n")
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def raw_of(pasted: str) -> bytes:
    """Return pasted text as a sender would put it on the wire: segments end in CR, bytes are of the set MSH-18 names."""
    text = "\r".join(line for line in pasted.splitlines() if line.strip())
    fields = text.partition("\r")[0].split(text[3:4] or "|")
    declared = fields[17].partition("~")[0] if len(fields) > 17 else ""
    try:
        return text.encode(codec_of(declared) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return text.encode("utf-8")


def parsed(raw: bytes, charset: str) -> tuple[list[SegmentView], str]:
    """Return the message in segments, or none and a sentence that says why it cannot be read."""
    try:
        message = er7.parse(raw, charset or None)
    except BridgeError as fault:
        return [], fault.detail
    return [_segment(segment) for segment in message.segments], ""


def _segment(segment: er7.Segment) -> SegmentView:
    fields = [
        FieldView(f"{segment.where}-{number}", field_name(segment.name, number), text)
        for number, text in enumerate(segment.fields)
        if number and text.strip()
    ]
    return SegmentView(segment.where, segment_name(segment.name), tuple(fields))
