"""A long worklist without the hours of sending it: rows of a few real orders, copied with other numbers in their place."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.load import Item
from bridge.store.tables import metadata

# A table comes after those it points to.
_COPIED = ("patients", "patient_identifiers", "orders", "steps", "step_stations", "worklist_entries")
_AT_ONCE = 5_000

Row = dict[str, Any]


@dataclass(frozen=True)
class _Template:
    """The rows that one real order became, by table, and the item it was."""

    item: Item
    rows: dict[str, list[Row]]


def fill(database: Path, templates: Iterable[Item], items: Iterable[Item]) -> None:
    """
    Write the rows of *items* into a bridge's SQLite database, where the orders of *templates* have arrived.

    Each item's rows are those of the first template with its station. Raises: LookupError, if an order has not arrived.
    """
    with sqlite3.connect(database, timeout=60) as connection:
        connection.row_factory = sqlite3.Row
        by_station: dict[str, _Template] = {}
        for item in templates:
            if item.station not in by_station:
                by_station[item.station] = _Template(item, _rows_of(connection, item))
        keys = {table: _next_key(connection, table) for table in _COPIED if "key" in metadata.tables[table].c}
        waiting = iter(items)
        while lot := list(itertools.islice(waiting, _AT_ONCE)):
            for table, rows in _copies(lot, by_station, keys).items():
                _insert(connection, table, rows)
            connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _rows_of(connection: sqlite3.Connection, item: Item) -> dict[str, list[Row]]:
    step = _selected(connection, "steps", "scheduled_procedure_step_id", item.step_id)
    if len(step) != 1:
        raise LookupError("the order of a template has not arrived")
    order = _selected(connection, "orders", "key", step[0]["order_key"])
    patient_key = order[0]["patient_key"]
    return {
        "patients": _selected(connection, "patients", "key", patient_key),
        "patient_identifiers": _selected(connection, "patient_identifiers", "patient_key", patient_key),
        "orders": order,
        "steps": step,
        "step_stations": _selected(connection, "step_stations", "step_key", step[0]["key"]),
        "worklist_entries": _selected(connection, "worklist_entries", "step_key", step[0]["key"]),
    }


def _selected(connection: sqlite3.Connection, table: str, column: str, value: object) -> list[Row]:
    return [dict(row) for row in connection.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,))]


def _next_key(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT coalesce(max(key), 0) + 1 FROM {table}").fetchone()[0])


def _copies(lot: Iterable[Item], by_station: dict[str, _Template], keys: dict[str, int]) -> dict[str, list[Row]]:
    copies: dict[str, list[Row]] = {table: [] for table in _COPIED}
    for item in lot:
        template = by_station[item.station]
        words = list(_words(template.item, item))
        new_keys = _new_keys(template, keys)
        for table in _COPIED:
            copies[table] += [_copy(table, row, words, new_keys) for row in template.rows[table]]
    return copies


def _new_keys(template: _Template, keys: dict[str, int]) -> dict[tuple[str, int], int]:
    """Take the next key for each row that has one of its own; return it by table and the key that the template has."""
    new_keys: dict[tuple[str, int], int] = {}
    for table in keys:
        for row in template.rows[table]:
            new_keys[table, row["key"]] = keys[table]
            keys[table] += 1
    return new_keys


def _words(old: Item, new: Item) -> Iterator[tuple[str, str]]:
    yield old.accession, new.accession
    yield old.patient_id, new.patient_id
    yield old.study_uid, new.study_uid
    # What is left of an item's numbers: its placer, filler, procedure and step, and the name in any case.
    yield f"{old.number:07}", f"{new.number:07}"
    yield f"{old.day:%Y%m%d}", f"{new.day:%Y%m%d}"
    yield _instant(old.day), _instant(new.day)


def _instant(day: datetime) -> str:
    return f"{day:%Y-%m-%d} 09:00"


def _copy(table: str, row: Row, words: list[tuple[str, str]], new_keys: dict[tuple[str, int], int]) -> Row:
    copy = {column: _replaced(value, words) for column, value in row.items()}
    if "key" in row:
        copy["key"] = new_keys[table, row["key"]]
    for foreign in metadata.tables[table].foreign_keys:
        column, target = foreign.parent.name, foreign.column.table.name
        if (target, row[column]) in new_keys:
            copy[column] = new_keys[target, row[column]]
    return copy


def _replaced(value: Any, words: list[tuple[str, str]]) -> Any:
    if isinstance(value, str):
        for old, new in words:
            value = value.replace(old, new)
    elif isinstance(value, bytes):
        for old, new in words:
            value = value.replace(old.encode(), new.encode())
    return value


def _insert(connection: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    columns = list(rows[0])
    places = ", ".join("?" * len(columns))
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", [tuple(row.values()) for row in rows]
    )
