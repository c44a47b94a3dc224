"""An imaging order as FHIR writes it; R4 (4.0.1) and R4B write it alike. Source: FHIR R4 ServiceRequest."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from bridge.codecs.fhir.codings import SNOMED
from bridge.codecs.fhir.imaging_study import display_name
from bridge.codecs.fhir.r4 import without_empty
from bridge.codecs.fhir.references import SystemOf, order_identifiers
from bridge.domain.order import Code, Order, Step, StepStatus

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
# Source: HL7 table 0396; what is not here is the sender's own and has no address.
_SCHEMES = {
    "LN": "http://loinc.org",
    "SCT": SNOMED,
    "C4": "http://www.ama-assn.org/go/cpt",
    "CPT": "http://www.ama-assn.org/go/cpt",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "RADLEX": "http://www.radlex.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}


def service_request(order: Order, steps: tuple[Step, ...], subject: str, system_of: SystemOf) -> Json:
    """Return *order* with its first step's time. subject: "Patient/7"."""
    authored = order.ordered_at or order.transaction_at
    starts = [step.scheduled_start_at for step in steps if step.scheduled_start_at is not None]
    return without_empty(
        {
            "resourceType": "ServiceRequest",
            "identifier": order_identifiers(order, system_of),
            "status": _STATUSES.get(order.status, "active"),
            "intent": "order",
            "category": [_IMAGING],
            "priority": _PRIORITIES.get(order.requested_procedure_priority, ""),
            "code": concept(order.requested_procedure_code, order.requested_procedure_description),
            "subject": {"reference": subject},
            "occurrenceDateTime": min(starts).astimezone(UTC).isoformat() if starts else "",
            "authoredOn": authored.astimezone(UTC).isoformat() if authored else "",
            "requester": without_empty({"display": display_name(order.requesting_physician)}),
            "reasonCode": [{"text": order.reason_for_the_requested_procedure}]
            if order.reason_for_the_requested_procedure
            else [],
            "note": [{"text": order.requested_procedure_comments.replace("\r\n", "\n")}]
            if order.requested_procedure_comments
            else [],
        }
    )


def as_r5(resource: Json) -> Json:
    """Return a ServiceRequest of R4 as R5 writes it. Source: FHIR R5 ServiceRequest (code, reason)."""
    moved = {name: value for name, value in resource.items() if name != "reasonCode"}
    if "code" in moved:
        moved["code"] = {"concept": moved["code"]}
    reasons = [{"concept": one} for one in resource.get("reasonCode", ())]
    return moved | ({"reason": reasons} if reasons else {})


def concept(code: Code, text: str = "") -> Json:
    """Return a CodeableConcept; a code of a scheme without an address keeps its code and its words."""
    coding = without_empty(
        {
            "system": _SCHEMES.get(code.coding_scheme_designator.upper(), ""),
            "code": code.code_value,
            "display": code.code_meaning,
        }
    )
    return without_empty({"coding": [coding] if coding else [], "text": text or code.code_meaning})
