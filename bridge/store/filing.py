"""What is filed under a patient and follows them: by record, by the number it came under, by visit. One list says what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, func, or_, select, update

from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import appointments, authorizations, orders, reports, studies, visits

Rows = dict[str, list[int]]
"""Keys of rows by their table's name."""


@dataclass(frozen=True, slots=True)
class Filed:
    """
    One table whose rows belong to a patient (patient_key).

    number: the columns of the patient's number that a row came under, (id, issuer), None where it keeps none. order_key:
    a row follows its order where it has one. came_at: when a row came, by our clock, None where that is not kept.
    """

    table: Table
    number: tuple[Column[str], Column[str]] | None = None
    order_key: Column[int] | None = None
    came_at: Column[datetime] | None = None


FILED: tuple[Filed, ...] = (
    Filed(orders, (orders.c.patient_id, orders.c.issuer_of_patient_id), came_at=orders.c.ordered_at),
    Filed(visits, (visits.c.patient_id, visits.c.issuer_of_patient_id)),
    Filed(
        studies,
        (studies.c.received_patient_id, studies.c.received_issuer_of_patient_id),
        studies.c.order_key,
        studies.c.first_instance_at,
    ),
    Filed(authorizations, None, authorizations.c.order_key, authorizations.c.created_at),
    Filed(reports, (reports.c.patient_id, reports.c.issuer_of_patient_id), reports.c.order_key, reports.c.created_at),
    Filed(appointments, None, appointments.c.order_key),
)


def of_patient(tx: ReadTx, patient_key: int) -> Rows:
    """Return everything that is filed under a record."""
    return _without_none({one.table.name: _keys(tx, one, one.table.c.patient_key == patient_key) for one in FILED})


def under_numbers(
    tx: ReadTx, patient_key: int, numbers: Sequence[PatientIdentifier], since: datetime | None = None
) -> Rows:
    """
    Return what of a record came under one of *numbers*, and what hangs on such an order.

    since: by our clock; what was filed there before then may have come under the number from another holder of it.
    A study whose header names no issuer came under the number all the same; what a person bound stays where they put it.
    """
    if not numbers:
        return {}
    found: Rows = {}
    for one in FILED:
        came_under = _came_under(one, numbers)
        if came_under is not None and since is not None and one.came_at is not None:
            came_under = and_(came_under, one.came_at >= since)
        follows = _follows(one, found.get("orders", []))
        wanted = [condition for condition in (came_under, follows) if condition is not None]
        if wanted:
            found[one.table.name] = _keys(tx, one, and_(one.table.c.patient_key == patient_key, or_(*wanted)))
    return _without_none(found)


def of_visits(tx: ReadTx, patient_key: int, visit_keys: Sequence[int], admissions: Sequence[EntityIdentifier]) -> Rows:
    """Return these visits of a record, the orders that name one of *admissions*, and what hangs on those but studies."""
    admitted = [
        and_(orders.c.admission_id == one.value, orders.c.issuer_of_admission_id == one.issuer) for one in admissions
    ]
    found: Rows = {}
    for one in FILED:
        condition: ColumnElement[bool] | None = None
        if one.table is visits:
            condition = visits.c.key.in_(visit_keys)
        elif one.table is orders:
            condition = or_(*admitted) if admitted else None
        elif one.table is not studies:
            condition = _follows(one, found.get("orders", []))
        if condition is not None:
            found[one.table.name] = _keys(tx, one, and_(one.table.c.patient_key == patient_key, condition))
    return _without_none(found)


def move(tx: WriteTx, rows: Mapping[str, Sequence[int]], from_key: int, to_key: int, at: datetime) -> Rows:
    """File *rows* of one record under another and return those that were still there to move: each is another version."""
    moved: Rows = {}
    for one in FILED:
        keys = list(rows.get(one.table.name, ()))
        if not keys:
            continue
        there = _keys(tx, one, and_(one.table.c.key.in_(keys), one.table.c.patient_key == from_key))
        if there:
            values = {"patient_key": to_key} | said_otherwise(one.table, at)
            tx.execute(update(one.table).where(one.table.c.key.in_(there)).values(**values))
            moved[one.table.name] = there
    return moved


def said_otherwise(table: Table, at: datetime) -> dict[str, Any]:
    """Return what a row is written with that is said otherwise since *at*, and whose table counts that; studies have decisions."""
    c = table.c
    if table is studies or "updated_at" not in c:
        return {}
    return {"updated_at": at} | ({"version": c.version + 1} if "version" in c else {})


def came_without_number(tx: ReadTx, patient_key: int, since: datetime) -> int:
    """Return how much of a record came after *since* without saying under which number."""
    total = 0
    for one in FILED:
        if one.came_at is None:
            continue
        unnumbered = and_(one.number[0] == "") if one.number is not None else None
        alone = one.order_key.is_(None) if one.order_key is not None else None
        unknown = [condition for condition in (unnumbered, alone) if condition is not None]
        query = select(func.count()).where(one.table.c.patient_key == patient_key, one.came_at > since, *unknown)
        total += int(tx.execute(query).scalar_one())
    return total


def _came_under(one: Filed, numbers: Sequence[PatientIdentifier]) -> ColumnElement[bool] | None:
    if one.number is None:
        return None
    number, issuer = one.number
    is_study = one.table is studies
    named = or_(
        *(
            and_(number == each.patient_id, issuer.in_([each.issuer_of_patient_id, *([""] if is_study else [])]))
            for each in numbers
        )
    )
    if not is_study:
        return named
    by_rule = and_(*(studies.c.decided_by.not_like(f"{kind}:%") for kind in ("user", "token")))
    return and_(named, studies.c.order_key.is_(None), by_rule)


def _follows(one: Filed, order_keys: Sequence[int]) -> ColumnElement[bool] | None:
    if one.order_key is None or not order_keys:
        return None
    return one.order_key.in_(order_keys)


def _keys(tx: ReadTx, one: Filed, condition: ColumnElement[bool]) -> list[int]:
    return list(tx.execute(select(one.table.c.key).where(condition).order_by(one.table.c.key)).scalars())


def _without_none(found: Mapping[str, Iterable[int]]) -> Rows:
    return {name: keys for name, rows in found.items() if (keys := list(rows))}
