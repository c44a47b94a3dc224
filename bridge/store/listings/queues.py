"""What waits for people: mismatches, merges that can be undone, deliveries, authorizations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, or_, select

from bridge.domain.authorization import Authorization
from bridge.domain.case_risk import CaseRisk
from bridge.domain.study import BOUND_STATES
from bridge.store import authorizations as claims
from bridge.store import case_proposals, looks, patients, questions
from bridge.store import deliveries as outbox
from bridge.store.case_proposals import CaseProposal
from bridge.store.db import ReadTx
from bridge.store.deliveries import Delivery, DeliveryState
from bridge.store.listings import image_warnings
from bridge.store.listings.people import Person, by_key, keys_by_name, keys_by_number
from bridge.store.questions import Question
from bridge.store.tables import attachments, authorizations, instances, merges, mismatches, orders, studies


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


@dataclass(frozen=True, slots=True)
class AuthorizationRow:
    """One authorization. attached: number of attachments by state."""

    authorization: Authorization
    patient: Person | None
    accession_number: str
    attached: dict[str, int]


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


def authorization_rows(tx: ReadTx, text: str, *, before: int | None, limit: int) -> list[AuthorizationRow]:
    """Return authorizations, newest first; text: what `authorization_keys` takes, "" for all of them."""
    if text:
        return authorizations_by_key(tx, authorization_keys(tx, text, before=before, limit=limit))
    query = select(authorizations.c.key).order_by(authorizations.c.key.desc()).limit(limit)
    if before is not None:
        query = query.where(authorizations.c.key < before)
    return authorizations_by_key(tx, list(tx.execute(query).scalars()))


def authorization_keys(tx: ReadTx, text: str, *, before: int | None = None, limit: int) -> list[int]:
    """Return authorizations, newest first, by number, accession number, patient number or beginning of a name."""
    ordered = select(orders.c.key).where(orders.c.accession_number == text)
    people = keys_by_number(tx, text) or keys_by_name(tx, text)
    query = select(authorizations.c.key).order_by(authorizations.c.key.desc()).limit(limit)
    if before is not None:
        query = query.where(authorizations.c.key < before)
    found = query.where(
        or_(
            authorizations.c.key.in_(claims.keys_by_number(tx, text)),
            authorizations.c.order_key.in_(ordered),
            authorizations.c.patient_key.in_(people),
        )
    )
    return list(tx.execute(found).scalars())


def authorizations_by_key(tx: ReadTx, keys: list[int]) -> list[AuthorizationRow]:
    """Return these authorizations in this order."""
    found = [claims.get(tx, key) for key in keys]
    people = by_key(tx, (one.patient_key for one in found))
    order_keys = [one.order_key for one in found if one.order_key is not None]
    columns = select(orders.c.key, orders.c.accession_number).where(orders.c.key.in_(order_keys))
    accessions = {row.key: row.accession_number for row in tx.execute(columns)}
    tally: dict[int, dict[str, int]] = {key: {} for key in keys}
    counted = (
        select(attachments.c.authorization_key, attachments.c.state, func.count())
        .where(attachments.c.authorization_key.in_(keys))
        .group_by(attachments.c.authorization_key, attachments.c.state)
    )
    for row in tx.execute(counted):
        tally[row[0]][row[1]] = int(row[2])
    return [
        AuthorizationRow(one, people.get(one.patient_key), accessions.get(one.order_key or 0, ""), tally[one.key])
        for one in found
    ]


def bound_studies_of(tx: ReadTx, patient_key: int, limit: int = 50) -> list[tuple[int, str]]:
    """Return (key, Study Instance UID) of a patient's bound studies, newest first."""
    query = select(studies.c.key, studies.c.study_instance_uid, studies.c.state)
    query = query.where(studies.c.patient_key == patient_key).order_by(studies.c.key.desc()).limit(limit)
    return [(row.key, row.study_instance_uid) for row in tx.execute(query) if row.state in BOUND_STATES]


def _instance_counts(tx: ReadTx, study_keys: list[int]) -> dict[int, int]:
    shown = (instances.c.study_key.in_(study_keys), instances.c.withheld == "")
    query = select(instances.c.study_key, func.count()).where(*shown)
    return {row[0]: int(row[1]) for row in tx.execute(query.group_by(instances.c.study_key))}
