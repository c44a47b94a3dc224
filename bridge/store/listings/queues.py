"""What waits for people: mismatches, merges that can be undone, deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from bridge.domain.case_risk import CaseRisk
from bridge.store import case_proposals, looks, patients, questions
from bridge.store import deliveries as outbox
from bridge.store.case_proposals import CaseProposal
from bridge.store.db import ReadTx
from bridge.store.deliveries import Delivery, DeliveryState
from bridge.store.listings import image_warnings
from bridge.store.listings.people import Person, by_key
from bridge.store.questions import Question
from bridge.store.tables import instances, merges, mismatches, studies


@dataclass(frozen=True, slots=True)
class MismatchRow:
    """
    One study in the intake desk's queue. received: whom its header names. warnings: kinds to the number of objects; looks: subjects
    of its checklist to sentences; question: what its technologist was asked last; proposal: what waits for a second person.
    """

    key: int
    study_key: int
    study_instance_uid: str
    rule: str
    sentence: str
    opened_at: datetime
    state: str
    received: Person
    received_accession_number: str
    modality: str
    source_ae_title: str
    instance_count: int
    closed_at: datetime | None = None
    closed_by: str = ""
    outcome: str = ""
    warnings: Mapping[str, int] = field(default_factory=dict)
    risk: CaseRisk = CaseRisk.ROUTINE
    looks: Mapping[str, str] = field(default_factory=dict)
    question: Question | None = None
    proposal: CaseProposal | None = None


@dataclass(frozen=True, slots=True)
class MergeRow:
    """
    One merge, move or changed number. survivor: whose it is since, retired: whose it was.

    number, new_number: what ended and what stands instead, "number (issuer)". undo_note: what an undo left behind.
    """

    key: int
    kind: str
    survivor: Person | None
    retired: Person | None
    merged_at: datetime
    message_key: int | None
    undone_at: datetime | None
    undone_by: str
    undo_reason: str
    undo_note: str
    number: str
    new_number: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery with what it is about, in words without patient data. exam: id of its exam, "" if none."""

    delivery: Delivery
    study_instance_uid: str
    study_state: str
    exam: str


def open_mismatches(tx: ReadTx, *, before: int | None, limit: int, closed: bool = False) -> list[MismatchRow]:
    """Return the queue, newest first; closed: what was decided instead."""
    if closed:
        query = select(mismatches.c.key).where(mismatches.c.closed_at.is_not(None)).order_by(mismatches.c.key.desc())
    else:
        # Not the bare key: planners would walk all that was ever closed instead of the index of what is open.
        query = select(mismatches.c.key).where(mismatches.c.closed_at.is_(None)).order_by((mismatches.c.key + 0).desc())
    query = query.limit(limit)
    if before is not None:
        query = query.where(mismatches.c.key < before)
    return mismatches_by_key(tx, list(tx.execute(query).scalars()))


def mismatches_by_key(tx: ReadTx, keys: list[int]) -> list[MismatchRow]:
    """Return these rows of the queue, newest first."""
    query = select(*_SHOWN_OF_MISMATCHES).join(studies, studies.c.key == mismatches.c.study_key)
    found = list(tx.execute(query.where(mismatches.c.key.in_(keys)).order_by(mismatches.c.key.desc())))
    numbers = _instance_counts(tx, [row.study_key for row in found])
    warned = image_warnings.of_studies(tx, [row.study_key for row in found])
    rows = ((row, _mismatch_row(row, numbers.get(row.study_key, 0))) for row in found)
    looked = looks.waiting_of(tx, [row.study_key for row in found])
    asked = questions.of_studies(tx, [row.study_key for row in found])
    proposed = case_proposals.waiting(tx, [row.study_key for row in found])
    return [
        replace(
            shown,
            warnings=warned.get(row.study_key, {}),
            looks=looked.get(row.study_key, {}),
            question=next(iter(asked.get(row.study_key, ())), None),
            proposal=proposed.get(row.study_key),
        )
        for row, shown in rows
    ]


