"""Note drafts from document messages. Source: HL7 2.5.1 9.6 (MDM), 9.7.1 (TXA)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.codecs.hl7.er7 import Message, Segment
from bridge.domain.clinical_note import GONE, SIGNED, NoteContent, NoteDraft, NoteStatus, Relation
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code
from bridge.errors import Incomplete
from bridge.mapping.convert import Moment
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.patients import read_patient
from bridge.mapping.report_text import Body, read_body

_KINDS = "office_note"
_CANCELS = "T11"
_RELATIONS: Mapping[str, Relation] = {"T06": Relation.ADDENDUM, "T10": Relation.REPLACEMENT}


def read_note(evaluator: Evaluator, message: Message, scope: Mapping[str, list[Segment]]) -> NoteDraft:
    """
    Return what a message says of its document; one that tables.office_note does not know comes without its content.

    Raises: Incomplete without TXA, without a patient number, and for a note without a number; Malformed.
    """
    txa = message.first("TXA")
    if txa is None:
        raise Incomplete("no document header", code="missing", where="TXA", source="HL7 2.5.1 9.7.1")
    trigger = message.envelope.trigger
    code = evaluator.get("document.type", scope) or Code()
    table = evaluator.context.site.tables.get(_KINDS, {})
    kind = next(filter(None, (table.get(txa.value(2, at), "") for at in (1, 4))), "")
    number = evaluator.get("document.number", scope) or EntityIdentifier()
    if kind and not number:
        raise Incomplete("a document without its number", code="missing", where="TXA-12", source="HL7 2.5.1 9.7.1")
    written = evaluator.get("document.written", scope)
    body = _body(evaluator, message.segments, code) if kind and trigger != _CANCELS else Body()
    content = NoteContent(
        kind,
        code,
        _status(evaluator, scope, trigger),
        written.local if isinstance(written, Moment) else "",
        written.at if isinstance(written, Moment) else None,
        evaluator.get("document.author", scope) or "",
        tuple(body.sections),
        tuple(body.documents),
    )
    parent = evaluator.get("document.parent", scope) or EntityIdentifier()
    relation = _RELATIONS.get(trigger, Relation.NONE)
    return NoteDraft(read_patient(evaluator, scope), number, content, parent, relation, body.files)


def _body(evaluator: Evaluator, segments: Sequence[Segment], code: Code) -> Body:
    """Return text and documents of the OBX behind TXA: those before it are of the order."""
    at = next(number for number, segment in enumerate(segments) if segment.name == "TXA")
    found = [segment for segment in segments[at:] if segment.name in ("OBX", "NTE")]
    return read_body(evaluator.context, found, code, keep_deleted=False)


def _status(evaluator: Evaluator, scope: Mapping[str, list[Segment]], trigger: str) -> NoteStatus:
    completion = (evaluator.get("document.completion", scope) or "").upper()
    availability = (evaluator.get("document.availability", scope) or "").upper()
    if trigger == _CANCELS or availability in GONE:
        return NoteStatus.WITHDRAWN
    if not completion:
        evaluator.context.warn("nobody can tell whether the document is signed", "TXA-17")
    return NoteStatus.FINAL if completion in SIGNED else NoteStatus.PRELIMINARY
