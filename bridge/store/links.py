"""Records that registration says are one person's and that stay two. Nothing moves by a link, and it is no evidence."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import patient_links

_first, _second = patient_links.c.first_patient_key, patient_links.c.second_patient_key
_PARTED_FROM = Prepared(
    select(_first, _second).where(
        ~patient_links.c.linked, or_(_first == bindparam("patient_key"), _second == bindparam("patient_key"))
    )
)


def said_at(tx: ReadTx, one: int, other: int) -> tuple[datetime, bool] | None:
    """Return when registration last spoke of two records, by its clock, and whether it called them linked; None: never."""
    row = tx.execute(select(patient_links).where(*_pair(one, other))).first()
    return None if row is None else (row.said_at, row.linked)


def put(tx: WriteTx, one: int, other: int, at: datetime, *, linked: bool) -> None:
    """Note whether two records are linked from *at* on."""
    done = tx.execute(update(patient_links).where(*_pair(one, other)).values(linked=linked, said_at=at))
    if not done.rowcount:
        first, second = sorted((one, other))
        insert_row(tx, patient_links, first_patient_key=first, second_patient_key=second, linked=linked, said_at=at)


def take_as_one(tx: WriteTx, one: int, other: int, at: datetime) -> None:
    """Forget that two records were said to be two people's: at *at* they are said to be one's."""
    older = (~patient_links.c.linked, patient_links.c.said_at <= at)
    tx.execute(delete(patient_links).where(*_pair(one, other), *older))


def parted_from(tx: ReadTx, patient_key: int) -> set[int]:
    """Return the records of which registration said last that they are not this one's, though they were merged into it."""
    rows = _PARTED_FROM.all(tx, patient_key=patient_key)
    return {row[1] if row[0] == patient_key else row[0] for row in rows}


def of_patient(tx: ReadTx, patient_key: int) -> list[int]:
    """Return the records that are linked to this one."""
    first, second = patient_links.c.first_patient_key, patient_links.c.second_patient_key
    query = select(first, second).where(patient_links.c.linked, or_(first == patient_key, second == patient_key))
    rows = tx.execute(query.order_by(patient_links.c.key))
    return [row[1] if row[0] == patient_key else row[0] for row in rows]


def _pair(one: int, other: int) -> tuple[ColumnElement[bool], ...]:
    first, second = sorted((one, other))
    return (patient_links.c.first_patient_key == first, patient_links.c.second_patient_key == second)
