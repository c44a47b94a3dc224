"""Visits by their numbers, and the accounts they are billed under."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import bindparam, select, update

from bridge.domain.details import VisitDetails, from_plain, to_plain
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Order
from bridge.domain.patient import Visit, VisitState
from bridge.domain.records import replace
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import visits

_PLAIN = (
    "patient_key",
    "patient_class",
    "current_patient_location",
    "referring_physician_name",
    "admitted_local",
    "discharged_local",
    "as_of",
    "moved_at",
    "moved_into",
)
_NUMBERED = (
    "admission_id",
    "issuer_of_admission_id",
    "account_number",
    "issuer_of_account_number",
    "patient_id",
    "issuer_of_patient_id",
    "state",
    "details",
)


_BY_KEY = Prepared(select(visits).where(visits.c.key == bindparam("key")))
_BY_NUMBER = Prepared(
    select(visits).where(
        visits.c.issuer_of_admission_id == bindparam("issuer"), visits.c.admission_id == bindparam("number")
    )
)


def get(tx: ReadTx, key: int) -> Visit:
    """Return the visit in row *key*. Raises: LookupError."""
    row = _BY_KEY.first(tx, key=key)
    if row is None:
        raise LookupError(f"no visit {key}")
    return _visit(row)


def find(tx: ReadTx, admission_id: EntityIdentifier) -> Visit | None:
    """Return the visit with this number and issuer."""
    row = _BY_NUMBER.first(tx, issuer=admission_id.issuer, number=admission_id.value)
    return None if row is None else _visit(row)


def of_order(tx: ReadTx, order: Order) -> Visit | None:
    """Return the visit of its own patient that an order came under, by the number that both have."""
    visit = find(tx, order.admission_id) if order.admission_id else None
    is_its_own = visit is not None and visit.moved_into is None and visit.patient_key == order.patient_key
    return visit if is_its_own else None


def standing(tx: ReadTx, admission_id: EntityIdentifier) -> Visit | None:
    """Return the visit with this number, or the one that goes by another number now."""
    visit = find(tx, admission_id)
    while visit is not None and visit.moved_into is not None:
        visit = get(tx, visit.moved_into)
    return visit


def by_account(tx: ReadTx, account: EntityIdentifier) -> list[Visit]:
    """Return the visits billed under an account, oldest first."""
    query = select(visits).where(
        visits.c.account_number == account.value, visits.c.issuer_of_account_number == account.issuer
    )
    return [_visit(row) for row in tx.execute(query.order_by(visits.c.key))]


def of_patient(tx: ReadTx, patient_key: int) -> list[Visit]:
    """Return a patient's visits, the one with the newest news first."""
    query = select(visits).where(visits.c.patient_key == patient_key, visits.c.moved_into.is_(None))
    return [_visit(row) for row in tx.execute(query.order_by(visits.c.as_of.desc(), visits.c.key.desc()))]


def add(tx: WriteTx, visit: Visit) -> Visit:
    """Store a new visit (its key is ignored)."""
    return replace(visit, key=insert_row(tx, visits, **_values(visit)))


def save(tx: WriteTx, visit: Visit) -> None:
    """Store *visit* over the row of its key."""
    _SAVE.run(tx, at_key=visit.key, **_values(visit))


def _values(visit: Visit) -> dict[str, Any]:
    return {name: getattr(visit, name) for name in _PLAIN} | {
        "admission_id": visit.admission_id.value,
        "issuer_of_admission_id": visit.admission_id.issuer,
        "account_number": visit.account_number.value,
        "issuer_of_account_number": visit.account_number.issuer,
        "patient_id": visit.patient_number.patient_id,
        "issuer_of_patient_id": visit.patient_number.issuer_of_patient_id,
        "state": visit.state.value,
        "details": to_plain(visit.details),
    }


def _visit(row: Any) -> Visit:
    return Visit(
        key=row.key,
        admission_id=EntityIdentifier(row.admission_id, row.issuer_of_admission_id),
        account_number=EntityIdentifier(row.account_number, row.issuer_of_account_number),
        patient_number=PatientIdentifier(row.patient_id, row.issuer_of_patient_id),
        state=VisitState(row.state),
        details=cast(VisitDetails, from_plain(row.details)),
        **{name: getattr(row, name) for name in _PLAIN},
    )


_SAVE = Prepared(update(visits).where(visits.c.key == bindparam("at_key")), (*_PLAIN, *_NUMBERED))
