"""What stands on FHIR servers of an exam beside its studies: what was performed, reports, documents, orders' states."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from bridge.domain.chart import ENDED, ORDER
from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import chart_parts as table

_c = table.c


@dataclass(frozen=True, slots=True)
class ChartPart:
    """
    One resource on one server. of_work: what it is about, as its deliveries say.

    patient_key: whom we meant by it. status, version: as the server had it when we last wrote or looked.
    """

    server: str
    of_work: str
    reference: str
    version: str
    status: str
    patient_key: int | None
    content_digest: str
    at: datetime


def of_work(tx: ReadTx, server: str, work: str) -> list[ChartPart]:
    """Return what we put on *server* of one thing, withdrawn or not, oldest first."""
    rows = tx.execute(select(table).where(_c.server == server, _c.of_work == work).order_by(_c.key))
    return [_part(row) for row in rows]


def names_of(tx: ReadTx, server: str, references: Collection[str]) -> dict[str, str]:
    """Return the name of the part that each of these resources is of, by reference; of what is no part nothing."""
    wanted = select(_c.reference, _c.of_work).where(_c.server == server, _c.reference.in_(references))
    return {row.reference: row.of_work for row in tx.execute(wanted)}


def standing(
    tx: ReadTx, server: str, *, limit: int, after: int = 0, newest_first: bool = False
) -> list[tuple[int, ChartPart]]:
    """
    Return what of ours stands at *server* with the keys of its rows: beyond the row *after*, or the newest.

    An order is the EHR's own: whatever becomes of it there is no loss of ours.
    """
    mine = (_c.server == server, _c.key > after, _c.status.not_in(ENDED), ~_c.of_work.startswith(f"{ORDER}:"))
    query = select(table).where(*mine).order_by(_c.key.desc() if newest_first else _c.key).limit(limit)
    return [(row.key, _part(row)) for row in tx.execute(query)]


def put(tx: WriteTx, part: ChartPart) -> None:
    """Store what stands now, over what was known of the same resource."""
    values = {name: getattr(part, name) for name in ChartPart.__slots__}
    here = (_c.server == part.server, _c.of_work == part.of_work, _c.reference == part.reference)
    if not tx.execute(update(table).where(*here).values(**values)).rowcount:
        tx.execute(insert(table).values(**values))


def end(tx: WriteTx, part: ChartPart) -> None:
    """Note that a resource is in nobody's chart any more; whom we meant by it stays."""
    here = (_c.server == part.server, _c.of_work == part.of_work, _c.reference == part.reference)
    if not tx.execute(update(table).where(*here).values(status=part.status, content_digest="", at=part.at)).rowcount:
        put(tx, part)


def _part(row: Row[Any]) -> ChartPart:
    return ChartPart(**{name: getattr(row, name) for name in ChartPart.__slots__})
