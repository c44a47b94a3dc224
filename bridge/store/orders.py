"""Orders and their scheduled steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code, Order, Step, StepStatus
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import orders, step_stations, steps


def get(tx: ReadTx, key: int) -> Order:
    """Return the order in row *key*. Raises: LookupError."""
    row = tx.execute(select(orders).where(orders.c.key == key)).first()
    if row is None:
        raise LookupError(f"no order {key}")
    return _order(row)


def find(
    tx: ReadTx, draft_filler: EntityIdentifier, draft_placer: EntityIdentifier, accession: tuple[str, str]
) -> Order | None:
    """
    Return the order that a message means: by filler number, else placer number, else accession, each with its issuer.

    accession: (AccessionNumber, issuer). Of several with one number, the newest. Source: IHE RAD TF-2 4.4.
    """
    for value, issuer, number, number_issuer in (
        (draft_filler.value, draft_filler.issuer, orders.c.filler_order_number, orders.c.issuer_of_filler_order_number),
        (draft_placer.value, draft_placer.issuer, orders.c.placer_order_number, orders.c.issuer_of_placer_order_number),
        (*accession, orders.c.accession_number, orders.c.issuer_of_accession_number),
    ):
        if not value:
            continue
        row = tx.execute(
            select(orders).where(number == value, number_issuer == issuer).order_by(orders.c.key.desc())
        ).first()
        if row is not None:
            return _order(row)
    return None


def by_accession(tx: ReadTx, accession_number: str, issuer: str | None = None) -> list[Order]:
    """Return the orders with *accession_number*, newest first; issuer None: whoever's."""
    query = select(orders).where(orders.c.accession_number == accession_number)
    if issuer is not None:
        query = query.where(orders.c.issuer_of_accession_number == issuer)
    return _list(tx, query)


def by_study_uid(tx: ReadTx, study_instance_uid: str) -> list[Order]:
    """Return the orders whose study has *study_instance_uid*, newest first."""
    return _list(tx, select(orders).where(orders.c.study_instance_uid == study_instance_uid))


def by_requested_procedure(tx: ReadTx, requested_procedure_id: str) -> list[Order]:
    """Return the orders with *requested_procedure_id*, newest first."""
    return _list(tx, select(orders).where(orders.c.requested_procedure_id == requested_procedure_id))


def by_step_id(tx: ReadTx, scheduled_procedure_step_id: str) -> list[Order]:
    """Return the orders that have a step with *scheduled_procedure_step_id*, newest first."""
    return _list(
        tx,
        select(orders)
        .join(steps, steps.c.order_key == orders.c.key)
        .where(steps.c.scheduled_procedure_step_id == scheduled_procedure_step_id),
    )


def of_patient(tx: ReadTx, patient_key: int) -> list[Order]:
    """Return a patient's orders, newest first."""
    return _list(tx, select(orders).where(orders.c.patient_key == patient_key))


def add(tx: WriteTx, order: Order, at: datetime) -> Order:
    """Store a new order (its key is ignored)."""
    return replace(order, key=insert_row(tx, orders, **_order_values(order), updated_at=at), version=1)


def save(tx: WriteTx, order: Order, at: datetime) -> Order:
    """Store *order* over the row of its key. Raises: LookupError, if it changed since it was read."""
    done = tx.execute(
        update(orders)
        .where(orders.c.key == order.key, orders.c.version == order.version)
        .values(**_order_values(order) | {"version": order.version + 1}, updated_at=at)
    )
    if done.rowcount != 1:
        raise LookupError(f"order {order.key} changed meanwhile")
    return replace(order, version=order.version + 1)


def steps_of(tx: ReadTx, order_key: int) -> list[Step]:
    """Return the steps of an order in the order they came."""
    return _steps(tx, select(steps).where(steps.c.order_key == order_key).order_by(steps.c.key))


def get_steps(tx: ReadTx, keys: Iterable[int]) -> list[Step]:
    """Return the steps in rows *keys*."""
    return _steps(tx, select(steps).where(steps.c.key.in_(list(keys))).order_by(steps.c.key))


def live_steps_of_patient(tx: ReadTx, patient_key: int) -> list[Step]:
    """Return the steps of a patient's orders that a worklist may show."""
    return _steps(
        tx,
        select(steps)
        .join(orders, orders.c.key == steps.c.order_key)
        .where(orders.c.patient_key == patient_key, steps.c.status.in_(["SCHEDULED", "ARRIVED", "READY", "STARTED"]))
        .order_by(steps.c.key),
    )


def add_step(tx: WriteTx, step: Step) -> Step:
    """Store a new step (its key is ignored)."""
    key = insert_row(tx, steps, **_step_values(step))
    _add_stations(tx, key, step.scheduled_station_ae_title)
    return replace(step, key=key, version=1)


def save_step(tx: WriteTx, step: Step) -> Step:
    """Store *step* over the row of its key. Raises: LookupError, if it changed since it was read."""
    done = tx.execute(
        update(steps)
        .where(steps.c.key == step.key, steps.c.version == step.version)
        .values(**_step_values(step) | {"version": step.version + 1})
    )
    if done.rowcount != 1:
        raise LookupError(f"step {step.key} changed meanwhile")
    tx.execute(delete(step_stations).where(step_stations.c.step_key == step.key))
    _add_stations(tx, step.key, step.scheduled_station_ae_title)
    return replace(step, version=step.version + 1)


