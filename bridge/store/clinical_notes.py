"""Notes of whoever ordered exams, under the numbers that they came with, and their documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, update

from bridge.domain.clinical_note import ClinicalNote, NoteContent, NoteDraft, NoteStatus, Relation, identity_of
from bridge.domain.order import Code
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.report import ReportDocument, ReportSection
from bridge.store import named_people
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import clinical_notes, note_documents

_COLUMNS = clinical_notes.c


def of_patient(tx: ReadTx, owner: int, rules: ReconcileRules) -> list[ClinicalNote]:
    """Return the notes about a live patient, wherever merges led, the oldest heard first; none that is in doubt."""
    found = _list(tx, named_people.may_be_of(tx, clinical_notes, owner))
    return [one for one in found if named_people.owner_of(tx, one.patient, one.patient_key, rules) == owner]


def owners(tx: ReadTx, keys: Sequence[int], rules: ReconcileRules) -> dict[int, int | None]:
    """Return whose the notes in rows *keys* are now, None for those in doubt; rows that are gone are left out."""
    found = _list(tx, _COLUMNS.key.in_(keys))
    return {one.key: named_people.owner_of(tx, one.patient, one.patient_key, rules) for one in found}


def by_identity(tx: ReadTx, identity: str, *, is_test: bool) -> list[ClinicalNote]:
    """Return the notes that *identity* names: several, where two people have the same number."""
    return _list(tx, _COLUMNS.identity == identity, _COLUMNS.is_test.is_(is_test)) if identity else []


def replacing(tx: ReadTx, identity: str, *, is_test: bool) -> list[ClinicalNote]:
    """Return the notes that say they replace the one that *identity* names."""
    is_one = _COLUMNS.relation == Relation.REPLACEMENT.value
    return _list(tx, _COLUMNS.parent == identity, is_one, _COLUMNS.is_test.is_(is_test)) if identity else []


def add(tx: WriteTx, draft: NoteDraft, patient_key: int | None, said_at: datetime, at: datetime, *, test: bool) -> int:
    """Keep a note that was not heard of before and return its row."""
    first = {"identity": identity_of(draft.number), "patient_key": patient_key, "is_test": test}
    named = named_people.values_of(draft.patient)
    key = insert_row(tx, clinical_notes, **first, **named, **_values(draft, said_at, at))
    _put_documents(tx, key, draft.content.documents)
    return key


def take_over(tx: WriteTx, key: int, draft: NoteDraft, said_at: datetime, at: datetime) -> None:
    """Let *draft* be what the note in row *key* says."""
    tx.execute(update(clinical_notes).where(_COLUMNS.key == key).values(**_values(draft, said_at, at)))
    tx.execute(delete(note_documents).where(note_documents.c.note_key == key))
    _put_documents(tx, key, draft.content.documents)


def withdraw(tx: WriteTx, key: int, at: datetime) -> None:
    """Let the note in row *key* be one that nobody may use."""
    values = {"status": NoteStatus.WITHDRAWN.value, "heard_at": at}
    tx.execute(update(clinical_notes).where(_COLUMNS.key == key).values(**values))


def name_message(tx: WriteTx, keys: Sequence[int], message_key: int) -> None:
    """Note which message said what these notes say now."""
    if keys:
        tx.execute(update(clinical_notes).where(_COLUMNS.key.in_(keys)).values(message_key=message_key))


def forget(tx: WriteTx, before: datetime) -> int:
    """Forget the notes that were heard before and return how many; their documents are swept once nothing names them."""
    old = select(_COLUMNS.key).where(_COLUMNS.heard_at < before)
    tx.execute(delete(note_documents).where(note_documents.c.note_key.in_(old)))
    return int(tx.execute(delete(clinical_notes).where(_COLUMNS.heard_at < before)).rowcount)


def _put_documents(tx: WriteTx, key: int, documents: Sequence[ReportDocument]) -> None:
    for one in documents:
        values = {"title": one.title, "content_type": one.content_type, "size_bytes": one.size_bytes}
        insert_row(tx, note_documents, note_key=key, digest=one.digest, **values)


def _values(draft: NoteDraft, said_at: datetime, at: datetime) -> dict[str, Any]:
    content = draft.content
    return {
        "parent": identity_of(draft.parent),
        "relation": draft.relation.value,
        "kind": content.kind,
        "code_value": content.code.code_value,
        "coding_scheme_designator": content.code.coding_scheme_designator,
        "code_meaning": content.code.code_meaning,
        "status": content.status.value,
        "written_local": content.written_local,
        "written_at": content.written_at,
        "author": content.author,
        "sections": [[one.title, one.text] for one in content.sections],
        "said_at": said_at,
        "heard_at": at,
    }


def _list(tx: ReadTx, *clauses: ColumnElement[bool]) -> list[ClinicalNote]:
    rows = tx.execute(select(clinical_notes).where(*clauses).order_by(_COLUMNS.key)).all()
    query = select(note_documents).where(note_documents.c.note_key.in_([row.key for row in rows]))
    found: dict[int, list[ReportDocument]] = {row.key: [] for row in rows}
    for one in tx.execute(query.order_by(note_documents.c.key)) if rows else ():
        found[one.note_key].append(ReportDocument(one.title, one.content_type, one.size_bytes, one.digest, one.key))
    return [_note(row, tuple(found[row.key])) for row in rows]


def _note(row: Row[Any], documents: tuple[ReportDocument, ...]) -> ClinicalNote:
    content = NoteContent(
        row.kind,
        Code(row.code_value, row.coding_scheme_designator, row.code_meaning),
        NoteStatus(row.status),
        row.written_local,
        row.written_at,
        row.author,
        tuple(ReportSection(title, text) for title, text in row.sections),
        documents,
    )
    named = named_people.named_in(row)
    relation = Relation(row.relation)
    return ClinicalNote(
        row.key, row.identity, named, content, row.said_at, row.parent, relation, row.patient_key, row.is_test
    )
