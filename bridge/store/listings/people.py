"""Patients as lists name them, and the search by how a name begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select

from bridge.domain.patient import Patient
from bridge.store import patients as records
from bridge.store.db import ReadTx
from bridge.store.tables import patient_identifiers, patients

_NAMES_MAX = 200


@dataclass(frozen=True, slots=True)
class Person:
    """A patient on one line. name: DICOM PN. birth_date: "YYYYMMDD" or ""."""

    key: int
    name: str
    patient_id: str
    issuer_of_patient_id: str
    birth_date: str = ""
    sex: str = ""
    merged_into: int | None = None


def by_key(tx: ReadTx, keys: Iterable[int | None]) -> dict[int, Person]:
    """Return people by their rows, with what one line shows and no more."""
    wanted = list({key for key in keys if key is not None})
    numbers: dict[int, tuple[str, str]] = {}
    listed = select(patient_identifiers).where(patient_identifiers.c.patient_key.in_(wanted))
    for row in tx.execute(listed.order_by(patient_identifiers.c.position, patient_identifiers.c.key)):
        numbers.setdefault(row.patient_key, (row.patient_id, row.issuer_of_patient_id))
    return {
        row.key: Person(
            row.key,
            row.patient_name,
            *numbers.get(row.key, ("", "")),
            row.patient_birth_date,
            row.patient_sex,
            row.merged_into,
        )
        for row in tx.execute(select(*_LINE).where(patients.c.key.in_(wanted)))
    }


_LINE = (
    patients.c.key,
    patients.c.patient_name,
    patients.c.patient_birth_date,
    patients.c.patient_sex,
    patients.c.merged_into,
)


def person_of(patient: Patient) -> Person:
    """Return *patient* on one line."""
    first = patient.identifiers[0] if patient.identifiers else None
    return Person(
        patient.key,
        patient.patient_name,
        first.patient_id if first else "",
        first.issuer_of_patient_id if first else "",
        patient.patient_birth_date,
        patient.patient_sex,
        patient.merged_into,
    )


def survivor(tx: ReadTx, key: int | None) -> Person | None:
    """Return whom a record is now on one line, past merges; None for none."""
    return person_of(records.survivor(tx, key)) if key is not None else None


def keys_by_number(tx: ReadTx, patient_id: str) -> list[int]:
    """Return the live records of whoever holds *patient_id*, of any issuer, with those that were merged into them."""
    query = select(patient_identifiers.c.patient_key).where(patient_identifiers.c.patient_id == patient_id)
    return _with_survivors(tx, tx.execute(query.limit(_NAMES_MAX)).scalars())


def keys_by_name(tx: ReadTx, text: str) -> list[int]:
    """Return records whose name begins with *text*, "family given" or "given family", with or without ^ and commas."""
    parts = [part for part in re.split(r"[\s,^]+", text.strip()) if part]
    if not parts or len(text.strip()) < 2:
        return []
    wanted = {"^".join(parts)}
    if len(parts) == 2:
        wanted.add("^".join(reversed(parts)))
    found: list[int] = []
    for prefix in sorted(wanted):
        query = select(patients.c.key).where(_begins(tx, prefix)).order_by(func.lower(patients.c.patient_name))
        found += tx.execute(query.limit(_NAMES_MAX)).scalars()
    return _with_survivors(tx, found)


def _begins(tx: ReadTx, prefix: str) -> ColumnElement[bool]:
    name = func.lower(patients.c.patient_name)
    if tx.dialect.name == "sqlite":
        low = "".join(c.lower() if c.isascii() else c for c in prefix)  # SQLite's lower() knows ASCII only
        return (name >= low) & (name < low + "\U0010ffff")
    escaped = re.sub(r"([%_\\])", r"\\\1", prefix.lower())
    return name.like(f"{escaped}%", escape="\\")


def _with_survivors(tx: ReadTx, keys: Iterable[int]) -> list[int]:
    """Return *keys* with whoever they were merged into, the living first."""
    found = dict.fromkeys(keys)
    ring, gone = list(found), dict[int, int]()
    while ring:
        merged = select(patients.c.key, patients.c.merged_into).where(patients.c.key.in_(ring))
        ended = {row.key: row.merged_into for row in tx.execute(merged.where(patients.c.merged_into.is_not(None)))}
        gone |= ended
        ring = [key for key in ended.values() if key not in found]
        found |= dict.fromkeys(ring)
    return [key for key in found if key not in gone] + [key for key in found if key in gone]