_SHOWN_OF_MISMATCHES = (
    *mismatches.c,
    studies.c.study_instance_uid,
    studies.c.state,
    studies.c.received,
    studies.c.received_patient_id,
    studies.c.received_issuer_of_patient_id,
    studies.c.received_patient_name,
    studies.c.received_patient_birth_date,
    studies.c.received_accession_number,
    studies.c.source_ae_title,
)


def _mismatch_row(row: Row[Any], instance_count: int) -> MismatchRow:
    return MismatchRow(
        key=row.key,
        study_key=row.study_key,
        study_instance_uid=row.study_instance_uid,
        rule=row.rule,
        sentence=row.sentence,
        opened_at=row.opened_at,
        state=row.state,
        received=Person(
            0,
            row.received_patient_name,
            row.received_patient_id,
            row.received_issuer_of_patient_id,
            row.received_patient_birth_date,
            str(row.received.get("patient_sex", "")),
        ),
        received_accession_number=row.received_accession_number,
        modality=str(row.received.get("modality", "")),
        source_ae_title=row.source_ae_title,
        instance_count=instance_count,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        outcome=row.outcome,
        risk=CaseRisk(row.risk),
    )


def merge_rows(tx: ReadTx, *, before: int | None, limit: int, of_message: int | None = None) -> list[MergeRow]:
    """Return merges, newest first: all, or those that one message made."""
    query = select(merges).order_by(merges.c.key.desc()).limit(limit)
    if of_message is not None:
        query = query.where(merges.c.message_key == of_message)
    if before is not None:
        query = query.where(merges.c.key < before)
    found = list(tx.execute(query))
    people = by_key(tx, [key for row in found for key in (row.survivor_key, row.retired_key)])
    return [
        MergeRow(
            row.key,
            row.kind,
            people.get(row.survivor_key),
            people.get(row.retired_key),
            row.merged_at,
            row.message_key,
            row.undone_at,
            row.undone_by,
            row.undo_reason,
            row.undo_note,
            _numbered(row.number, row.issuer_of_number),
            _numbered(row.new_number, row.issuer_of_new_number),
        )
        for row in found
    ]


def deleted_records(tx: ReadTx, limit: int) -> list[Person]:
    """Return the people whose record registration deleted though it has orders or images, newest first."""
    keys = patients.inactive_with_exams(tx, limit)
    people = by_key(tx, keys)
    return [people[key] for key in keys]


def _numbered(value: str, issuer: str) -> str:
    return f"{value} ({issuer})" if issuer else value


def delivery_rows(tx: ReadTx, *, state: str, before: int | None, limit: int) -> list[DeliveryRow]:
    """Return deliveries, newest first; state "" for all of them. Raises: ValueError, for a state that is none."""
    found = outbox.search(tx, DeliveryState(state) if state else None, limit, before)
    return with_studies(tx, found)


def with_studies(tx: ReadTx, found: list[Delivery]) -> list[DeliveryRow]:
    """Return *found* with the studies they are about."""
    keys = [one.study_key for one in found if one.study_key is not None]
    columns = (studies.c.key, studies.c.study_instance_uid, studies.c.state, studies.c.order_key)
    known = {row.key: row for row in tx.execute(select(*columns).where(studies.c.key.in_(keys)))}
    rows = []
    for one in found:
        study = known.get(one.study_key) if one.study_key is not None else None
        order_key = one.order_key or (study.order_key if study is not None else None)
        exam = f"order-{order_key}" if order_key else (f"study-{study.key}" if study is not None else "")
        uid, state = (study.study_instance_uid, study.state) if study is not None else ("", "")
        rows.append(DeliveryRow(one, uid, state, exam))
    return rows


def _instance_counts(tx: ReadTx, study_keys: list[int]) -> dict[int, int]:
    shown = (instances.c.study_key.in_(study_keys), instances.c.withheld == "")
    query = select(instances.c.study_key, func.count()).where(*shown)
    return {row[0]: int(row[1]) for row in tx.execute(query.group_by(instances.c.study_key))}
