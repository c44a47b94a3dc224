"""Patients by their identifiers, and what they were known by before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Integer, bindparam, delete, func, insert, or_, select, update

from bridge.domain.details import (
    PatientDetails,
    findings_from_plain,
    findings_to_plain,
    from_plain,
    to_plain,
)
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.domain.records import replace
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import orders, patient_aliases, patient_identifiers, patient_keys, patients, studies

_MAX_CHAIN = 100
_QUESTIONED = (
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "multiple_birth",
    "patient_address",
    "patient_telephone",
)


_SAVED = (
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "other_patient_names",
    "multiple_birth",
    "provisional",
    "inactive",
    "patient_address",
    "patient_telephone",
    "details",
    "findings",
    "as_of",
    "merged_into",
    "version",
    "updated_at",
)
_NUMBER = patient_identifiers.c
_OF_PATIENT = _NUMBER.patient_key == bindparam("patient_key")
_BY_KEY = Prepared(select(patients).where(patients.c.key == bindparam("key")))
_NUMBERS = Prepared(
    select(_NUMBER.patient_id, _NUMBER.issuer_of_patient_id, _NUMBER.identifier_type)
    .where(_OF_PATIENT)
    .order_by(_NUMBER.position, _NUMBER.key)
)
_HOLDER = Prepared(
    select(_NUMBER.patient_key, _NUMBER.moved_at).where(
        _NUMBER.issuer_of_patient_id == bindparam("issuer"), _NUMBER.patient_id == bindparam("patient_id")
    )
)
_ADD_NUMBER = Prepared(
    insert(patient_identifiers),
    ["patient_key", "issuer_of_patient_id", "patient_id", "identifier_type", "position"],
)
_NUMBER_ROWS = Prepared(select(patient_identifiers).where(_OF_PATIENT))
_DROP_NUMBER = Prepared(delete(patient_identifiers).where(_NUMBER.key == bindparam("key")))
_PLACE_NUMBER = Prepared(update(patient_identifiers).where(_NUMBER.key == bindparam("at_key")), ["position"])
_MERGED_INTO = Prepared(
    select(patients.c.key).where(patients.c.merged_into == bindparam("key")).order_by(patients.c.key)
)
_CREATED_AT = Prepared(select(patients.c.created_at).where(patients.c.key == bindparam("key")))
_SAVE = Prepared(
    update(patients).where(patients.c.key == bindparam("at_key"), patients.c.version == bindparam("seen")), _SAVED
)
_ALIASES = Prepared(
    select(patient_aliases.c.patient_name, patient_aliases.c.patient_birth_date)
    .where(patient_aliases.c.patient_key == bindparam("patient_key"))
    .order_by(patient_aliases.c.key)
)
_BY_LOOK_UP_KEY = Prepared(
    select(patient_keys.c.patient_key, patient_keys.c.birth_dates)
    .where(patient_keys.c.kind == bindparam("kind"), patient_keys.c.value == bindparam("value"))
    .limit(bindparam("most", type_=Integer))
)
_KEYS_OF = patient_keys.c.patient_key == bindparam("patient_key")
_KEYS = Prepared(select(patient_keys.c.kind, patient_keys.c.value, patient_keys.c.birth_dates).where(_KEYS_OF))
_ADD_KEY = Prepared(insert(patient_keys), ["patient_key", "kind", "value", "birth_dates"])
_DROP_KEY = Prepared(
    delete(patient_keys).where(
        _KEYS_OF, patient_keys.c.kind == bindparam("kind"), patient_keys.c.value == bindparam("value")
    )
)


def get(tx: ReadTx, key: int) -> Patient:
    """Return the patient in row *key*, merged away or not. Raises: LookupError."""
    row = _BY_KEY.first(tx, key=key)
    if row is None:
        raise LookupError(f"no patient {key}")
    numbers = _NUMBERS.all(tx, patient_key=key)
    return patient_of(row, [PatientIdentifier(*number) for number in numbers])


def get_many(tx: ReadTx, keys: Iterable[int]) -> list[Patient]:
    """Return the patients in rows *keys*, in their order; unknown ones are left out."""
    wanted = list(dict.fromkeys(keys))
    if not wanted:
        return []
    rows = {row.key: row for row in tx.execute(select(patients).where(patients.c.key.in_(wanted)))}
    numbers: dict[int, list[PatientIdentifier]] = {key: [] for key in rows}
    for row in tx.execute(
        select(patient_identifiers)
        .where(patient_identifiers.c.patient_key.in_(list(rows)))
        .order_by(patient_identifiers.c.position, patient_identifiers.c.key)
    ):
        numbers[row.patient_key].append(
            PatientIdentifier(row.patient_id, row.issuer_of_patient_id, row.identifier_type)
        )
    return [patient_of(rows[key], numbers[key]) for key in wanted if key in rows]


def find(tx: ReadTx, identifier: PatientIdentifier) -> Patient | None:
    """Return whose number *identifier* is, merged away or not. Its issuer must be named: bare numbers match nobody."""
    return find_with_move(tx, identifier)[0]


def find_with_move(tx: ReadTx, identifier: PatientIdentifier) -> tuple[Patient | None, datetime | None]:
    """Return whose number *identifier* is, as `find`, and when it was moved there, None if it always was theirs."""
    row = _HOLDER.first(tx, issuer=identifier.issuer_of_patient_id, patient_id=identifier.patient_id)
    return (None, None) if row is None else (get(tx, row.patient_key), row.moved_at)


def holders(tx: ReadTx, patient_id: str, issuer_of_patient_id: str = "") -> list[int]:
    """Return the rows of those who have the number *patient_id*, merged away or not. issuer_of_patient_id: "" for any."""
    query = select(patient_identifiers.c.patient_key).where(patient_identifiers.c.patient_id == patient_id)
    if issuer_of_patient_id:
        query = query.where(patient_identifiers.c.issuer_of_patient_id == issuer_of_patient_id)
    return list(tx.execute(query.distinct()).scalars())


def survivor(tx: ReadTx, key: int) -> Patient:
    """Return the live patient at the end of *key*'s merges."""
    patient = get(tx, key)
    for _ in range(_MAX_CHAIN):
        if patient.merged_into is None:
            return patient
        patient = get(tx, patient.merged_into)
    raise LookupError(f"patient {key} is merged in a circle")


