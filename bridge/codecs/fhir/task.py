"""A scheduled procedure step as a Task of its order; fed by the rows of steps. Source: FHIR R4 and R5 Task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir import people
from bridge.codecs.fhir.elements import clean, concept, instant, shown, without_empty
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import Links, encounter_reference, order_reference
from bridge.domain.order import Order, Step, StepStatus

Json = dict[str, Any]

STEP_SYSTEM = "urn:imaging-bridge:scheduled-procedure-step"
# Source: FHIR R4 Task state machine; what a device has begun goes on until it says otherwise.
_STATUSES = {
    StepStatus.SCHEDULED: "requested",
    StepStatus.ARRIVED: "received",
    StepStatus.READY: "ready",
    StepStatus.STARTED: "in-progress",
    StepStatus.COMPLETED: "completed",
    StepStatus.DISCONTINUED: "failed",
    StepStatus.CANCELED: "cancelled",
    StepStatus.HELD: "on-hold",
}
_PRIORITIES = {"STAT": "stat", "HIGH": "urgent", "MEDIUM": "asap", "ROUTINE": "routine"}


@dataclass(frozen=True, slots=True)
class TaskContent:
    """What both versions say. focus: a Reference to the order. starts: a FHIR instant, "" for none."""

    identifier: Json
    status: str
    priority: str
    code: Json
    description: str
    focus: Json
    subject: str
    encounter: Json | None
    authored: str
    starts: str
    owner: Json
    location: Json


def build(step: Step, order: Order, links: Links, house: House) -> TaskContent:
    """Return what is said of a scheduled step of a patient's order."""
    stations = step.scheduled_station_ae_title
    words = step.scheduled_procedure_step_description or order.requested_procedure_description
    return TaskContent(
        identifier={"system": STEP_SYSTEM, "value": f"{order.key}/{clean(step.scheduled_procedure_step_id)}"},
        status=_STATUSES[step.status],
        priority=_PRIORITIES.get(order.requested_procedure_priority, ""),
        code=concept(step.scheduled_protocol_code, words),
        description=clean(words),
        focus=order_reference(order, links, house.system_of) or shown("ServiceRequest", "Imaging order"),
        subject=links.subject,
        encounter=encounter_reference(order, links, house.system_of),
        authored=instant(order.ordered_at),
        starts=instant(step.scheduled_start_at),
        owner=people.device(stations[0]) if len(stations) == 1 else {},
        location=shown("Location", step.scheduled_procedure_step_location),
    )


def r4(content: TaskContent) -> Json:
    """Return *content* as an R4 Task."""
    return _frame(content) | without_empty({"restriction": _restriction(content), "owner": content.owner})


def r5(content: TaskContent) -> Json:
    """Return *content* as an R5 Task, whose owner is never a device: that is who is asked to perform it."""
    return _frame(content) | without_empty(
        {
            "requestedPeriod": {"start": content.starts} if content.starts else {},
            "requestedPerformer": [{"reference": content.owner}] if content.owner else [],
        }
    )


def _restriction(content: TaskContent) -> Json:
    return {"period": {"start": content.starts}} if content.starts else {}


def _frame(content: TaskContent) -> Json:
    return without_empty(
        {
            "resourceType": "Task",
            "identifier": [content.identifier],
            "status": content.status,
            "intent": "order",
            "priority": content.priority,
            "code": content.code,
            "description": content.description,
            "focus": content.focus,
            "for": {"reference": content.subject},
            "encounter": content.encounter,
            "authoredOn": content.authored,
            "location": content.location,
        }
    )
