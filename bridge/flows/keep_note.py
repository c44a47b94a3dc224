"""
A note of whoever ordered an exam is kept for its patient. Takes part in its caller's transaction.

It is bound as a laboratory's result is (keep_lab_result). A document that is no such note stays in the journal alone, but
what it takes back or replaces is taken back. Source: HL7 2.5.1 9.6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.domain.clinical_note import ClinicalNote, NoteDraft, NoteStatus, Relation, identity_of, takes_over
from bridge.domain.message import Notice
from bridge.domain.patient import PatientDraft
from bridge.flows.file_report import ReportNews
from bridge.flows.follow_evidence import facts_changed
from bridge.store import clinical_notes
from bridge.store.db import WriteTx
from bridge.store.named_people import is_same, owner_of


@dataclass(frozen=True, slots=True)
class KeptNote:
    """What became of a document. key: its row, None if it said nothing new. patient_key: whose it is, None while not known."""

    key: int | None
    patient_key: int | None
    notice: Notice | None = None


def keep_note(tx: WriteTx, draft: NoteDraft, told: ReportNews) -> KeptNote:
    """Keep what *draft* says, over what it edits; older words change nothing, and a draft never takes back what was signed."""
    heard_at, said_at = told.news.heard_at, told.news.said_at
    owner = owner_of(tx, draft.patient, None, told.rules)
    if draft.relation == Relation.REPLACEMENT:
        for one in _same(tx, identity_of(draft.parent), draft.patient, owner, told):
            clinical_notes.withdraw(tx, one.key, heard_at)
    identity = identity_of(draft.number)
    known = next(iter(_same(tx, identity, draft.patient, owner, told)), None)
    key: int | None = None
    if known is not None:
        if not takes_over(known.content.status, known.said_at, draft.content.status, said_at):
            return KeptNote(None, owner, Notice("I", "older than the document that stands, nothing changed", "TXA-12"))
        key = known.key
        clinical_notes.take_over(tx, key, _as_kept(known, draft), said_at, heard_at)
    elif draft.content.kind:
        replaced = clinical_notes.replacing(tx, identity, is_test=told.is_test)
        if any(_is_of(tx, one, draft.patient, owner, told) for one in replaced):
            draft = replace(draft, content=replace(draft.content, status=NoteStatus.WITHDRAWN))
        key = clinical_notes.add(tx, draft, owner, said_at, heard_at, test=told.is_test)
    return KeptNote(key, owner, _notice(tx, key, owner, told))


def _notice(tx: WriteTx, key: int | None, owner: int | None, told: ReportNews) -> Notice | None:
    if owner is not None and not told.is_test:
        facts_changed(tx, owner, told.news.heard_at)
    if key is None:
        return Notice("I", "no document that a payer asks for, kept in the journal alone", "TXA-2")
    if owner is None:
        why = "the document is kept for nobody until a patient has the numbers that its sender names"
        return Notice("W", why, "TXA-12")
    return None


def _as_kept(known: ClinicalNote, draft: NoteDraft) -> NoteDraft:
    """Return what comes with what it leaves out: a cancellation says no type and no text, an edit not what it added to."""
    relation = draft.relation if draft.relation != Relation.NONE else known.relation
    said = draft.content
    if said.kind and said.status != NoteStatus.WITHDRAWN:
        if not said.written_local:
            old = known.content
            said = replace(said, written_local=old.written_local, written_at=old.written_at)
        return replace(draft, relation=relation, content=said)
    return replace(draft, relation=relation, content=replace(known.content, status=said.status))


def _same(tx: WriteTx, identity: str, patient: PatientDraft, owner: int | None, told: ReportNews) -> list[ClinicalNote]:
    found = clinical_notes.by_identity(tx, identity, is_test=told.is_test)
    return [one for one in found if _is_of(tx, one, patient, owner, told)]


def _is_of(tx: WriteTx, one: ClinicalNote, patient: PatientDraft, owner: int | None, told: ReportNews) -> bool:
    return is_same(tx, (one.patient, one.patient_key), patient, owner, told.rules)
