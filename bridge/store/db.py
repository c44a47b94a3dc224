"""The transaction: `read()` sees one moment, `write()` commits on a clean exit and rolls back on any exception.

SQLite runs in WAL with synchronous=FULL (NORMAL loses acknowledged commits when the power goes) and begins every write
with BEGIN IMMEDIATE (a deferred one fails at once, whatever the busy timeout says, when another writer was faster).

Who waits gets an answer within about two seconds, however many wait: the peers behind them resend, and give up sooner
than a database comes back.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Table, create_engine, event, insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from bridge.errors import Misconfigured, Unavailable
from bridge.store.prepared import Prepared

ReadTx = Connection
WriteTx = Connection

_SAVEPOINT = Prepared(text("SAVEPOINT item"))
_ROLLBACK_TO = Prepared(text("ROLLBACK TO SAVEPOINT item"))
_RELEASE = Prepared(text("RELEASE SAVEPOINT item"))
_BEGIN = Prepared(text("BEGIN"))
_BEGIN_WRITING = Prepared(text("BEGIN IMMEDIATE"))
_LOCK = Prepared(text("SELECT pg_advisory_xact_lock(:space, :name)"))

_BUSY = "database_busy"
_PATIENCE = "patience_ms"
_BUSY_MS = 2000
_STILL_BUSY_MS = 300
_WRITER_WAIT_SECS = 10.0
_POOL_WAIT_SECS = 2.0
_STATEMENTS_KEPT = 512
# An order dirties some 60 pages, mostly the same ones as the order before: of 32 MiB of log few must be copied back.
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-16000",
    "temp_store=MEMORY",
    "wal_autocheckpoint=8000",
)
# SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC: what was written is lost, and the next fsync would say that all is well.
_UNSYNCED = frozenset({1034, 1290})


class Store:
    """
    A database, SQLite or PostgreSQL, behind the same two doors.

    Thread-safe. `write()` refuses to nest: one item, one transaction. is_failing: the disk lost a write it had taken;
    nothing more is written, and the process ends.
    """

    def __init__(self, url: str) -> None:
        self.is_sqlite = _check_url(url)
        self.is_failing = False
        self._inside = threading.local()
        self._turns = _Turns()
        self._kept: Connection | None = None
        # Apart from each other, so that writers that wait for a lock cannot take the connections that readers need.
        self._reader, self._writer = (
            _sqlite_engines(url, self._turns) if self.is_sqlite else (_postgresql_engine(url), _postgresql_engine(url))
        )

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
        with self.naming_faults(), self._reader.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            # By name, as a prepared statement begins nothing by itself.
            connection.begin()
            yield connection
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[WriteTx]:
        """
        Open a transaction that commits on a clean exit.

        Raises: Unavailable, if the database is locked, full or away; nothing was stored then, unless the connection
        or the disk failed during the commit itself, when it may have been: whoever asks again finds that out by its keys.
        """
        if self.is_failing:
            raise Unavailable("the disk is failing", code="disk_failing")
        if getattr(self._inside, "write", False):
            raise AssertionError("write() inside write(): one item, one transaction")
        self._inside.write = True
        try:
            if self.is_sqlite:
                with self._turns.take(), self.naming_faults(), self._at_turn() as connection:
                    yield connection
            else:
                with self.naming_faults(), self._writer.begin() as connection:
                    yield connection
        finally:
            self._inside.write = False

    @contextmanager
    def _at_turn(self) -> Iterator[Connection]:
        """Write on the connection of the turn before: to take one from a pool and give it back costs as much as a commit."""
        connection, self._kept = self._kept or self._writer.connect(), None
        try:
            with connection.begin():
                yield connection
        except BaseException:
            connection.close()
            raise
        self._kept = connection

    def dispose(self) -> None:
        """Close every connection."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
        self._reader.dispose()
        self._writer.dispose()

    @contextmanager
    def naming_faults(self) -> Iterator[None]:
        """Turn the driver's passing faults into Unavailable; its text may hold values, so none of it is kept."""
        try:
            yield
        except PoolExhausted:
            raise _busy() from None
        except (OperationalError, InterfaceError) as fault:
            if getattr(fault.orig, "sqlite_errorcode", 0) in _UNSYNCED:
                self.is_failing = True
            raise _unavailable(fault) from None
        except DBAPIError as fault:
            if fault.connection_invalidated:
                raise Unavailable("the database connection was lost", code="database_away") from None
            raise


