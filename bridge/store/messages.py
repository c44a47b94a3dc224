"""The journal of inbound HL7: raw bytes, the answer given, and what was made of it. Nothing acknowledged is missing here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from bridge.domain.message import InboundMessage, MessageState, Notice, Term, TraceLine
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import message_subjects, message_terms, messages

_PLAIN = (
    "received_at",
    "peer",
    "sending_application",
    "sending_facility",
    "control_id",
    "message_type",
    "message_at",
    "processing_id",
    "site",
    "charset",
    "digest",
    "raw",
    "answer",
    "answer_code",
    "error_code",
    "error_where",
    "error_detail",
    "is_test",
    "times_received",
    "edited_from",
)


_OF_SENDER = (
    messages.c.sending_application == bindparam("application"),
    messages.c.sending_facility == bindparam("facility"),
    messages.c.control_id == bindparam("control_id"),
)
_SAME = Prepared(select(messages).where(*_OF_SENDER, messages.c.digest == bindparam("digest")))
_ANY = Prepared(select(messages.c.key).where(*_OF_SENDER).limit(1))
_SAVE = Prepared(
    update(messages).where(messages.c.key == bindparam("at_key")), (*_PLAIN, "state", "trace", "notices", "stranger")
)
_ADD_SUBJECT = Prepared(insert(message_subjects), ["message_key", "patient_key", "order_key"])
_ADD_TERM = Prepared(insert(message_terms), ["value", "message_key", "kind", "issuer"])


def get(tx: ReadTx, key: int) -> InboundMessage:
    """Return the message in row *key*. Raises: LookupError."""
    row = tx.execute(select(messages).where(messages.c.key == key)).first()
    if row is None:
        raise LookupError(f"no message {key}")
    return _message(row)


def heard_before(
    tx: ReadTx, sender: tuple[str, str], control_id: str, digest: str
) -> tuple[InboundMessage | None, bool]:
    """
    Return the message that is this one, byte for byte, from this sender, and whether its control id came with other bytes.

    sender: application, facility. Another message's bytes are not looked for once the same ones are found.
    """
    said = {"application": sender[0], "facility": sender[1], "control_id": control_id}
    if _ANY.first(tx, **said) is None:
        return None, False
    row = _SAME.first(tx, **said, digest=digest)
    return (None, bool(control_id)) if row is None else (_message(row), False)


def add(tx: WriteTx, message: InboundMessage, *, stranger: bool = False) -> int:
    """Journal a message and return its row (its key is ignored)."""
    return insert_row(tx, messages, **_values(message), stranger=stranger, last_received_at=message.received_at)


def save(tx: WriteTx, message: InboundMessage, *, stranger: bool) -> None:
    """Store what a second reading of a journalled message came to. stranger: whether its sender is still nobody's."""
    _SAVE.run(tx, at_key=message.key, **_values(message), stranger=stranger)


def count_again(tx: WriteTx, key: int, at: datetime) -> None:
    """Note that the same bytes came once more and got the stored answer."""
    tx.execute(
        update(messages)
        .where(messages.c.key == key)
        .values(times_received=messages.c.times_received + 1, last_received_at=at)
    )


def add_subjects(tx: WriteTx, message_key: int, subjects: Iterable[tuple[int | None, int | None]]) -> None:
    """Keep which (patient, order) rows a message touched."""
    _ADD_SUBJECT.each(
        tx,
        (
            {"message_key": message_key, "patient_key": patient, "order_key": order}
            for patient, order in dict.fromkeys(subjects)
        ),
    )


def new_subjects(
    tx: ReadTx, message_key: int, subjects: Iterable[tuple[int | None, int | None]]
) -> list[tuple[int | None, int | None]]:
    """Return those of *subjects* that are not kept yet for a message that is read again."""
    query = select(message_subjects.c.patient_key, message_subjects.c.order_key)
    known = {tuple(row) for row in tx.execute(query.where(message_subjects.c.message_key == message_key))}
    return [subject for subject in subjects if subject not in known]


def add_terms(tx: WriteTx, message_key: int, terms: Sequence[Term]) -> None:
    """Keep the numbers by which a message is found."""
    _ADD_TERM.each(
        tx,
        (
            {"value": term.value, "message_key": message_key, "kind": term.kind.value, "issuer": term.issuer}
            for term in terms
        ),
    )


def replace_terms(tx: WriteTx, message_key: int, terms: Sequence[Term]) -> None:
    """Keep these numbers instead of those that an earlier reading found."""
    tx.execute(delete(message_terms).where(message_terms.c.message_key == message_key))
    add_terms(tx, message_key, terms)


def edits_of(tx: ReadTx, message_key: int) -> list[int]:
    """Return the messages that people made of this one, oldest first."""
    query = select(messages.c.key).where(messages.c.edited_from == message_key, messages.c.edited_from.is_not(None))
    return list(tx.execute(query.order_by(messages.c.key)).scalars())


def trim_strangers(tx: WriteTx, keep_rows: int, keep_bytes: int, keep_since: datetime) -> int:
    """
    Forget the oldest messages of unknown senders beyond a cap of rows, space and age; return how many went.

    Strangers cannot fill the disk; known senders' messages are never touched.
    """
    running = func.sum(func.length(messages.c.raw)).over(order_by=messages.c.key.desc())
    place = func.row_number().over(order_by=messages.c.key.desc())
    columns = (messages.c.key, messages.c.received_at, running.label("bytes"), place.label("place"))
    ranked = select(*columns).where(messages.c.stranger).subquery()
    over = (ranked.c.place > keep_rows) | (ranked.c.bytes > keep_bytes) | (ranked.c.received_at < keep_since)
    gone = list(tx.execute(select(ranked.c.key).where(over)).scalars())
    if gone:
        tx.execute(delete(message_terms).where(message_terms.c.message_key.in_(gone)))
        tx.execute(update(messages).where(messages.c.edited_from.in_(gone)).values(edited_from=None))
        tx.execute(delete(messages).where(messages.c.key.in_(gone)))
    return len(gone)


def _values(message: InboundMessage) -> dict[str, Any]:
    return {name: getattr(message, name) for name in _PLAIN} | {
        "state": message.state.value,
        "trace": [list(line) for line in message.trace],
        "notices": [asdict(notice) for notice in message.notices],
    }


def _message(row: Any) -> InboundMessage:
    return InboundMessage(
        key=row.key,
        state=MessageState(row.state),
        trace=tuple(TraceLine(*line) for line in row.trace),
        notices=tuple(Notice(**notice) for notice in row.notices),
        **{name: getattr(row, name) for name in _PLAIN},
    )


def site_of_order(tx: ReadTx, order_key: int) -> str:
    """Return the site of the message that an order came with, "" for one that was typed in."""
    query = (
        select(messages.c.site)
        .join(message_subjects, message_subjects.c.message_key == messages.c.key)
        .where(message_subjects.c.order_key == order_key)
        .order_by(messages.c.key)
        .limit(1)
    )
    return str(tx.execute(query).scalar() or "")
