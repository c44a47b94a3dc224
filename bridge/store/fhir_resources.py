"""What FHIR clients call their orders and patients, so that they are found when only that name comes again."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import fhir_resources


def order_key(tx: ReadTx, source: str, resource_id: str) -> int | None:
    """Return the order that *source* calls ServiceRequest/*resource_id*, None if none."""
    return _find(tx, source, "ServiceRequest", resource_id)[0]


def patient_key(tx: ReadTx, source: str, resource_id: str) -> int | None:
    """Return the record that *source* calls Patient/*resource_id*, None if none."""
    return _find(tx, source, "Patient", resource_id)[1]


def name_order(tx: WriteTx, source: str, resource_id: str, order_key: int) -> None:
    """Keep what *source* calls an order."""
    _put(tx, (source, "ServiceRequest", resource_id), {"order_key": order_key})


def name_patient(tx: WriteTx, source: str, resource_id: str, patient_key: int) -> None:
    """Keep what *source* calls a patient."""
    _put(tx, (source, "Patient", resource_id), {"patient_key": patient_key})


def _find(tx: ReadTx, source: str, resource_type: str, resource_id: str) -> tuple[int | None, int | None]:
    query = select(fhir_resources.c.order_key, fhir_resources.c.patient_key).where(
        *_is((source, resource_type, resource_id))
    )
    row = tx.execute(query).first()
    return (None, None) if row is None else (row[0], row[1])


def _is(name: tuple[str, str, str]) -> tuple[ColumnElement[bool], ...]:
    c = fhir_resources.c
    return (c.source == name[0], c.resource_type == name[1], c.resource_id == name[2])


def _put(tx: WriteTx, name: tuple[str, str, str], keys: dict[str, int]) -> None:
    if not tx.execute(update(fhir_resources).where(*_is(name)).values(**keys)).rowcount:
        source, resource_type, resource_id = name
        insert_row(tx, fhir_resources, source=source, resource_type=resource_type, resource_id=resource_id, **keys)