def merged_into(tx: ReadTx, key: int) -> list[int]:
    """Return every record that ended, directly or by way of others, in *key*."""
    found: list[int] = []
    ring = [key]
    while ring:
        ring = [row.key for one in ring for row in _MERGED_INTO.all(tx, key=one)]
        found += ring
    return found


def records_of(tx: ReadTx, key: int) -> list[Patient]:
    """Return a live record, and behind it every one that ended in it."""
    return get_many(tx, [key, *merged_into(tx, key)])


def aliases(tx: ReadTx, keys: Sequence[int]) -> list[tuple[str, str]]:
    """Return the (patient_name, patient_birth_date) pairs that records *keys* were known by before."""
    return [(row.patient_name, row.patient_birth_date) for key in keys for row in _ALIASES.all(tx, patient_key=key)]


def registered_at(tx: ReadTx, key: int) -> datetime | None:
    """Return when we first heard of a patient."""
    found: datetime | None = _CREATED_AT.scalar(tx, key=key)
    return found


def by_key_value(tx: ReadTx, kind: str, value: str, limit: int) -> list[tuple[int, str]]:
    """
    Return the rows of patients whose look-up key *kind* is *value*, at most *limit*, each with their birth dates.

    Records that were merged away have no look-up keys. The birth dates are all that are known, with a bar between.
    """
    return [(row[0], row[1]) for row in _BY_LOOK_UP_KEY.all(tx, kind=kind, value=value, most=limit)]


def add(tx: WriteTx, patient: Patient, at: datetime) -> Patient:
    """Store a new patient (its key is ignored) with its identifiers."""
    key = insert_row(tx, patients, **_values(patient), created_at=at, updated_at=at)
    _add_identifiers(tx, key, patient.identifiers)
    return replace(patient, key=key, version=1)


