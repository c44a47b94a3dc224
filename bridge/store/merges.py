"""The journal of merges, moves and changed numbers: what each one moved and wrote over, so that it can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, literal_column, or_, select, update

from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.patient import Patient
from bridge.store import patients
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.filing import Rows, said_otherwise
from bridge.store.prepared import Prepared
from bridge.store.tables import merges, orders, patient_identifiers, visits
from bridge.store.tables import patients as patients_table

Replaced = dict[str, Any]
"""One row whose values were written over: {"table", "key", "before", "after"}; "before" None: the row was made."""

_TABLES = {table.name: table for table in (orders, visits, patient_identifiers, patients_table)}


@dataclass(frozen=True, slots=True)
class Merge:
    """
    One entry. survivor_key: whose it is since, retired_key: whose it was; they are the same where only a number changed.

    number, new_number: the patient number, account or visit that ended, and what stands instead. merged_at: by the
    sender's clock, heard_at: by ours. moved: rows by table, as they were filed under the retired record.
    """

    key: int
    kind: IdentityChange
    survivor_key: int
    retired_key: int
    number: EntityIdentifier
    new_number: EntityIdentifier
    message_key: int | None
    merged_at: datetime
    heard_at: datetime
    moved: Rows = field(default_factory=dict)
    replaced: tuple[Replaced, ...] = ()
    undone_at: datetime | None = None
    undone_by: str = ""
    undo_reason: str = ""
    undo_note: str = ""


_OF_ACCOUNTS = (IdentityChange.MOVE_ACCOUNT, IdentityChange.CHANGE_ACCOUNT)
_ACCOUNT_MOVED = Prepared(
    select(merges)
    .where(
        merges.c.kind.in_([literal_column(f"'{kind.value}'") for kind in _OF_ACCOUNTS]),
        merges.c.number == bindparam("number"),
        merges.c.issuer_of_number == bindparam("issuer"),
        merges.c.merged_at > bindparam("said_at"),
        merges.c.undone_at.is_(None),
    )
    .order_by(merges.c.key.desc())
)


def get(tx: ReadTx, key: int) -> Merge:
    """Return the entry in row *key*. Raises: LookupError."""
    row = tx.execute(select(merges).where(merges.c.key == key)).first()
    if row is None:
        raise LookupError(f"no merge {key}")
    return _merge(row)


def about(tx: ReadTx, kind: IdentityChange, number: EntityIdentifier) -> list[Merge]:
    """Return the entries of one kind about a number that ended, newest first."""
    query = select(merges).where(
        merges.c.kind == kind.value, merges.c.number == number.value, merges.c.issuer_of_number == number.issuer
    )
    return [_merge(row) for row in tx.execute(query.order_by(merges.c.key.desc()))]


def account_moved_since(tx: ReadTx, account: EntityIdentifier, said_at: datetime) -> Merge | None:
    """Return what last moved or renumbered an account after *said_at*, None if nothing did."""
    row = _ACCOUNT_MOVED.first(tx, number=account.value, issuer=account.issuer, said_at=said_at)
    return None if row is None else _merge(row)


def add(tx: WriteTx, entry: Merge) -> int:
    """Append an entry (its key is ignored)."""
    return insert_row(
        tx,
        merges,
        kind=entry.kind.value,
        survivor_key=entry.survivor_key,
        retired_key=entry.retired_key,
        number=entry.number.value,
        issuer_of_number=entry.number.issuer,
        new_number=entry.new_number.value,
        issuer_of_new_number=entry.new_number.issuer,
        merged_at=entry.merged_at,
        heard_at=entry.heard_at,
        moved=entry.moved,
        replaced=list(entry.replaced),
    )


def later_of(tx: ReadTx, entry: Merge) -> list[Merge]:
    """Return the entries after *entry* that stand and are about one of its records, newest first."""
    keys = [entry.survivor_key, entry.retired_key]
    query = select(merges).where(
        merges.c.key > entry.key,
        merges.c.undone_at.is_(None),
        or_(merges.c.survivor_key.in_(keys), merges.c.retired_key.in_(keys)),
    )
    return [_merge(row) for row in tx.execute(query.order_by(merges.c.key.desc()))]


def replace_values(tx: WriteTx, table_name: str, key: int, values: dict[str, Any], at: datetime) -> Replaced:
    """Write over some values of a row and return what they were. at: when, by our clock."""
    table = _TABLES[table_name]
    row = tx.execute(select(*(table.c[name] for name in values)).where(table.c.key == key)).one()
    tx.execute(update(table).where(table.c.key == key).values(**values | said_otherwise(table, at)))
    return {
        "table": table_name,
        "key": key,
        "before": {name: _plain(getattr(row, name)) for name in values},
        "after": {name: _plain(value) for name, value in values.items()},
    }


def made_identifier(tx: WriteTx, patient_key: int, identifier: PatientIdentifier, position: int) -> Replaced:
    """File a number that nobody had under a patient."""
    key = patients.add_identifier(tx, patient_key, identifier, position)
    return {"table": "patient_identifiers", "key": key, "before": None, "after": {"patient_key": patient_key}}


def filled(before: Patient, said: Mapping[str, str]) -> Replaced:
    """Return what a change of records wrote of a patient of whom it was not known; nothing was said of them since."""
    return {
        "table": "patients",
        "key": before.key,
        "before": {name: getattr(before, name) for name in said},
        "after": {**said, "as_of": _plain(before.as_of)},
    }


def put_back(tx: WriteTx, replaced: Sequence[Replaced], at: datetime) -> int:
    """
    Write the earlier values back, the last first, where nothing else was written since; return how many could not be.

    What was said of a patient since stands, and counts for none of these.
    """
    left = 0
    for one in reversed(replaced):
        table = _TABLES[one["table"]]
        row = tx.execute(select(table).where(table.c.key == one["key"])).first()
        if row is None or any(_plain(getattr(row, name)) != value for name, value in one["after"].items()):
            left += one["before"] is not None and table is not patients_table
        elif one["before"] is None:
            tx.execute(delete(table).where(table.c.key == one["key"]))
        else:
            values = {name: _typed(name, value) for name, value in one["before"].items()}
            tx.execute(update(table).where(table.c.key == one["key"]).values(**values | said_otherwise(table, at)))
    return left


def name_message(tx: WriteTx, merge_keys: list[int], message_key: int) -> None:
    """Note which message asked for these entries."""
    if merge_keys:
        tx.execute(update(merges).where(merges.c.key.in_(merge_keys)).values(message_key=message_key))


def ended_by(tx: ReadTx, patient_key: int) -> Merge | None:
    """Return what a record, or the number it keeps, ended by; None if it did not, or that was undone."""
    row = tx.execute(
        select(merges)
        .where(merges.c.retired_key == patient_key, merges.c.survivor_key != patient_key, merges.c.undone_at.is_(None))
        .order_by(merges.c.key.desc())
    ).first()
    return None if row is None else _merge(row)


def mark_undone(tx: WriteTx, key: int, at: datetime, by: str, reason: str, note: str) -> None:
    """Note that a person took an entry back, and what could not go back."""
    tx.execute(
        update(merges).where(merges.c.key == key).values(undone_at=at, undone_by=by, undo_reason=reason, undo_note=note)
    )


def identifier_row(tx: ReadTx, identifier: PatientIdentifier) -> Row[Any] | None:
    """Return the row of a patient's number."""
    return tx.execute(
        select(patient_identifiers).where(
            patient_identifiers.c.issuer_of_patient_id == identifier.issuer_of_patient_id,
            patient_identifiers.c.patient_id == identifier.patient_id,
        )
    ).first()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name.endswith("_at") and value is not None else value


def _merge(row: Row[Any]) -> Merge:
    return Merge(
        kind=IdentityChange(row.kind),
        number=EntityIdentifier(row.number, row.issuer_of_number),
        new_number=EntityIdentifier(row.new_number, row.issuer_of_new_number),
        replaced=tuple(row.replaced),
        **{
            name: getattr(row, name)
            for name in Merge.__slots__
            if name not in ("kind", "number", "new_number", "replaced")
        },
    )
