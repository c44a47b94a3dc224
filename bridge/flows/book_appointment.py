"""What a scheduling system says: an appointment booked, moved, changed, cancelled, or not kept. Source: HL7 2.5.1 10.3 (SIU)."""

from __future__ import annotations

from dataclasses import replace

from bridge.domain.appointment import Appointment, AppointmentDraft, AppointmentState
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.message import Notice
from bridge.domain.order import FINAL, Order
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Conflict
from bridge.flows.follow_appointment import follow_appointment
from bridge.flows.refresh_worklist import OrderNews, Scheduled, refresh_worklist, set_order_status
from bridge.flows.schedule_order import schedule_order
from bridge.store import appointments, awaited, orders, patients
from bridge.store.awaited import Awaited
from bridge.store.db import WriteTx


def book_appointment(tx: WriteTx, draft: AppointmentDraft, told: OrderNews, rules: ReconcileRules) -> Scheduled:
    """
    Keep an appointment and let its order's steps follow it; one without an order waits for it, or makes it.

    Older news than what is known of the appointment changes nothing.
    Raises: Conflict (AE 205), if the order or the appointment is another patient's.
    """
    known = appointments.find(tx, draft.filler_appointment_id, draft.placer_appointment_id)
    if known is not None and known.said_at > told.news.said_at:
        stale = Notice("I", "older than what is known of the appointment, nothing changed", "MSH-7")
        return Scheduled(None, "nothing changed", [stale])
    if known is not None and patients.survivor(tx, known.patient_key).key != told.patient.key:
        raise Conflict(
            "the appointment is another patient's", code="duplicate_key", where="SCH-1", source="HL7 2.5.1 10.6.1"
        )
    order = _order_of(tx, known, draft, told)
    notices: list[Notice] = []
    if known is not None and known.order_key is not None and order is not None and known.order_key != order.key:
        _leave(tx, known, known.order_key, told)
    if order is None and draft.order is not None:
        made = schedule_order(tx, draft.order, told, rules)
        order, notices = made.order, made.notices
    appointment = _keep(tx, known, draft, order, told)
    if order is None:
        return Scheduled(None, "the appointment waits", [_wait(tx, appointment, draft)])
    notices += follow_appointment(tx, order, appointment, told, keeps_order=draft.keeps_order)
    # When it starts is said of the order, too: that is another version of it.
    order = orders.save(tx, order, told.news.heard_at)
    refresh_worklist(tx, order)
    return Scheduled(set_order_status(tx, order, told.news), f"appointment {appointment.state}", notices)


def _order_of(tx: WriteTx, known: Appointment | None, draft: AppointmentDraft, told: OrderNews) -> Order | None:
    """Return the order that an appointment is of: as known, by its numbers, or by visit and service. Raises: Conflict."""
    order = orders.find(tx, draft.filler_order_number, draft.placer_order_number, ("", ""))
    if order is None and known is not None and known.order_key is not None:
        order = orders.get(tx, known.order_key)
    if order is None and draft.admission_id:
        order = _of_the_visit(tx, draft, told)
    if order is not None and patients.survivor(tx, order.patient_key).key != told.patient.key:
        raise Conflict(
            "the order is another patient's", code="duplicate_key", where="SCH-26", source="HL7 2.5.1 10.6.1"
        )
    return order


def _leave(tx: WriteTx, known: Appointment, order_key: int, told: OrderNews) -> None:
    """Take an appointment from the steps of the order it was booked for: it is another order's now."""
    order = orders.get(tx, order_key)
    follow_appointment(tx, order, replace(known, state=AppointmentState.CANCELLED), told)
    order = orders.save(tx, order, told.news.heard_at)
    refresh_worklist(tx, set_order_status(tx, order, told.news))


def _of_the_visit(tx: WriteTx, draft: AppointmentDraft, told: OrderNews) -> Order | None:
    """Return the one open order of the visit that asks for a booked service; of several, nobody can say which."""
    codes = {slot.service.code_value for slot in draft.slots if slot.service.code_value}
    found = [
        order
        for order in orders.of_patient(tx, told.patient.key)
        if order.admission_id == draft.admission_id
        and order.requested_procedure_code.code_value in codes
        and order.status not in FINAL
    ]
    return found[0] if len(found) == 1 else None


def _keep(
    tx: WriteTx, known: Appointment | None, draft: AppointmentDraft, order: Order | None, told: OrderNews
) -> Appointment:
    heard_at, said_at = told.news.heard_at, told.news.said_at
    kept = known or appointments.add(tx, draft, told.patient.key, said_at, heard_at)
    awaited.stop_waiting(tx, appointment_key=kept.key)
    return appointments.save(
        tx,
        replace(
            kept,
            patient_key=told.patient.key,
            order_key=order.key if order is not None else None,
            placer_appointment_id=draft.placer_appointment_id or kept.placer_appointment_id,
            filler_appointment_id=draft.filler_appointment_id or kept.filler_appointment_id,
            state=draft.state,
            slots=draft.slots if any(slot.scheduled_start_local for slot in draft.slots) else kept.slots,
            said_at=said_at,
        ),
        heard_at,
    )


def _wait(tx: WriteTx, appointment: Appointment, draft: AppointmentDraft) -> Notice:
    """Note by what the appointment's order will be known when it comes."""
    numbers: dict[str, EntityIdentifier] = {
        "placer": draft.placer_order_number,
        "filler": draft.filler_order_number,
        "visit": draft.admission_id,
    }
    waiting = [
        Awaited(kind, number.value, number.issuer, appointment_key=appointment.key)
        for kind, number in numbers.items()
        if number
    ]
    awaited.wait_for_order(tx, waiting)
    if not waiting:
        return Notice("W", "the appointment names no order, and is kept without one", "SCH-26")
    return Notice("I", "the order of this appointment is not known yet: it waits for it", "SCH-26")
