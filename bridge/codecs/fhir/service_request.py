"""An imaging order as FHIR writes it; R4 (4.0.1) and R4B write it alike. Source: FHIR R4 ServiceRequest."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from bridge.codecs.fhir.elements import SNOMED, concept, without_empty
from bridge.codecs.fhir.people import requester
from bridge.codecs.fhir.references import Links, SystemOf, encounter_reference, order_identifiers, reasons_of
from bridge.domain.order import Order, Step, StepStatus

Json = dict[str, Any]

_IMAGING = {"coding": [{"system": SNOMED, "code": "363679005", "display": "Imaging"}]}
# Source: HL7 v2-to-FHIR, concept map of table 0119 and 0038 to request-status.
_STATUSES = {
    StepStatus.HELD: "on-hold",
    StepStatus.CANCELED: "revoked",
    StepStatus.DISCONTINUED: "revoked",
    StepStatus.COMPLETED: "completed",
}
_PRIORITIES = {"STAT": "stat", "HIGH": "urgent", "MEDIUM": "asap", "ROUTINE": "routine"}


def service_request(
    order: Order, steps: tuple[Step, ...], subject: str, system_of: SystemOf, encounter: str = ""
) -> Json:
    """Return *order* with its first step's time. subject: "Patient/7". encounter: "Encounter/4", "" where none is known."""
    authored = order.ordered_at or order.transaction_at
    starts = [step.scheduled_start_at for step in steps if step.scheduled_start_at is not None]
    return without_empty(
        {
            "resourceType": "ServiceRequest",
            "identifier": order_identifiers(order, system_of),
            "status": status_of(order),
            "intent": "order",
            "category": [_IMAGING],
            "priority": _PRIORITIES.get(order.requested_procedure_priority, ""),
            "code": concept(order.requested_procedure_code, order.requested_procedure_description),
            "subject": {"reference": subject},
            "encounter": encounter_reference(order, Links(subject, encounter=encounter), system_of),
            "occurrenceDateTime": min(starts).astimezone(UTC).isoformat() if starts else "",
            "authoredOn": authored.astimezone(UTC).isoformat() if authored else "",
            "requester": requester(order, system_of),
            "reasonCode": list(reasons_of(order)),
            "note": [{"text": order.requested_procedure_comments.replace("\r\n", "\n")}]
            if order.requested_procedure_comments
            else [],
        }
    )


def status_of(order: Order) -> str:
    """Return an order's status as a ServiceRequest has it."""
    return _STATUSES.get(order.status, "active")


def as_r5(resource: Json) -> Json:
    """Return a ServiceRequest of R4 as R5 writes it. Source: FHIR R5 ServiceRequest (code, reason)."""
    moved = {name: value for name, value in resource.items() if name != "reasonCode"}
    if "code" in moved:
        moved["code"] = {"concept": moved["code"]}
    reasons = [{"concept": one} for one in resource.get("reasonCode", ())]
    return moved | ({"reason": reasons} if reasons else {})
