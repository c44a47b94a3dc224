"""How far the orders of each FHIR server were fetched, by that server's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import fhir_bookmarks


@dataclass(frozen=True, slots=True)
class Bookmark:
    """since: the newest lastUpdated seen, as its server wrote it, "" for none. failures: how often in a row it failed, why."""

    server: str
    since: str = ""
    read_at: datetime | None = None
    fault: str = ""
    failures: int = 0


def of_server(tx: ReadTx, server: str) -> Bookmark:
    """Return where *server* stands."""
    row = tx.execute(select(fhir_bookmarks).where(fhir_bookmarks.c.server == server)).first()
    return Bookmark(server) if row is None else Bookmark(row.server, row.since, row.read_at, row.fault, row.failures)


def put(tx: WriteTx, bookmark: Bookmark) -> None:
    """Keep where a server stands now."""
    values = {name: getattr(bookmark, name) for name in Bookmark.__slots__}
    same = fhir_bookmarks.c.server == bookmark.server
    if not tx.execute(update(fhir_bookmarks).where(same).values(**values)).rowcount:
        insert_row(tx, fhir_bookmarks, **values)
