"""What stands on FHIR servers of an exam beside its studies: what was performed, reports, documents, orders' states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

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
    return [ChartPart(**{name: getattr(row, name) for name in ChartPart.__slots__}) for row in rows]


def put(tx: WriteTx, part: ChartPart) -> None:
    """Store what stands now, over what was known of the same resource."""
    values = {name: getattr(part, name) for name in ChartPart.__slots__}
    here = (_c.server == part.server, _c.of_work == part.of_work, _c.reference == part.reference)
    if not tx.execute(update(table).where(*here).values(**values)).rowcount:
        tx.execute(insert(table).values(**values))


def end(tx: WriteTx, server: str, work: str, reference: str, status: str, at: datetime) -> None:
    """Note that a resource is in nobody's chart any more."""
    here = (_c.server == server, _c.of_work == work, _c.reference == reference)
    tx.execute(update(table).where(*here).values(status=status, content_digest="", at=at))
