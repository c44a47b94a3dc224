"""The search box: one text, tried as each kind of number by index, then as a name; it says what it recognised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select

from bridge.store import authorizations as claims
from bridge.store.db import ReadTx
from bridge.store.listings import exams
from bridge.store.listings.exams import ExamRow
from bridge.store.listings.people import keys_by_name, keys_by_number
from bridge.store.tables import (
    attachments,
    instances,
    message_subjects,
    messages,
    orders,
    performed_steps,
    series,
    studies,
)

LIMIT = 50
_UID = re.compile(r"[0-9]+(\.[0-9]+){2,}")


@dataclass(frozen=True, slots=True)
class Found:
    """What a text led to. recognised: a noun for people ("accession number"), "" if nothing fits."""

    recognised: str
    exams: tuple[ExamRow, ...] = ()


def find(tx: ReadTx, text: str, *, unbound: bool) -> Found:
    """Return the exams that *text* leads to, newest first, at most fifty. unbound: with studies nobody bound yet."""
    text = text.strip()[:200]
    if not text:
        return Found("")
    for noun, look in _LOOKS:
        rows = look(tx, text, unbound)
        if rows:
            return Found(noun, tuple(rows[:LIMIT]))
    return Found("")


def subject_keys(tx: ReadTx, text: str, limit: int) -> list[int]:
    """Return the messages about the exams or the patient that *text* leads to, newest first."""
    order_keys = [row.order_key for row in find(tx, text, unbound=False).exams if row.order_key is not None]
    about = [message_subjects.c.order_key.in_(order_keys), message_subjects.c.patient_key.in_(keys_by_number(tx, text))]
    query = select(message_subjects.c.message_key).where(or_(*about)).distinct()
    return sorted(tx.execute(query.limit(limit)).scalars(), reverse=True)


def _by_uid(tx: ReadTx, text: str, unbound: bool) -> list[ExamRow]:
    if not _UID.fullmatch(text):
        return []
    found = list(tx.execute(select(studies.c.key).where(studies.c.study_instance_uid == text)).scalars())
    found += tx.execute(select(series.c.study_key).where(series.c.series_instance_uid == text)).scalars()
    found += tx.execute(select(instances.c.study_key).where(instances.c.sop_instance_uid == text)).scalars()
    performed = select(performed_steps.c.study_instance_uid).where(performed_steps.c.sop_instance_uid == text)
    uids = [text, *tx.execute(performed).scalars()]
    ordered = _orders(tx, orders.c.study_instance_uid.in_(uids), unbound)
    return _distinct(exams.of_studies(tx, found, unbound=unbound) + ordered)


def _by_accession(tx: ReadTx, text: str, unbound: bool) -> list[ExamRow]:
    found = _orders(tx, orders.c.accession_number == text, unbound)
    if unbound:
        claimed = select(studies.c.key).where(
            studies.c.received_accession_number == text, studies.c.order_key.is_(None)
        )
        found += exams.of_studies(tx, list(tx.execute(claimed.limit(LIMIT)).scalars()), unbound=True)
    return _distinct(found)


def _by_order_number(tx: ReadTx, text: str, unbound: bool) -> list[ExamRow]:
    numbers = (orders.c.placer_order_number, orders.c.filler_order_number, orders.c.requested_procedure_id)
    return _distinct([row for column in numbers for row in _orders(tx, column == text, unbound)])


def _by_patient_id(tx: ReadTx, text: str, unbound: bool) -> list[ExamRow]:
    found = exams.of_patients(tx, keys_by_number(tx, text), limit=LIMIT, unbound=unbound)
    if unbound:
        claimed = select(studies.c.key).where(studies.c.received_patient_id == text, studies.c.patient_key.is_(None))
        found += exams.of_studies(tx, list(tx.execute(claimed.limit(LIMIT)).scalars()), unbound=True)
    return _distinct(found)


def _by_control_id(tx: ReadTx, text: str, unbound: bool) -> list[ExamRow]:
    query = (
        select(message_subjects.c.order_key, message_subjects.c.patient_key)
        .join(messages, messages.c.key == message_subjects.c.message_key)
        .where(messages.c.control_id == text)
    )
    subjects = list(tx.execute(query.limit(LIMIT)))
    ordered = exams.of_orders(tx, [row.order_key for row in subjects if row.order_key is not None])
    if ordered:
        return ordered
    people = [row.patient_key for row in subjects if row.patient_key is not None]
    return exams.of_patients(tx, people, limit=LIMIT, unbound=unbound)


def _by_authorization(tx: ReadTx, text: str, unbound: bool) -> list[ExamRow]:
    found = [claims.get(tx, key) for key in claims.keys_by_number(tx, text)[:LIMIT]]
    keys = [row.key for row in found]
    attached = select(attachments.c.study_key).where(attachments.c.authorization_key.in_(keys)).distinct()
    rows = exams.of_orders(tx, [row.order_key for row in found if row.order_key is not None])
    rows += exams.of_studies(tx, list(tx.execute(attached).scalars()), unbound=unbound)
    return _distinct(rows or exams.of_patients(tx, [row.patient_key for row in found], limit=LIMIT, unbound=unbound))


def _by_name(tx: ReadTx, text: str, unbound: bool) -> list[ExamRow]:
    return exams.of_patients(tx, keys_by_name(tx, text), limit=LIMIT, unbound=unbound)


_LOOKS = (
    ("UID", _by_uid),
    ("accession number", _by_accession),
    ("order number", _by_order_number),
    ("patient number", _by_patient_id),
    ("message control ID", _by_control_id),
    ("authorization number", _by_authorization),
    ("name", _by_name),
)


def _orders(tx: ReadTx, clause: ColumnElement[bool], unbound: bool) -> list[ExamRow]:
    query = select(orders.c.key).where(clause).order_by(orders.c.key.desc()).limit(LIMIT)
    return exams.of_orders(tx, list(tx.execute(query).scalars()), unbound=unbound)


def _distinct(rows: Sequence[ExamRow]) -> list[ExamRow]:
    return list({row.id: row for row in rows}.values())
