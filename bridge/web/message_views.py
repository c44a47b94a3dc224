"""A journalled message as people read it: raw, and parsed into labelled segments, fields and components."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.field_names import field_name, segment_name
from bridge.domain.message import InboundMessage, TraceLine
from bridge.errors import BridgeError

_TEXT_MAX = 1_000
_RAW_MAX = 60_000
_SEGMENTS_MAX = 300
_PART_MAX = 20
# Pairs of lines: comparing each with each takes a page's time.
_COMPARED_MAX = 250_000
# Longer ones are shown raw, and whole as a file: nobody reads ten megabytes field by field.
_PARSED_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FieldView:
    """
    One field that says something. where: "PID-3"; text: as sent; parts: its components, ("PID-3.1", "123"), if it has some.

    rules: which target each rule made of it ("patient.id", "base/patient"); () where no rule reads it.
    """

    where: str
    label: str
    text: str
    parts: tuple[tuple[str, str], ...] = ()
    rules: tuple[tuple[str, str], ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class SegmentView:
    """One segment with its fields."""

    name: str
    label: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message in segments, or why it is not shown so. left_out: segments that are only in the raw text."""

    segments: tuple[SegmentView, ...] = ()
    fault: str = ""
    left_out: int = 0


def raw_text(raw: bytes, charset: str, limit: int | None = None) -> str:
    """
    Return raw bytes for the eye: one segment a line, what is no text in its set as escapes.

    limit: of bytes that are shown; None for all.
    """
    raw = raw if limit is None else raw[:limit]
    try:
        text = raw.decode(charset or "utf-8", errors="backslashreplace")
    except LookupError:
        text = raw.decode("ascii", errors="backslashreplace")
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\x0b\x1c\n")
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def shown_raw(raw: bytes, charset: str) -> tuple[str, bool]:
    """Return as much of the raw text as a page bears, and whether that is all of it."""
    return raw_text(raw, charset, _RAW_MAX), len(raw) <= _RAW_MAX


def parsed(message: InboundMessage) -> Parsed:
    """Return the message in segments with what each rule read, or a sentence that says why it cannot be read."""
    if message.message_type.startswith("FHIR^"):
        return Parsed(fault="it came by FHIR, and stands as it came")
    if len(message.raw) > _PARSED_MAX_BYTES:
        return Parsed(fault="it is too long to be shown field by field; download it")
    try:
        read = er7.parse(message.raw, message.charset or None)
    except BridgeError as fault:
        return Parsed(fault=fault.detail)
    rules = _rules_by_place(message.trace)
    segments = tuple(_segment(read, segment, rules) for segment in read.segments[:_SEGMENTS_MAX])
    return Parsed(segments, left_out=max(0, len(read.segments) - _SEGMENTS_MAX))


def changes(before: str, after: str) -> list[tuple[str, str]]:
    """Return the lines that differ, in order: ("-", line) for one that was there, ("+", line) for what stands instead."""
    old, new = before.splitlines(), after.splitlines()
    begin = _alike(old, new)
    end = _alike(old[begin:][::-1], new[begin:][::-1])
    old, new = old[begin : len(old) - end], new[begin : len(new) - end]
    changed: list[tuple[str, str]] = []
    for taken, given in _differing(old, new):
        changed += [("-", line) for line in taken]
        changed += [("+", line) for line in given]
    return changed


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many lines both begin with."""
    return next(
        (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )


def _differing(old: list[str], new: list[str]) -> Iterable[tuple[list[str], list[str]]]:
    """Return the runs of lines that differ, those of each beside each other; finding more of them has a bound."""
    runs: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(old), 0, len(new))]
    if len(old) * len(new) <= _COMPARED_MAX:
        runs = difflib.SequenceMatcher(None, old, new).get_opcodes()
    for tag, a, b, c, d in runs:
        if tag != "equal" and b - a == d - c:
            yield from (([one], [other]) for one, other in zip(old[a:b], new[c:d], strict=True) if one != other)
        elif tag != "equal":
            yield old[a:b], new[c:d]


def _rules_by_place(trace: Sequence[TraceLine]) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return what was made of each field, by its segment and number: "PID-3" for the source "PID-3[5=MR].1"."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in trace:
        place = line.source.partition(".")[0]
        segment, _, field = place.partition("-")
        number = field.partition("[")[0]
        if number.isdecimal():
            found.setdefault(f"{segment.partition('[')[0]}-{number}", []).append((line.target, line.rule))
    return {place: tuple(dict.fromkeys(rules)) for place, rules in found.items()}


def _segment(
    message: er7.Message, segment: er7.Segment, rules: Mapping[str, tuple[tuple[str, str], ...]]
) -> SegmentView:
    fields = tuple(
        _field(message, segment, number, text, rules.get(f"{segment.name}-{number}", ()))
        for number, text in enumerate(segment.fields)
        if number and text.strip()
    )
    return SegmentView(segment.where, segment_name(segment.name), fields)


def _field(
    message: er7.Message, segment: er7.Segment, number: int, text: str, rules: tuple[tuple[str, str], ...]
) -> FieldView:
    where, label = f"{segment.where}-{number}", field_name(segment.name, number)
    is_cut = len(text) > _TEXT_MAX
    shown = text[:_TEXT_MAX]
    is_header = segment.name == "MSH" and number <= 2
    parts = () if is_header or is_cut else tuple(_parts(message, where, shown))
    return FieldView(where, label, shown, parts, rules, is_cut)


def _parts(message: er7.Message, where: str, text: str) -> Iterable[tuple[str, str]]:
    """Return each component that says something, where there is more than one or an escape is in it."""
    marks = message.delimiters
    repetitions = text.split(marks.repetition) if marks.repetition else [text]
    if len(repetitions) == 1 and marks.component not in text and (not marks.escape or marks.escape not in text):
        return
    for place, repetition in enumerate(repetitions[:_PART_MAX], 1):
        head = where if len(repetitions) == 1 else f"{where}[{place}]"
        for number, part in enumerate(message.components(repetition)[:_PART_MAX], 1):
            if part.strip():
                yield f"{head}.{number}", message.decode(part)
