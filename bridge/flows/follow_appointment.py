"""The steps of an order follow its appointment: when, where and by whom; or off the worklist when it does not take place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bridge.domain.appointment import (
    TAKES_PLACE,
    Appointment,
    AppointmentState,
    Slot,
    is_open,
    share_out,
    why_withheld,
)
from bridge.domain.by_hand import hear
from bridge.domain.details import merged
from bridge.domain.message import Notice
from bridge.domain.order import Order, Step, StepStatus, may_follow
from bridge.flows.refresh_worklist import OrderNews, log_on_timeline, place_of
from bridge.store import orders
from bridge.store.db import WriteTx
from bridge.store.events import Station

_WORDS = {
    AppointmentState.PENDING: "Appointment asked for, not booked yet",
    AppointmentState.BOOKED: "Appointment booked",
    AppointmentState.ARRIVED: "Patient arrived for the appointment",
    AppointmentState.CANCELLED: "Appointment cancelled",
    AppointmentState.NO_SHOW: "No-show: the patient did not come to the appointment",
}
_SAID = (
    "scheduled_start_local",
    "scheduled_start_at",
    "scheduled_station_ae_title",
    "scheduled_procedure_step_location",
    "scheduled_performing_physician_name",
)


def follow_appointment(
    tx: WriteTx, order: Order, appointment: Appointment, told: OrderNews, *, keeps_order: bool = True
) -> list[Notice]:
    """
    Bring the open steps of *order* in line with *appointment*; what has started or ended keeps its time.

    keeps_order: whether the order stays open when its appointment does not take place: its steps lose their time and
    wait, off the worklist, for another one. The caller refreshes the worklist. Source: HL7 2.5.1 10.3.
    """
    steps = orders.steps_of(tx, order.key)
    if appointment.state == AppointmentState.PENDING:
        log_on_timeline(tx, order, told, Station.SCHEDULED, _WORDS[appointment.state])
        return [Notice("I", "the appointment is not booked yet, and changes nothing", "SCH-25")]
    if appointment.state in TAKES_PLACE:
        shares = share_out(appointment.slots, steps, appointment.key)
        moved = [_booked(step, shares[step.key], appointment) for step in steps if step.key in shares]
    else:
        moved = [_unbooked(step, appointment, keeps_order=keeps_order) for step in _of(appointment, steps)]
    for step in moved:
        orders.save_step(tx, step)
    places = "; ".join(dict.fromkeys(place_of(step) for step in moved)) if appointment.state in TAKES_PLACE else ""
    what = _WORDS[appointment.state]
    log_on_timeline(tx, order, told, Station.SCHEDULED, f"{what}: {places}" if places else what)
    return _left_alone(appointment, steps, moved)


def _of(appointment: Appointment, steps: Sequence[Step]) -> list[Step]:
    """Return the open steps that wait for *appointment*; where none was booked for it, those booked for nothing."""
    open_steps = [step for step in steps if is_open(step)]
    mine = [step for step in open_steps if step.appointment_key == appointment.key]
    return mine or [step for step in open_steps if step.appointment_key is None]


def _booked(step: Step, slot: Slot, appointment: Appointment) -> Step:
    said: dict[str, Any] = {name: value for name in _SAID if (value := getattr(slot, name))}
    said |= {"appointment_key": appointment.key, "booked_at": appointment.said_at, "withheld": ""}
    said["details"] = merged(step.details, slot.details)
    # Moved by hand, it is this appointment's all the same.
    heard = hear(step, said, appointment.said_at)
    booked = replace(heard, appointment_key=appointment.key, booked_at=appointment.said_at)
    arrives = appointment.state == AppointmentState.ARRIVED and step.status != StepStatus.HELD
    return (
        replace(booked, status=StepStatus.ARRIVED)
        if arrives and may_follow(step.status, StepStatus.ARRIVED)
        else booked
    )


def _unbooked(step: Step, appointment: Appointment, *, keeps_order: bool) -> Step:
    said = {
        "scheduled_start_local": "",
        "scheduled_start_at": None,
        "appointment_key": appointment.key,
        "booked_at": appointment.said_at,
        "withheld": why_withheld(appointment.state),
    }
    unbooked = hear(step, said, appointment.said_at)
    if keeps_order or not unbooked.withheld:
        return unbooked
    return replace(unbooked, status=StepStatus.CANCELED, held_from=None)


def _left_alone(appointment: Appointment, steps: Sequence[Step], moved: Sequence[Step]) -> list[Notice]:
    if steps and not any(is_open(step) for step in steps):
        return [Notice("I", "the exam has started or ended, and keeps its time", "SCH-25")]
    if appointment.state in TAKES_PLACE and len(appointment.slots) > len(moved):
        return [Notice("W", "a service of the appointment is none of its order's steps", "AIS-3")]
    return []