def set_encoded(tx: WriteTx, step_key: int, encoded: bytes | None, incomplete: str = "") -> None:
    """Keep the encoded worklist answer of a step, or why there is none."""
    tx.execute(update(steps).where(steps.c.key == step_key).values(encoded=encoded, incomplete=incomplete))


def _add_stations(tx: WriteTx, step_key: int, titles: Iterable[str]) -> None:
    rows = [{"step_key": step_key, "scheduled_station_ae_title": title} for title in dict.fromkeys(titles)]
    if rows:
        tx.execute(insert(step_stations), rows)


def _list(tx: ReadTx, query: Select[Any]) -> list[Order]:
    return [_order(row) for row in tx.execute(query.order_by(orders.c.key.desc()))]


def _steps(tx: ReadTx, query: Select[Any]) -> list[Step]:
    rows = tx.execute(query).all()
    stations: dict[int, list[str]] = {row.key: [] for row in rows}
    for row in tx.execute(
        select(step_stations).where(step_stations.c.step_key.in_(list(stations))).order_by(step_stations.c.key)
    ):
        stations[row.step_key].append(row.scheduled_station_ae_title)
    return [_step(row, tuple(stations[row.key])) for row in rows]


def _order_values(order: Order) -> dict[str, Any]:
    return {
        "patient_key": order.patient_key,
        "accession_number": order.accession_number,
        "issuer_of_accession_number": order.issuer_of_accession_number,
        "placer_order_number": order.placer_order_number.value,
        "issuer_of_placer_order_number": order.placer_order_number.issuer,
        "filler_order_number": order.filler_order_number.value,
        "issuer_of_filler_order_number": order.filler_order_number.issuer,
        "requested_procedure_id": order.requested_procedure_id,
        "study_instance_uid": order.study_instance_uid,
        "status": order.status.value,
        "requested_procedure_description": order.requested_procedure_description,
        "requested_procedure_code": order.requested_procedure_code.code_value,
        "requested_procedure_code_scheme": order.requested_procedure_code.coding_scheme_designator,
        "requested_procedure_code_meaning": order.requested_procedure_code.code_meaning,
        "requested_procedure_priority": order.requested_procedure_priority,
        "reason_for_the_requested_procedure": order.reason_for_the_requested_procedure,
        "requested_procedure_comments": order.requested_procedure_comments,
        "requesting_physician": order.requesting_physician,
        "referring_physician_name": order.referring_physician_name,
        "admission_id": order.admission_id.value,
        "issuer_of_admission_id": order.admission_id.issuer,
        "current_patient_location": order.current_patient_location,
        "institution_name": order.institution_name,
        "is_import": order.is_import,
        "is_test": order.is_test,
        "transaction_at": order.transaction_at,
        "ordered_at": order.ordered_at,
    }


def _order(row: Row[Any]) -> Order:
    return Order(
        key=row.key,
        patient_key=row.patient_key,
        accession_number=row.accession_number,
        issuer_of_accession_number=row.issuer_of_accession_number,
        placer_order_number=EntityIdentifier(row.placer_order_number, row.issuer_of_placer_order_number),
        filler_order_number=EntityIdentifier(row.filler_order_number, row.issuer_of_filler_order_number),
        requested_procedure_id=row.requested_procedure_id,
        study_instance_uid=row.study_instance_uid,
        status=StepStatus(row.status),
        requested_procedure_description=row.requested_procedure_description,
        requested_procedure_code=Code(
            row.requested_procedure_code, row.requested_procedure_code_scheme, row.requested_procedure_code_meaning
        ),
        requested_procedure_priority=row.requested_procedure_priority,
        reason_for_the_requested_procedure=row.reason_for_the_requested_procedure,
        requested_procedure_comments=row.requested_procedure_comments,
        requesting_physician=row.requesting_physician,
        referring_physician_name=row.referring_physician_name,
        admission_id=EntityIdentifier(row.admission_id, row.issuer_of_admission_id),
        current_patient_location=row.current_patient_location,
        institution_name=row.institution_name,
        is_import=row.is_import,
        is_test=row.is_test,
        transaction_at=row.transaction_at,
        ordered_at=row.ordered_at,
        version=row.version,
    )


_STEP_TEXTS = (
    "scheduled_procedure_step_id",
    "modality",
    "scheduled_start_local",
    "scheduled_procedure_step_description",
    "scheduled_performing_physician_name",
    "scheduled_station_name",
    "scheduled_procedure_step_location",
    "requested_contrast_agent",
    "pre_medication",
)


def _step_values(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in _STEP_TEXTS} | {
        "order_key": step.order_key,
        "status": step.status.value,
        "scheduled_start_at": step.scheduled_start_at,
        "scheduled_protocol_code": step.scheduled_protocol_code.code_value,
        "scheduled_protocol_code_scheme": step.scheduled_protocol_code.coding_scheme_designator,
        "scheduled_protocol_code_meaning": step.scheduled_protocol_code.code_meaning,
    }


def _step(row: Row[Any], stations: tuple[str, ...]) -> Step:
    return Step(
        key=row.key,
        order_key=row.order_key,
        status=StepStatus(row.status),
        scheduled_station_ae_title=stations,
        scheduled_start_at=row.scheduled_start_at,
        scheduled_protocol_code=Code(
            row.scheduled_protocol_code, row.scheduled_protocol_code_scheme, row.scheduled_protocol_code_meaning
        ),
        version=row.version,
        **{name: getattr(row, name) for name in _STEP_TEXTS},
    )
