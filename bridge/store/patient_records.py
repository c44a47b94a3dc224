"""Patients with everything that was ever known of them, many at a time: reconciliation compares hundreds for one study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, bindparam, select

from bridge.domain.evidence import PatientRecord
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.store import links, patients
from bridge.store.db import ReadTx
from bridge.store.prepared import Prepared
from bridge.store.tables import patient_aliases, patient_identifiers
from bridge.store.tables import patients as table

_AT_ONCE: Final = 50


class _Lot:
    """The statements that read *size* patients. A last lot that is smaller names its last patient again."""

    def __init__(self, size: int) -> None:
        self.size = size
        number, alias = patient_identifiers.c, patient_aliases.c
        self.rows = Prepared(select(table).where(self._is_one(table.c.key)))
        self.numbers = Prepared(
            select(number.patient_key, number.patient_id, number.issuer_of_patient_id, number.identifier_type)
            .where(self._is_one(number.patient_key))
            .order_by(number.position, number.key)
        )
        self.aliases = Prepared(
            select(alias.patient_key, alias.patient_name, alias.patient_birth_date)
            .where(self._is_one(alias.patient_key))
            .order_by(alias.key)
        )
        self.merged = Prepared(select(table.c.merged_into).where(self._is_one(table.c.merged_into)))

    def _is_one(self, column: Column[int]) -> Any:
        return column.in_([bindparam(f"key{place}") for place in range(self.size)])

    def named(self, keys: Sequence[int]) -> dict[str, int]:
        return {f"key{place}": keys[min(place, len(keys) - 1)] for place in range(self.size)}


_ONE, _MANY = _Lot(1), _Lot(_AT_ONCE)


def read(tx: ReadTx, keys: Iterable[int]) -> dict[int, PatientRecord]:
    """Return the records in rows *keys*, merged away or not, by key; unknown ones are left out."""
    wanted = list(dict.fromkeys(keys))
    if len(wanted) == 1:
        return _read(tx, _ONE, wanted)
    found: dict[int, PatientRecord] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        found |= _read(tx, _MANY, wanted[start : start + _AT_ONCE])
    return found


def record_of(tx: ReadTx, patient: Patient) -> PatientRecord:
    """Return *patient* with everything that was ever known of them; what is said to be no part of it by now is none."""
    retired = patients.merged_into(tx, patient.key)
    parted = links.parted_from(tx, patient.key) if retired else set()
    merged = [key for key in retired if key not in parted]
    known = patients.aliases(tx, [patient.key, *merged])
    return PatientRecord(
        patient=patient,
        former_names=tuple(dict.fromkeys(name for name, _ in known if name)),
        former_birth_dates=tuple(dict.fromkeys(date for _, date in known if date)),
        merged=tuple(patients.get_many(tx, merged)),
        parted=tuple(patients.get_many(tx, sorted(parted.intersection(retired)))),
        registered_at=patients.registered_at(tx, patient.key),
    )


def _read(tx: ReadTx, lot: _Lot, keys: list[int]) -> dict[int, PatientRecord]:
    said = lot.named(keys)
    numbers = _by_patient(lot.numbers.all(tx, **said))
    aliases = _by_patient(lot.aliases.all(tx, **said))
    survivors = {row.merged_into for row in lot.merged.all(tx, **said)}
    found: dict[int, PatientRecord] = {}
    for row in lot.rows.all(tx, **said):
        patient = patients.patient_of(row, [PatientIdentifier(*one[1:]) for one in numbers[row.key]])
        if row.key in survivors:
            found[row.key] = record_of(tx, patient)
            continue
        former = aliases[row.key]
        found[row.key] = PatientRecord(
            patient,
            tuple(dict.fromkeys(one.patient_name for one in former if one.patient_name)),
            tuple(dict.fromkeys(one.patient_birth_date for one in former if one.patient_birth_date)),
            registered_at=row.created_at,
        )
    return found


def _by_patient(rows: Iterable[Any]) -> Mapping[int, list[Any]]:
    by: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by[row.patient_key].append(row)
    return by