def save(tx: WriteTx, patient: Patient, at: datetime) -> Patient:
    """
    Store *patient* over the row of its key, keeping what it was known by.

    Raises: LookupError, if the row changed since it was read (its version says so).
    """
    before = get(tx, patient.key)
    said = _values(patient) | {"version": patient.version + 1, "updated_at": at}
    if _SAVE.run(tx, at_key=patient.key, seen=patient.version, **said) != 1:
        raise LookupError(f"patient {patient.key} changed meanwhile")
    if before.identifiers != patient.identifiers:
        _replace_identifiers(tx, patient.key, patient.identifiers)
    if (before.patient_name, before.patient_birth_date) != (patient.patient_name, patient.patient_birth_date):
        _learn_alias(tx, patient.key, before, at)
    return replace(patient, version=patient.version + 1)


def said_otherwise(tx: WriteTx, keys: Iterable[int], at: datetime) -> None:
    """Note that records have other numbers, or are other records' too, than before *at*: each is another version."""
    changed = {"version": patients.c.version + 1, "updated_at": at}
    tx.execute(update(patients).where(patients.c.key.in_(list(dict.fromkeys(keys)))).values(**changed))


def question(tx: WriteTx, before: Patient) -> None:
    """Note that another person is made of *before*'s record; what it says now is kept, unless it was in question before."""
    last_alias = tx.execute(
        select(func.coalesce(func.max(patient_aliases.c.key), 0)).where(patient_aliases.c.patient_key == before.key)
    ).scalar_one()
    values = {name: getattr(before, name) for name in _QUESTIONED} | {
        "other_patient_names": list(before.other_patient_names),
        "details": to_plain(before.details),
        "findings": findings_to_plain(before.findings),
        "last_alias": last_alias,
    }
    tx.execute(
        update(patients)
        .where(patients.c.key == before.key, patients.c.in_question.is_(None))
        .values(in_question=values)
    )


def confirm(tx: WriteTx, key: int) -> None:
    """End the doubt about a record: it is who it says. What it said earlier is another person's and is no name of theirs."""
    tx.execute(delete(patient_aliases).where(patient_aliases.c.patient_key == key))
    tx.execute(update(patients).where(patients.c.key == key).values(in_question=None))


def restore(tx: WriteTx, key: int, at: datetime) -> Patient:
    """End the doubt about a record: it is who it was. Raises: LookupError, if nobody doubts it."""
    before = tx.execute(select(patients.c.in_question).where(patients.c.key == key)).scalar()
    if before is None:
        raise LookupError(f"patient {key} is not in question")
    said = {name: before[name] for name in _QUESTIONED} | {
        "other_patient_names": tuple(before["other_patient_names"]),
        "details": from_plain(before["details"]),
        "findings": findings_from_plain(before["findings"]),
    }
    saved = save(tx, replace(get(tx, key), **said), at)
    tx.execute(
        delete(patient_aliases).where(
            patient_aliases.c.patient_key == key, patient_aliases.c.key > before["last_alias"]
        )
    )
    tx.execute(update(patients).where(patients.c.key == key).values(in_question=None))
    return replace(saved, in_question=False)


def add_keys(tx: WriteTx, patient_key: int, pairs: Iterable[tuple[str, str]], birth_dates: Iterable[str]) -> None:
    """Store the look-up keys of a patient who has none yet. birth_dates: all that are known."""
    dates = "|".join(birth_dates)
    _ADD_KEY.each(
        tx,
        (
            {"patient_key": patient_key, "kind": kind, "value": value, "birth_dates": dates}
            for kind, value in sorted(set(pairs))
        ),
    )


def set_keys(tx: WriteTx, patient_key: int, pairs: Iterable[tuple[str, str]], birth_dates: Iterable[str] = ()) -> None:
    """Replace the look-up keys of a patient. birth_dates: all that are known."""
    dates = "|".join(birth_dates)
    wanted = {(kind, value, dates) for kind, value in pairs}
    known = {(row.kind, row.value, row.birth_dates) for row in _KEYS.all(tx, patient_key=patient_key)}
    for kind, value, _ in sorted(known - wanted):
        _DROP_KEY.run(tx, patient_key=patient_key, kind=kind, value=value)
    add_keys(tx, patient_key, [(kind, value) for kind, value, _ in wanted - known], dates.split("|"))