class _Turns:
    """
    Lets one thread of this process write at a time, in the order they came, instead of sleeping in SQLite's busy loop.

    When one has waited in vain for another process, those who waited behind it have waited as long: they are told at
    once, and the next one asks more briefly.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vain_at = -math.inf

    @property
    def patience_ms(self) -> int:
        """How long to wait for the writers of other processes."""
        return _BUSY_MS if self._vain_at == -math.inf else _STILL_BUSY_MS

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold the turn. Raises: Unavailable, if it does not come."""
        came = time.monotonic()
        if not self._lock.acquire(timeout=_WRITER_WAIT_SECS):
            raise _busy()
        try:
            if self._vain_at > came:
                raise _busy()
            with self._noting_vanity():
                yield
        finally:
            self._lock.release()

    @contextmanager
    def _noting_vanity(self) -> Iterator[None]:
        in_vain = False
        try:
            yield
        except Unavailable as fault:
            in_vain = fault.code == _BUSY
            raise
        finally:
            self._vain_at = time.monotonic() if in_vain else -math.inf


def lock(tx: WriteTx, *names: str) -> None:
    """
    Make every other transaction that locks one of *names* wait until this one ends.

    Sorted, so that two callers cannot hold each other up. SQLite has one writer: nothing to do there.
    """
    if tx.dialect.name == "sqlite":
        return
    for name in sorted(set(names)):
        _LOCK.run(tx, space=0x1B, name=_signed_crc(name))


def insert_row(tx: WriteTx, table: Table, **values: Any) -> int:
    """Insert one row and return its key."""
    return _insert_of(table, tuple(values)).key(tx, **values)


@contextmanager
def savepoint(tx: WriteTx) -> Iterator[None]:
    """
    Undo what was written inside, and nothing else, when it ends in an exception.

    Raises: Unavailable, if the fault took the whole transaction with it: going on would write outside of any.
    """
    _SAVEPOINT.run(tx)
    try:
        yield
    except BaseException:
        try:
            _ROLLBACK_TO.run(tx)
            _RELEASE.run(tx)
        except DBAPIError as fault:
            raise _unavailable(fault) from None
        raise
    _RELEASE.run(tx)


@lru_cache(maxsize=256)
def _insert_of(table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table), columns)


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


def _postgresql_engine(url: str) -> Engine:
    """A lock that is not given in time is a fault that a resend mends; the two pools stay below a server's usual 100."""
    arguments = {"options": f"-c lock_timeout={_BUSY_MS}", "connect_timeout": 3}
    return _engine(url, arguments, pool_size=5, max_overflow=10, pool_pre_ping=True)


def _engine(url: str, arguments: dict[str, Any], **options: Any) -> Engine:
    json_columns: Any = {"json_serializer": _json_text, "json_deserializer": _json_value}
    return create_engine(url, connect_args=arguments, pool_timeout=_POOL_WAIT_SECS, **json_columns, **options)


def _json_text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # A lone surrogate out of a damaged header, or a number beyond 64 bits: the slower one takes what there is.
        return json.dumps(value)


def _json_value(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def _sqlite_engines(url: str, turns: _Turns) -> tuple[Engine, Engine]:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise Misconfigured(["store.database: SQLite needs a file"])
    Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    arguments = {"check_same_thread": False, "timeout": _BUSY_MS / 1000, "cached_statements": _STATEMENTS_KEPT}
    reader = _engine(url, arguments, pool_size=10, max_overflow=30)
    writer = _engine(url, arguments, pool_size=2, max_overflow=4)
    for engine in (reader, writer):
        event.listen(engine, "connect", _prepare_sqlite)
    event.listen(reader, "begin", _BEGIN.run)

    def begin_writing(connection: Connection) -> None:
        patience_ms = turns.patience_ms
        if connection.info.get(_PATIENCE) != patience_ms:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={patience_ms}")
            connection.info[_PATIENCE] = patience_ms
        _BEGIN_WRITING.run(connection)

    event.listen(writer, "begin", begin_writing)
    return reader, writer


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; we say how
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _busy() -> Unavailable:
    return Unavailable("the database is busy", code=_BUSY)


def _unavailable(fault: DBAPIError) -> Unavailable:
    said = str(fault.orig).lower()
    if any(word in said for word in ("locked", "busy", "deadlock", "lock timeout")):
        return _busy()
    if "full" in said or "no space" in said:
        return Unavailable("the disk is full", code="disk_full")
    if "disk i/o" in said:
        return Unavailable("the disk is failing", code="disk_failing")
    return Unavailable("the database cannot be reached", code="database_away")
