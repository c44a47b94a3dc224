"""The text of a report: what OBX and NTE say, under its headings. Source: HL7 2.5.1 7.4.2 (OBX), 2.5.8 (NTE)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bridge.codecs.hl7.documents import read_embedded
from bridge.codecs.hl7.er7 import NULL, Segment
from bridge.domain.identifiers import digest_of
from bridge.domain.order import Code
from bridge.domain.report import ReportDocument, ReportSection
from bridge.mapping.convert import Context

_HEADINGS = "report_section"
_NARRATIVE = frozenset({"TX", "FT", "ST", ""})
_TITLE_MAX = 64
_LINKS_MAX = 20
_DELETED = frozenset({"D", "W"})
# Observations that carry a number of the exam, not a word about it. Source: IHE RAD TF-2 4.28, PS3.16 annex D.
_NUMBERS = frozenset({"113014", "study instance uid", "series instance uid", "sr instance uid", "sop instance uid"})
_COMMENT = "Comment"


@dataclass(slots=True)
class Body:
    """What is found in the observations of one order group."""

    sections: list[ReportSection] = field(default_factory=list)
    documents: list[ReportDocument] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    _title: str | None = None
    _lines: list[str] = field(default_factory=list)

    def add(self, title: str, lines: Iterable[str]) -> None:
        """Put lines under a heading; what follows under the same one is joined to it."""
        if title != self._title:
            self.close()
            self._title = title
        self._lines += lines

    def close(self) -> None:
        """End the section under way, without the blank lines at its ends."""
        text = "\r\n".join(line.rstrip() for line in self._lines).strip("\r\n")
        if text and self._title is not None:
            self.sections.append(ReportSection(self._title, text))
        self._title, self._lines = None, []


def read_body(context: Context, segments: Sequence[Segment], procedure: Code, *, keep_deleted: bool) -> Body:
    """
    Return the text and documents of an order group's OBX and NTE, in their order.

    procedure: its words are no heading of a part. keep_deleted: observations marked deleted or wrong are kept, as the
    whole report is being taken back. Raises: Malformed, for a document that cannot be read.
    """
    body = Body()
    plain = {procedure.code_value.upper(), procedure.code_meaning.upper(), ""}
    title, is_left_out = _COMMENT, False
    for segment in segments:
        if segment.name == "NTE":
            if not is_left_out:
                body.add(title, _lines(context, segment.repetitions(3)))
            continue
        is_left_out = _is_number(segment) or (segment.value(11) in _DELETED and not keep_deleted)
        if not is_left_out:
            title = _heading(context, segment, plain)
            _read_observation(context, segment, title, body)
    body.close()
    return body


def _read_observation(context: Context, segment: Segment, title: str, body: Body) -> None:
    kind = segment.value(2).upper()
    if kind == "ED":
        _read_document(context, segment, title, body)
    elif kind == "RP":
        if (link := segment.value(5)) and len(body.links) < _LINKS_MAX:
            body.links.append(link)
    elif kind in _NARRATIVE:
        body.add(title, _lines(context, segment.repetitions(5)) or [""])
    elif value := _value(context, segment, kind):
        label = _words(segment) or segment.value(3)
        body.add("", [f"{label}: {value}" if label else value])


def _read_document(context: Context, segment: Segment, title: str, body: Body) -> None:
    found = read_embedded(context.message, segment)
    if found is None:
        context.warn("a document without content was left out", f"{segment.where}-5")
        return
    digest = digest_of(found.content)
    body.files[digest] = found.content
    name = title or _words(segment) or "Report"
    body.documents.append(ReportDocument(name, found.content_type, len(found.content), digest))


def _lines(context: Context, repetitions: Sequence[str]) -> list[str]:
    """Return text as sent: a repetition is a line, and the blanks a line begins with are its layout."""
    lines: list[str] = []
    for raw in repetitions:
        if raw != NULL:
            indent = raw[: len(raw) - len(raw.lstrip(" "))]
            lines += (indent + context.message.decode(raw)).splitlines() or [""]
    return lines


def _value(context: Context, segment: Segment, kind: str) -> str:
    """Return a value that is no text as one: a code by its words, a number with its unit."""
    message = context.message
    shown = []
    for raw in segment.repetitions(5):
        parts = [message.decode(part) for part in message.components(raw)] if raw != NULL else []
        if kind in ("CE", "CWE", "CNE", "CF") and len(parts) > 1 and parts[1]:
            parts = [parts[1]]
        elif kind == "SN":
            parts = ["".join(parts)]
        shown.append(" ".join(part for part in parts if part))
    unit = segment.value(6, 2) or segment.value(6)
    value = ", ".join(one for one in shown if one)
    return f"{value} {unit}".strip() if value else ""


def _heading(context: Context, segment: Segment, plain: Iterable[str]) -> str:
    """Return what stands over an observation: by suffix, code or words; the sender's own where the table knows none."""
    table = context.site.tables.get(_HEADINGS, {})
    words = _words(segment)
    code = segment.value(3, 1, 1)
    for word in (segment.value(3, 1, 2), code, segment.value(3, 4), words.rstrip(":").upper(), code.upper()):
        if word and word in table:
            return table[word]
    if words.upper() in plain or (code and code.upper() in plain):
        return ""
    return words[:_TITLE_MAX].strip()


def _words(segment: Segment) -> str:
    return " ".join((segment.value(3, 2) or segment.value(3, 5)).split())


def _is_number(segment: Segment) -> bool:
    return segment.value(3).lower() in _NUMBERS or segment.value(3, 2).lower() in _NUMBERS
