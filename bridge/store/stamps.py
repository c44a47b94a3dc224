"""Facts about this database, by name."""

from __future__ import annotations

from sqlalchemy import insert, select

from bridge.store.db import ReadTx, WriteTx, lock
from bridge.store.tables import stamps


def get(tx: ReadTx, name: str) -> str | None:
    """Return the fact *name*, None if nobody has noted it."""
    value: str | None = tx.execute(select(stamps.c.value).where(stamps.c.name == name)).scalar()
    return value


def put_new(tx: WriteTx, name: str, value: str) -> None:
    """Note a fact, unless it is noted already."""
    lock(tx, f"stamp:{name}")
    if get(tx, name) is None:
        tx.execute(insert(stamps).values(name=name, value=value))
