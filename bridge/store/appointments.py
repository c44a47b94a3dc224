"""Appointments, with an order or waiting for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from bridge.domain.appointment import Appointment, AppointmentDraft, AppointmentState, Slot
from bridge.domain.details import from_plain, to_plain
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import appointments


def get(tx: ReadTx, key: int) -> Appointment:
    """Return the appointment in row *key*. Raises: LookupError."""
    row = tx.execute(select(appointments).where(appointments.c.key == key)).first()
    if row is None:
        raise LookupError(f"no appointment {key}")
    return _appointment(row)


def many(tx: ReadTx, keys: Sequence[int]) -> dict[int, tuple[Appointment, datetime]]:
    """Return the appointments in these rows, each with when it was last said otherwise."""
    found = tx.execute(select(appointments).where(appointments.c.key.in_(keys)))
    return {row.key: (_appointment(row), row.updated_at) for row in found}


def find(tx: ReadTx, filler: EntityIdentifier, placer: EntityIdentifier) -> Appointment | None:
    """Return the appointment with this filler number, else with this placer number."""
    for given, number, issuer in (
        (filler, appointments.c.filler_appointment_id, appointments.c.issuer_of_filler_appointment_id),
        (placer, appointments.c.placer_appointment_id, appointments.c.issuer_of_placer_appointment_id),
    ):
        query = select(appointments).where(number == given.value, issuer == given.issuer)
        row = tx.execute(query.order_by(appointments.c.key.desc())).first() if given else None
        if row is not None:
            return _appointment(row)
    return None


def add(tx: WriteTx, draft: AppointmentDraft, patient_key: int, said_at: datetime, at: datetime) -> Appointment:
    """Store a new appointment, of no order yet."""
    key = insert_row(
        tx,
        appointments,
        patient_key=patient_key,
        placer_appointment_id=draft.placer_appointment_id.value,
        issuer_of_placer_appointment_id=draft.placer_appointment_id.issuer,
        filler_appointment_id=draft.filler_appointment_id.value,
        issuer_of_filler_appointment_id=draft.filler_appointment_id.issuer,
        state=draft.state.value,
        slots=[_slot_values(slot) for slot in draft.slots],
        starts_at=_first(draft.slots),
        said_at=said_at,
        updated_at=at,
    )
    return get(tx, key)


def save(tx: WriteTx, appointment: Appointment, at: datetime) -> Appointment:
    """Store *appointment* over the row of its key."""
    tx.execute(
        update(appointments)
        .where(appointments.c.key == appointment.key)
        .values(
            patient_key=appointment.patient_key,
            order_key=appointment.order_key,
            placer_appointment_id=appointment.placer_appointment_id.value,
            issuer_of_placer_appointment_id=appointment.placer_appointment_id.issuer,
            filler_appointment_id=appointment.filler_appointment_id.value,
            issuer_of_filler_appointment_id=appointment.filler_appointment_id.issuer,
            state=appointment.state.value,
            slots=[_slot_values(slot) for slot in appointment.slots],
            starts_at=_first(appointment.slots),
            said_at=appointment.said_at,
            updated_at=at,
        )
    )
    return appointment


def _first(slots: Sequence[Slot]) -> datetime | None:
    return min((slot.scheduled_start_at for slot in slots if slot.scheduled_start_at is not None), default=None)


def _appointment(row: Row[Any]) -> Appointment:
    return Appointment(
        key=row.key,
        patient_key=row.patient_key,
        order_key=row.order_key,
        placer_appointment_id=EntityIdentifier(row.placer_appointment_id, row.issuer_of_placer_appointment_id),
        filler_appointment_id=EntityIdentifier(row.filler_appointment_id, row.issuer_of_filler_appointment_id),
        state=AppointmentState(row.state),
        slots=tuple(_slot(values) for values in row.slots),
        said_at=row.said_at,
    )


def _slot_values(slot: Slot) -> dict[str, Any]:
    at = slot.scheduled_start_at
    return asdict(slot) | {
        "scheduled_start_at": at.isoformat() if at is not None else None,
        "details": to_plain(slot.details),
    }


def _slot(values: dict[str, Any]) -> Slot:
    at = values["scheduled_start_at"]
    return Slot(
        **values
        | {
            "service": Code(**values["service"]),
            "scheduled_station_ae_title": tuple(values["scheduled_station_ae_title"]),
            "scheduled_start_at": datetime.fromisoformat(at) if at is not None else None,
            "details": from_plain(values["details"]),
        }
    )
