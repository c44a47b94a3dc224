"""The database's version: made or migrated on SQLite at the start, checked everywhere else. Forward only."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from bridge.errors import Misconfigured
from bridge.store.db import Store, lock

_FOLDER = Path(__file__).parent / "migrations"


def migrate(store: Store) -> str:
    """
    Bring the database to this version and return it; a database of a newer version stays as it is.

    Raises: Misconfigured, if it is newer than this program; Unavailable, if the database is locked or away.
    """
    with store.naming_faults(), store.engine.begin() as connection:
        if not store.is_sqlite:
            # Another node may be migrating: that takes as long as it takes.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
        lock(connection, "schema")
        found = version(connection)
        _check_known(found)
        if found != latest():
            command.upgrade(_config(connection), "head")
        return latest()


def check(store: Store) -> None:
    """
    Refuse a database that is not of this version.

    Raises: Misconfigured, saying what to run.
    """
    with store.naming_faults(), store.engine.connect() as connection:
        found = version(connection)
    _check_known(found)
    if found != latest():
        raise Misconfigured(
            [f"store.database: at version {found or 'none'}, this program needs {latest()}; run imaging-bridge migrate"]
        )


def latest() -> str:
    """Return the version that this program works with."""
    head = _scripts().get_current_head()
    if head is None:
        raise AssertionError("no migrations shipped")
    return head


def version(connection: Connection) -> str:
    """Return the version of the database behind *connection*, "" for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return MigrationContext.configure(connection).get_current_revision() or ""


def check_durable(store: Store) -> None:
    """
    Refuse a PostgreSQL server that reports commits it may lose.

    Raises: Misconfigured. Source: PostgreSQL manual 30.3 (asynchronous commit), 20.5 (fsync, full_page_writes).
    """
    if store.is_sqlite:
        return
    with store.naming_faults(), store.engine.connect() as connection:
        faults = [
            f"store.database: the server runs with {name} = off and would lose what was acknowledged"
            for name in ("fsync", "full_page_writes", "synchronous_commit")
            if connection.execute(text(f"SHOW {name}")).scalar_one() == "off"
        ]
    if faults:
        raise Misconfigured(faults)


def _check_known(found: str) -> None:
    if found and found not in {script.revision for script in _scripts().walk_revisions()}:
        raise Misconfigured([f"store.database: version {found} is of a newer program than this one"])


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config
