"""The message list: rows without the raw bytes, which only the message page reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from bridge.store.db import ReadTx
from bridge.store.listings import exams
from bridge.store.listings.exams import ExamRow
from bridge.store.tables import events, message_subjects, messages, orders


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message on one line."""

    key: int
    received_at: datetime
    peer: str
    sending_application: str
    sending_facility: str
    control_id: str
    message_type: str
    site: str
    state: str
    answer_code: str
    error_code: str
    error_where: str
    error_detail: str
    is_test: bool
    times_received: int


_SHOWN = [messages.c[name] for name in MessageRow.__slots__]


def by_keys(tx: ReadTx, keys: Sequence[int]) -> list[MessageRow]:
    """Return these messages, newest first."""
    query = select(*_SHOWN).where(messages.c.key.in_(keys)).order_by(messages.c.key.desc())
    return [MessageRow(*row) for row in tx.execute(query)]


def subjects(tx: ReadTx, message_key: int) -> tuple[list[ExamRow], list[int]]:
    """Return the exams and the patients (their rows) that a message touched."""
    query = select(message_subjects.c.order_key, message_subjects.c.patient_key)
    rows = list(tx.execute(query.where(message_subjects.c.message_key == message_key).limit(50)))
    order_keys = [row.order_key for row in rows if row.order_key is not None]
    people = [row.patient_key for row in rows if row.patient_key is not None]
    return exams.of_orders(tx, order_keys), list(dict.fromkeys(people))


def deeds(tx: ReadTx, message_key: int, order_keys: Sequence[int]) -> list[tuple[str, str]]:
    """Return what a message did to these orders: each line of their timelines that it wrote, with the accession number."""
    query = (
        select(events.c.what, orders.c.accession_number)
        .join(orders, orders.c.key == events.c.order_key)
        .where(
            events.c.order_key.in_(order_keys),
            events.c.source_kind == "message",
            events.c.source_id == str(message_key),
        )
        .order_by(events.c.key)
    )
    return [(row.what, row.accession_number) for row in tx.execute(query.limit(50))]
