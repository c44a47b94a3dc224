"""The accession numbers of many orders at once."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from bridge.store.db import ReadTx
from bridge.store.tables import orders


def by_order(tx: ReadTx, order_keys: Iterable[int | None]) -> dict[int, str]:
    """Return the accession number of each of these orders; "" for one without."""
    wanted = list({key for key in order_keys if key is not None})
    found = tx.execute(select(orders.c.key, orders.c.accession_number).where(orders.c.key.in_(wanted)))
    return {row.key: row.accession_number for row in found}
