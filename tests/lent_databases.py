"""PostgreSQL databases that look new: each is emptied after its test and lent again, as making one costs more than most tests."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from bridge.store import schema
from bridge.store.db import Store

# What a test may do to a database besides filling it: other relations, another version, statistics for the planner.
_SHAPE = """
    SELECT (SELECT count(*) FROM pg_class), (SELECT max(oid) FROM pg_class), (SELECT version_num FROM alembic_version),
           (SELECT count(*) FROM pg_stats WHERE schemaname = 'public')
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_START_AGAIN = """
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL
"""
_LEAVE = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
# One that grew by more is cheaper to drop than to empty.
_GROWN_BYTES = 20_000_000
_TRIES = 3


class LentDatabases:
    """The databases of one server. server_url: its URL, as a superuser."""

    def __init__(self, server_url: str) -> None:
        self._server = make_url(server_url)
        self._administrator = self._connect(self._server.database or "postgres")
        # Hundreds of small databases: nobody pulls the plug on a test's server. A served node refuses such a one.
        self.switch("fsync", "off")
        self.switch("autovacuum", "off")
        self._free: list[str] = []
        self._template = self._make("template1")
        store = Store(self.url(self._template))
        schema.migrate(store)
        store.dispose()
        with self._connect(self._template) as connection:
            tables = [str(name) for (name,) in connection.execute(_TABLES)]
            self._shape = connection.execute(_SHAPE).fetchone()
            self._bytes_max = _bytes(connection) + _GROWN_BYTES
        filled = (
            sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})").format(one, sql.Identifier(one)) for one in tables
        )
        self._filled = sql.SQL(" UNION ALL ").join(filled)

    def url(self, name: str) -> str:
        """Return the URL of the database *name*."""
        return self._server.set(database=name).render_as_string(hide_password=False)

    def lend(self) -> str:
        """Return the name of a migrated, empty database that nobody else has."""
        return self._free.pop() if self._free else self._make(self._template)

    def take_back(self, name: str) -> None:
        """Empty the database *name* for the next test, or drop it where it was more than filled."""
        mine = self._taken_from_all(name)
        if mine is None:
            self._do("DROP DATABASE {} WITH (FORCE)", name)
            return
        with self._connect(mine) as connection:
            is_as_made = connection.execute(_SHAPE).fetchone() == self._shape and _bytes(connection) < self._bytes_max
            if is_as_made:
                self._empty(connection)
        if is_as_made:
            self._free.append(mine)
        else:
            self._do("DROP DATABASE {} WITH (FORCE)", mine)

    def switch(self, setting: str, state: str) -> None:
        """Turn a setting of the server on or off."""
        self._administrator.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(setting), sql.SQL(state)))
        self._administrator.execute("SELECT pg_reload_conf()")

    def close(self) -> None:
        """Let go of the server; it takes its databases with it."""
        self._administrator.close()

    def _taken_from_all(self, name: str) -> str | None:
        """Return what *name* is called now, which nobody knows whom a test left behind; None if they come back too fast."""
        mine = _new_name()
        for _ in range(_TRIES):
            self._administrator.execute(_LEAVE, [name])
            with suppress(psycopg.errors.ObjectInUse):
                self._do("ALTER DATABASE {} RENAME TO {}", name, mine)
                return mine
        return None

    def _make(self, template: str) -> str:
        name = _new_name()
        self._do("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def _do(self, statement: str, *names: str) -> None:
        self._administrator.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        url = self._server.set(drivername="postgresql", database=database)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def _empty(self, connection: psycopg.Connection[Any]) -> None:
        filled = [sql.Identifier(name) for (name,) in connection.execute(self._filled)]
        connection.execute("SET session_replication_role = replica")
        for one in filled:
            connection.execute(sql.SQL("DELETE FROM {}").format(one))
        if filled:
            connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(filled)))
        connection.execute(_START_AGAIN)


def _new_name() -> str:
    return f"test_{uuid.uuid4().hex[:12]}"


def _bytes(connection: psycopg.Connection[Any]) -> int:
    found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert found is not None
    return int(found[0])
