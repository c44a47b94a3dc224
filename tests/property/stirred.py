"""Which studies may look otherwise than when they were looked at last: those that something was written to, or about."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table, select

from bridge.domain.study import Study
from bridge.store import studies
from bridge.store.db import ReadTx, Store
from bridge.store.prepared import Prepared
from bridge.store.tables import metadata
from bridge.store.tables import studies as studies_table

# What is written of every deed, and says nothing of whose images are whose.
_JOURNAL: Final = frozenset(
    {
        "audit_rows",
        "chart_versions",
        "events",
        "fhir_bookmarks",
        "leases",
        "message_subjects",
        "message_terms",
        "messages",
        "news",
        "performed_messages",
        "presences",
        "stamps",
        "subscription_news",
        "worklist_queries",
    }
)
_EVERY: Final = 0
_KEYS: Final = Prepared(select(studies_table.c.key).order_by(studies_table.c.key))


class Stirred:
    """Has the database itself note what is written: to one study, or to what is no single study's and may touch each."""

    def __init__(self, store: Store) -> None:
        self._seen = 0
        with store.write() as tx:
            tx.exec_driver_sql("CREATE TABLE stirred (study_key INTEGER NOT NULL)")
            for table in metadata.sorted_tables:
                if table.name not in _JOURNAL:
                    for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                        tx.exec_driver_sql(_trigger(table, event, row))

    def studies(self, tx: ReadTx) -> list[Study]:
        """Return the studies that may look otherwise than at the last time."""
        rows = tx.exec_driver_sql("SELECT rowid, study_key FROM stirred WHERE rowid > ?", (self._seen,)).all()
        if not rows:
            return []
        self._seen = rows[-1][0]
        touched = {row[1] for row in rows}
        keys = [row.key for row in _KEYS.all(tx)]
        return [studies.get(tx, key) for key in keys if key in touched or _EVERY in touched]

    def forget(self, tx: ReadTx) -> None:
        """Begin anew with an empty database."""
        tx.exec_driver_sql("DELETE FROM stirred")
        self._seen = 0


def _trigger(table: Table, event: str, row: str) -> str:
    column = "key" if table is studies_table else "study_key" if "study_key" in table.columns else ""
    touched = f"coalesce({row}.{column}, {_EVERY})" if column else str(_EVERY)
    name = f"stirred_{table.name}_{event.lower()}"
    return f"CREATE TRIGGER {name} AFTER {event} ON {table.name} BEGIN INSERT INTO stirred VALUES ({touched}); END"
