"""The keys by which a program repeats an order, each with the order that it made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import order_entries


@dataclass(frozen=True, slots=True)
class Entry:
    """One order as it was sent. digest: of the bytes."""

    actor: str
    idempotency_key: str
    digest: str
    order_key: int


def find(tx: ReadTx, actor: str, idempotency_key: str) -> Entry | None:
    """Return what *actor* sent with a key, None if nothing."""
    query = select(order_entries).where(
        order_entries.c.actor == actor, order_entries.c.idempotency_key == idempotency_key
    )
    row = tx.execute(query).first()
    return None if row is None else Entry(row.actor, row.idempotency_key, row.digest, row.order_key)


def add(tx: WriteTx, entry: Entry, at: datetime) -> None:
    """Keep a key with its order."""
    insert_row(
        tx,
        order_entries,
        actor=entry.actor,
        idempotency_key=entry.idempotency_key,
        digest=entry.digest,
        order_key=entry.order_key,
        entered_at=at,
    )
