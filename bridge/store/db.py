"""The transaction: `read()` sees one moment, `write()` commits on a clean exit and rolls back on any exception.

SQLite runs in WAL with synchronous=FULL (NORMAL loses acknowledged commits when the power goes) and begins every write
with BEGIN IMMEDIATE (a deferred one fails at once, whatever the busy timeout says, when another writer was faster).
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from bridge.errors import Misconfigured, Unavailable

ReadTx = Connection
WriteTx = Connection

_BUSY_MS = 2000
_WRITER_WAIT_SECS = 10.0


class Store:
    """
    A database, SQLite or PostgreSQL, behind the same two doors.

    Thread-safe. `write()` refuses to nest: one item, one transaction.
    """

    def __init__(self, url: str) -> None:
        self.is_sqlite = _check_url(url)
        self._inside = threading.local()
        if self.is_sqlite:
            self._reader, self._writer = _sqlite_engines(url)
        else:
            self._reader = self._writer = create_engine(
                url, pool_size=10, max_overflow=20, pool_pre_ping=True, pool_timeout=_WRITER_WAIT_SECS
            )
        # Threads of one process queue here, fairly, instead of sleeping in SQLite's busy loop.
        self._turn = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The engine that may write: for migrations and nothing else."""
        return self._writer

    @contextmanager
    def read(self) -> Iterator[ReadTx]:
        """
        Open a transaction that sees one moment of the database.

        Raises: Unavailable, if the database cannot be reached.
        """
        with _named_faults(), self._reader.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[WriteTx]:
        """
        Open a transaction that commits on a clean exit.

        Raises: Unavailable, if the database is locked, full or away; nothing was stored then.
        """
        if getattr(self._inside, "write", False):
            raise AssertionError("write() inside write(): one item, one transaction")
        self._inside.write = True
        try:
            with self._take_turn(), _named_faults(), self._writer.begin() as connection:
                yield connection
        finally:
            self._inside.write = False

    @contextmanager
    def _take_turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._turn.acquire(timeout=_WRITER_WAIT_SECS):
            raise Unavailable("the database is busy", code="database_busy")
        try:
            yield
        finally:
            self._turn.release()

    def dispose(self) -> None:
        """Close every connection."""
        self._reader.dispose()
        self._writer.dispose()


def lock(tx: WriteTx, *names: str) -> None:
    """
    Make every other transaction that locks one of *names* wait until this one ends.

    Sorted, so that two callers cannot hold each other up. SQLite has one writer: nothing to do there.
    """
    if tx.dialect.name == "sqlite":
        return
    for name in sorted(set(names)):
        tx.execute(text("SELECT pg_advisory_xact_lock(:space, :name)"), {"space": 0x1B, "name": _signed_crc(name)})


def insert_row(tx: WriteTx, table: Table, **values: Any) -> int:
    """Insert one row and return its key."""
    primary_key = tx.execute(insert(table).values(**values)).inserted_primary_key
    if primary_key is None:
        raise AssertionError(f"{table.name} has no key of its own")
    return int(primary_key[0])


def _signed_crc(name: str) -> int:
    return zlib.crc32(name.encode()) - (1 << 31)


def _check_url(url: str) -> bool:
    try:
        backend = make_url(url).get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        raise Misconfigured(["store.database: not a database URL"]) from None
    if backend not in ("sqlite", "postgresql"):
        raise Misconfigured([f"store.database: {backend} is not served; use SQLite or PostgreSQL"])
    return backend == "sqlite"


def _sqlite_engines(url: str) -> tuple[Engine, Engine]:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise Misconfigured(["store.database: SQLite needs a file"])
    Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    reader = create_engine(
        url, connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000}, pool_size=10, max_overflow=30
    )
    writer = create_engine(
        url, connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000}, pool_size=2, max_overflow=4
    )
    for engine, begin in ((reader, "BEGIN"), (writer, "BEGIN IMMEDIATE")):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _beginner(begin))
    return reader, writer


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; we say how
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _beginner(statement: str) -> Any:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


@contextmanager
def _named_faults() -> Iterator[None]:
    """Turn the driver's passing faults into Unavailable; its text may hold values, so none of it is kept."""
    try:
        yield
    except (OperationalError, InterfaceError) as fault:
        raise _unavailable(fault) from None
    except DBAPIError as fault:
        if fault.connection_invalidated:
            raise Unavailable("the database connection was lost", code="database_away") from None
        raise


def _unavailable(fault: DBAPIError) -> Unavailable:
    said = str(fault.orig).lower()
    if "locked" in said or "busy" in said or "deadlock" in said:
        return Unavailable("the database is busy", code="database_busy")
    if "full" in said or "no space" in said:
        return Unavailable("the disk is full", code="disk_full")
    return Unavailable("the database cannot be reached", code="database_away")
