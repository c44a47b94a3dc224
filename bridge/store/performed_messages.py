"""Every N-CREATE and N-SET as it was received, and how far each receiver of ours has heard of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.domain.performed import AttributeList
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import performed_forwards, performed_messages

CREATE = "create"
SET = "set"
_REFUSED_MAX = 200
_REFUSED_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True)
class PerformedMessage:
    """
    One request. performed_step_key: None for one that was refused. status: as answered.

    operation: CREATE or SET. comment: the reason of a refusal.
    """

    performed_step_key: int | None
    operation: str
    sop_instance_uid: str
    calling_ae_title: str
    received: AttributeList
    status: int = 0
    comment: str = ""
    received_at: datetime | None = None
    key: int = 0


def add(tx: WriteTx, message: PerformedMessage, at: datetime) -> int:
    """Keep *message* and return its key."""
    return insert_row(
        tx,
        performed_messages,
        performed_step_key=message.performed_step_key,
        operation=message.operation,
        sop_instance_uid=message.sop_instance_uid,
        calling_ae_title=message.calling_ae_title,
        received_at=at,
        transfer_syntax_uid=message.received.transfer_syntax_uid,
        status=message.status,
        comment=message.comment,
        attributes=message.received.data,
    )


def of_step(tx: ReadTx, performed_step_key: int, after: int = 0) -> list[PerformedMessage]:
    """Return what was said of a performed step behind the message in row *after*, oldest first."""
    table = performed_messages
    query = select(table).where(table.c.performed_step_key == performed_step_key, table.c.key > after)
    return [_message(row) for row in tx.execute(query.order_by(table.c.key))]


def refused(tx: ReadTx, limit: int = 50) -> list[PerformedMessage]:
    """Return what was refused, newest first."""
    table = performed_messages
    query = select(table).where(table.c.performed_step_key.is_(None)).order_by(table.c.key.desc()).limit(limit)
    return [_message(row) for row in tx.execute(query)]


def trim_refused(tx: WriteTx) -> None:
    """Forget the oldest of what was refused, beyond a number and a size that a broken device cannot exceed."""
    table = performed_messages
    size = func.length(table.c.attributes)
    query = select(table.c.key, size).where(table.c.performed_step_key.is_(None)).order_by(table.c.key.desc())
    kept, room = 0, _REFUSED_BYTES_MAX
    for key, length in tx.execute(query).all():
        kept, room = kept + 1, room - length
        if kept > _REFUSED_MAX or room < 0:
            tx.execute(delete(table).where(table.c.performed_step_key.is_(None), table.c.key <= key))
            return


def sent_through(tx: ReadTx, performed_step_key: int, destination: str) -> int:
    """Return the last message of a performed step that *destination* took, 0 if it took none."""
    table = performed_forwards
    query = select(table.c.sent_through).where(
        table.c.performed_step_key == performed_step_key, table.c.destination == destination
    )
    return int(tx.execute(query).scalar() or 0)


def note_sent(tx: WriteTx, performed_step_key: int, destination: str, message_key: int, at: datetime) -> None:
    """Note that *destination* has everything up to the message in row *message_key*; 0: it has nothing (any more)."""
    dialect_insert: Any = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    statement = dialect_insert(performed_forwards).values(
        performed_step_key=performed_step_key, destination=destination, sent_through=message_key, sent_at=at
    )
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["performed_step_key", "destination"],
            set_={"sent_through": statement.excluded.sent_through, "sent_at": statement.excluded.sent_at},
        )
    )


def _message(row: Any) -> PerformedMessage:
    return PerformedMessage(
        performed_step_key=row.performed_step_key,
        operation=row.operation,
        sop_instance_uid=row.sop_instance_uid,
        calling_ae_title=row.calling_ae_title,
        received=AttributeList(bytes(row.attributes), row.transfer_syntax_uid),
        status=row.status,
        comment=row.comment,
        received_at=row.received_at,
        key=row.key,
    )
