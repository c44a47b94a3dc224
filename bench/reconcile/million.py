"""A registry of a million invented people in a real database, written in bulk: the look-ups are measured against it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from bench.reconcile.people import Person, people
from bridge.domain.evidence import PatientRecord
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.identity_keys import identity_keys
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.patient import Patient
from bridge.store import orders, schema
from bridge.store.db import Store

AUTHORITY = "HARBOR"
DAY = "20260310"
_AT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
_AT_ONCE = 20_000
_COLUMNS = {
    "patients": (
        "key patient_name patient_birth_date patient_sex other_patient_names multiple_birth provisional inactive details "
        "findings version created_at updated_at"
    ),
    "patient_identifiers": "key patient_key issuer_of_patient_id patient_id identifier_type position",
    "patient_keys": "key patient_key kind value birth_dates",
}

Rows = dict[str, list[tuple[Any, ...]]]


def is_filled(store: Store, count: int) -> bool:
    """Say whether the database holds *count* people already."""
    with store.read() as tx:
        return bool(tx.exec_driver_sql(f"SELECT max(key) FROM patients WHERE key >= {count}").scalar())


def fill(store: Store, count: int, ordered: int) -> None:
    """Migrate an empty database and write *count* people, the first *ordered* with an order of today."""
    schema.migrate(store)
    if is_filled(store, count):
        return
    every = people(count)
    first_key = 1
    while lot := list(islice(every, _AT_ONCE)):
        first_key = _write(store, _rows(lot, first_key, store.is_sqlite))
    with store.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT") if store.is_sqlite else None
        connection.exec_driver_sql("ANALYZE")
        if not store.is_sqlite:
            for table in _COLUMNS:
                connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'key'), max(key)) FROM {table}"
                )
            connection.commit()
    _order(store, ordered)


def order_of(number: int, person_key: int) -> tuple[Order, Step]:
    """Return the order that the *number*-th person has for today."""
    blank = EntityIdentifier()
    order = Order(
        0,
        person_key,
        f"A{number:07d}",
        "",
        EntityIdentifier(f"P{number}"),
        blank,
        f"RP{number}",
        f"2.25.{number + 1}",
        StepStatus.SCHEDULED,
        transaction_at=_AT,
        ordered_at=_AT,
    )
    return order, Step(0, 0, f"SPS{number}", StepStatus.SCHEDULED, "CT", ("CT1",), f"{DAY}120000")


def _rows(lot: Sequence[Person], key_of_key: int, is_sqlite: bool) -> Rows:
    no, at = (0, _AT.isoformat(" ", "microseconds")[:26]) if is_sqlite else (False, _AT)
    rows: Rows = {table: [] for table in _COLUMNS}
    for person in lot:
        key = int(person.number) - 9_999_999
        number = PatientIdentifier(person.number, AUTHORITY)
        patient = Patient(key, (number,), person.patient_name, person.birth_date, person.sex)
        rows["patients"].append(
            (key, person.patient_name, person.birth_date, person.sex, "[]", no, no, no, "{}", "{}", 1, at, at)
        )
        rows["patient_identifiers"].append((key, key, AUTHORITY, person.number, "", 0))
        for one in identity_keys(PatientRecord(patient)):
            rows["patient_keys"].append((key_of_key, key, one.kind, one.value, person.birth_date))
            key_of_key += 1
    return rows


def _write(store: Store, rows: Rows) -> int:
    """Write one lot and return the next key of patient_keys."""
    connection = store.engine.raw_connection()
    try:
        driver: Any = connection.driver_connection
        (_insert if isinstance(driver, sqlite3.Connection) else _copy)(driver, rows)
    finally:
        connection.close()
    return int(rows["patient_keys"][-1][0]) + 1


def _insert(driver: Any, rows: Rows) -> None:
    driver.execute("PRAGMA cache_size = -600000")
    driver.execute("BEGIN IMMEDIATE")
    for table, lines in rows.items():
        columns = _COLUMNS[table].split()
        marks = ", ".join("?" * len(columns))
        driver.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", lines)
    driver.execute("COMMIT")


def _copy(driver: Any, rows: Rows) -> None:
    for table, lines in rows.items():
        with driver.cursor().copy(f"COPY {table} ({', '.join(_COLUMNS[table].split())}) FROM STDIN") as copy:
            for line in lines:
                copy.write_row(line)
    driver.commit()


def _order(store: Store, ordered: int) -> None:
    for start in range(0, ordered, 1_000):
        with store.write() as tx:
            for number in range(start, min(start + 1_000, ordered)):
                order, step = order_of(number, number + 1)
                kept = orders.add(tx, order, _AT)
                orders.add_step(tx, Step(0, kept.key, step.scheduled_procedure_step_id, step.status, step.modality,
                                         step.scheduled_station_ae_title, step.scheduled_start_local))  # fmt: skip
