"""When rows changed last, and how often: what a resource's version is named after."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Table, select

from bridge.store.db import ReadTx
from bridge.store.tables import authorizations, orders, patients


def of_patients(tx: ReadTx, keys: Iterable[int]) -> dict[int, tuple[str, datetime]]:
    """Return the version of each of these records, and since when it stands."""
    return _of(tx, patients, keys)


def of_orders(tx: ReadTx, keys: Iterable[int]) -> dict[int, tuple[str, datetime]]:
    """Return the version of each of these orders, and since when it stands."""
    return _of(tx, orders, keys)


def of_authorizations(tx: ReadTx, keys: Iterable[int]) -> dict[int, datetime]:
    """Return when each of these authorizations changed last."""
    c = authorizations.c
    return {row.key: row.updated_at for row in tx.execute(select(c.key, c.updated_at).where(c.key.in_(list(keys))))}


def _of(tx: ReadTx, table: Table, keys: Iterable[int]) -> dict[int, tuple[str, datetime]]:
    c = table.c
    rows = tx.execute(select(c.key, c.version, c.updated_at).where(c.key.in_(list(keys))))
    return {row.key: (str(row.version), row.updated_at) for row in rows}
