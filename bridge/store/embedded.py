"""The embedded database as a file: where it lies, a copy of it at one moment, what a restored one must forget."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import and_, delete, exists, select, union, update
from sqlalchemy.engine import make_url

from bridge.clock import Clock
from bridge.errors import Unsupported
from bridge.store import audit, objects
from bridge.store.db import Store, WriteTx
from bridge.store.deliveries import HoldKind
from bridge.store.tables import (
    conflicting_instances,
    deliveries,
    instances,
    interchanges,
    note_documents,
    packet_files,
    payer_files,
    report_documents,
    stamps,
)

_HELD = "restored from a backup: the other side may be ahead, look before sending"


def database_file(url: str) -> Path:
    """Return where the embedded database of *url* lies. Raises: Unsupported for PostgreSQL, which has its own tools."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise Unsupported("for embedded storage only; PostgreSQL has pg_dump", where="store.database")
    return Path(parsed.database)


def copy_database(source: Path, target: Path) -> None:
    """Write *source*, which may be in use, to *target* as it is at one moment, durably."""
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def blobs_named_by(database: Path) -> list[str]:
    """Return every object that the rows of *database* name and that belongs here."""
    store = Store(f"sqlite:///{database}")
    with store.read() as tx:
        here = select(instances.c.blob).where(instances.c.removed_at.is_(None))
        others = (
            select(conflicting_instances.c.blob),
            select(report_documents.c.digest),
            select(note_documents.c.digest),
            select(packet_files.c.digest),
            select(payer_files.c.blob),
            select(interchanges.c.blob).where(interchanges.c.blob != ""),
        )
        named = list(tx.execute(union(here, *others)).scalars())
    store.dispose()
    return named


def damaged_in(database: Path) -> set[str]:
    """Return the objects that *database* knows to be damaged."""
    store = Store(f"sqlite:///{database}")
    with store.read() as tx:
        damaged = set(objects.damaged_names(tx))
    store.dispose()
    return damaged


def hold_every_delivery(tx: WriteTx, clock: Clock) -> None:
    """
    Let a restored database send nothing by itself, and give it an epoch of its own.

    What was held for an identity is held for the restore too: a release would let it go unseen.
    """
    under_way = deliveries.alias("under_way")
    same_work = and_(*(under_way.c[name] == deliveries.c[name] for name in ("topic", "destination", "order_of")))
    # One of each work may wait: what was queued behind one in flight becomes one with it.
    tx.execute(
        delete(deliveries)
        .where(deliveries.c.state.in_(("pending", "held")))
        .where(exists().where(same_work, under_way.c.state == "sending"))
    )
    tx.execute(
        update(deliveries)
        .where(deliveries.c.state.in_(("pending", "sending", "held")))
        .values(state="held", held_reason=_HELD, hold_kind=HoldKind.RESTORE.value)
        .values(lease_owner="", lease_until=None, fence=deliveries.c.fence + 1)
    )
    tx.execute(stamps.delete().where(stamps.c.name == "epoch"))
    tx.execute(stamps.insert().values(name="epoch", value=clock.new_id()))
    audit.add(tx, at=clock.now(), action="restored", actor="system")
