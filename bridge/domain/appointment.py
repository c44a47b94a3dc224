"""Appointments: when and where the steps of an order are to be done, as a scheduling system says. Source: HL7 2.5.1 ch. 10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bridge.domain.details import StepDetails
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import WAITING, Code, OrderDraft, Step, StepStatus


class AppointmentState(StrEnum):
    """What became of an appointment. PENDING: asked for, not given yet. Source: HL7 table 0278."""

    PENDING = "pending"
    BOOKED = "booked"
    ARRIVED = "arrived"
    CANCELLED = "cancelled"
    NO_SHOW = "no-show"


TAKES_PLACE = frozenset({AppointmentState.BOOKED, AppointmentState.ARRIVED})
_WORDS = {
    AppointmentState.CANCELLED: "the appointment was cancelled",
    AppointmentState.NO_SHOW: "no-show: the patient did not come to the appointment",
}


@dataclass(frozen=True, slots=True)
class Slot:
    """
    One service of an appointment: what, when and where. "" or () for what is not said.

    scheduled_start_local: "YYYYMMDDHHMMSS" by the hospital's clock; scheduled_start_at: the same as an instant.
    """

    service: Code = field(default_factory=Code)
    scheduled_start_local: str = ""
    scheduled_start_at: datetime | None = None
    scheduled_station_ae_title: tuple[str, ...] = ()
    scheduled_station_name: str = ""
    scheduled_procedure_step_location: str = ""
    scheduled_performing_physician_name: str = ""
    details: StepDetails = field(default_factory=StepDetails)


@dataclass(frozen=True, slots=True)
class AppointmentDraft:
    """
    What a scheduling message says. admission_id: the visit, where the site finds orders by it.

    order: the order to make of it where none is known and the site wants one made, None to wait for it.
    keeps_order: whether a cancelled appointment leaves its order open.
    """

    placer_appointment_id: EntityIdentifier
    filler_appointment_id: EntityIdentifier
    state: AppointmentState
    placer_order_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    filler_order_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    admission_id: EntityIdentifier = field(default_factory=EntityIdentifier)
    slots: tuple[Slot, ...] = ()
    order: OrderDraft | None = None
    keeps_order: bool = True
    where: str = "SCH"


@dataclass(frozen=True, slots=True)
class Appointment:
    """One appointment as stored. said_at: its newest news by the sender's clock, UTC. order_key: None while it waits for one."""

    key: int
    patient_key: int
    order_key: int | None
    placer_appointment_id: EntityIdentifier
    filler_appointment_id: EntityIdentifier
    state: AppointmentState
    slots: tuple[Slot, ...]
    said_at: datetime


def share_out(slots: Sequence[Slot], steps: Sequence[Step], appointment_key: int) -> dict[int, Slot]:
    """
    Return which slot is which step's, by the step's key.

    By the service's code first, then in order. Steps of this appointment before those that have none; what has started,
    has ended, or is another appointment's is left alone.
    """
    mine = [step for step in steps if is_open(step) and step.appointment_key == appointment_key]
    free = mine + [step for step in steps if is_open(step) and step.appointment_key is None]
    found: dict[int, Slot] = {}
    unmatched = []
    for slot in slots:
        code = slot.service.code_value
        same = next((s for s in free if code and code == s.scheduled_protocol_code.code_value), None)
        if same is None:
            unmatched.append(slot)
        else:
            found[same.key] = slot
            free.remove(same)
    return found | {step.key: slot for step, slot in zip(free, unmatched, strict=False)}


def why_withheld(state: AppointmentState) -> str:
    """Return why no device is shown a step whose appointment will not take place, "" if it will."""
    return _WORDS.get(state, "")


def is_open(step: Step) -> bool:
    """Say whether a step still waits to be done, on hold or not: what an appointment may move."""
    return step.status in WAITING or step.status == StepStatus.HELD