def add_identifier(tx: WriteTx, key: int, identifier: PatientIdentifier, position: int) -> int:
    """File a number that nobody has under a patient and return its row. position: among the patient's numbers."""
    return insert_row(tx, patient_identifiers, **_identifier_values(key, identifier, position))


def last_position(tx: ReadTx, key: int) -> int:
    """Return the position of a patient's last number, -1 without one."""
    found = select(func.max(patient_identifiers.c.position)).where(patient_identifiers.c.patient_key == key)
    last = tx.execute(found).scalar()
    return -1 if last is None else int(last)


def inactive_with_exams(tx: ReadTx, limit: int) -> list[int]:
    """Return records that registration deleted and that have orders or studies all the same, newest first."""
    ordered = select(orders.c.key).where(orders.c.patient_key == patients.c.key).exists()
    imaged = select(studies.c.key).where(studies.c.patient_key == patients.c.key).exists()
    query = select(patients.c.key).where(patients.c.inactive, or_(ordered, imaged))
    return list(tx.execute(query.order_by(patients.c.updated_at.desc()).limit(limit)).scalars())


def _learn_alias(tx: WriteTx, key: int, before: Patient, at: datetime) -> None:
    if before.patient_name or before.patient_birth_date:
        tx.execute(
            insert(patient_aliases).values(
                patient_key=key,
                patient_name=before.patient_name,
                patient_birth_date=before.patient_birth_date,
                learned_at=at,
            )
        )


def _replace_identifiers(tx: WriteTx, key: int, identifiers: Sequence[PatientIdentifier]) -> None:
    """Bring a patient's numbers in line; the rows of those that stay are the same rows."""
    known = {(row.issuer_of_patient_id, row.patient_id): row for row in _NUMBER_ROWS.all(tx, patient_key=key)}
    new = []
    for position, one in enumerate(identifiers):
        row = known.pop(one.key, None)
        if row is None:
            new.append(_identifier_values(key, one, position))
        elif row.position != position:
            _PLACE_NUMBER.run(tx, at_key=row.key, position=position)
    for row in known.values():
        _DROP_NUMBER.run(tx, key=row.key)
    _ADD_NUMBER.each(tx, new)


def _add_identifiers(tx: WriteTx, key: int, identifiers: Sequence[PatientIdentifier]) -> None:
    _ADD_NUMBER.each(tx, (_identifier_values(key, one, position) for position, one in enumerate(identifiers)))


def _identifier_values(key: int, identifier: PatientIdentifier, position: int) -> dict[str, Any]:
    return {
        "patient_key": key,
        "issuer_of_patient_id": identifier.issuer_of_patient_id,
        "patient_id": identifier.patient_id,
        "identifier_type": identifier.identifier_type,
        "position": position,
    }


def _values(patient: Patient) -> dict[str, Any]:
    return {
        "patient_name": patient.patient_name,
        "patient_birth_date": patient.patient_birth_date,
        "patient_sex": patient.patient_sex,
        "other_patient_names": list(patient.other_patient_names),
        "multiple_birth": patient.multiple_birth,
        "provisional": patient.provisional,
        "inactive": patient.inactive,
        "patient_address": patient.patient_address,
        "patient_telephone": patient.patient_telephone,
        "details": to_plain(patient.details),
        "findings": findings_to_plain(patient.findings),
        "as_of": patient.as_of,
        "merged_into": patient.merged_into,
    }


def patient_of(row: Any, identifiers: Sequence[PatientIdentifier]) -> Patient:
    """Return the patient of a row of the table and its identifiers, the primary one first."""
    return Patient(
        key=row.key,
        identifiers=tuple(identifiers),
        patient_name=row.patient_name,
        patient_birth_date=row.patient_birth_date,
        patient_sex=row.patient_sex,
        other_patient_names=tuple(row.other_patient_names),
        multiple_birth=row.multiple_birth,
        provisional=row.provisional,
        inactive=row.inactive,
        patient_address=row.patient_address,
        patient_telephone=row.patient_telephone,
        details=cast(PatientDetails, from_plain(row.details)),
        findings=findings_from_plain(row.findings),
        as_of=row.as_of,
        merged_into=row.merged_into,
        version=row.version,
        in_question=row.in_question is not None,
    )
