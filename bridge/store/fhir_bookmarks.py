"""How far the orders of each FHIR server were fetched, by that server's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from bridge.store.db import ReadTx, WriteTx, insert_row, lock
from bridge.store.tables import fhir_bookmarks

_COLUMNS = fhir_bookmarks.c


@dataclass(frozen=True, slots=True)
class Bookmark:
    """
    since: the newest lastUpdated seen, as its server wrote it, "" for none. failures: how often in a row it failed, why.

    told: how often its server said that something changed; taken: how many of those the last reading knew of.
    """

    server: str
    since: str = ""
    read_at: datetime | None = None
    fault: str = ""
    failures: int = 0
    told: int = 0
    taken: int = 0

    @property
    def is_told_of_more(self) -> bool:
        return self.told != self.taken


def of_server(tx: ReadTx, server: str) -> Bookmark:
    """Return where *server* stands."""
    shown = [_COLUMNS[name] for name in Bookmark.__slots__]
    row = tx.execute(select(*shown).where(_COLUMNS.server == server)).first()
    return Bookmark(server) if row is None else Bookmark(*row)


def put(tx: WriteTx, bookmark: Bookmark) -> None:
    """Keep where a server stands now, but for what it told meanwhile."""
    _lock(tx, bookmark.server)
    values = {name: getattr(bookmark, name) for name in Bookmark.__slots__ if name != "told"}
    if not tx.execute(update(fhir_bookmarks).where(_COLUMNS.server == bookmark.server).values(**values)).rowcount:
        insert_row(tx, fhir_bookmarks, told=bookmark.told, **values)


def note_told(tx: WriteTx, server: str) -> None:
    """Note that a server said that something changed there."""
    _lock(tx, server)
    more = update(fhir_bookmarks).where(_COLUMNS.server == server).values(told=_COLUMNS.told + 1)
    if not tx.execute(more).rowcount:
        put(tx, Bookmark(server, told=1))


def _lock(tx: WriteTx, server: str) -> None:
    # What is told, and the end of the first reading, may both be the first to write of a server.
    lock(tx, f"fhir-bookmark:{server}")
