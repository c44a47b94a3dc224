"""ServiceRequest and Task: orders, and the steps that are scheduled for them. Source: FHIR R4 and R5."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from bridge.codecs.fhir import task
from bridge.codecs.fhir.references import Links
from bridge.codecs.fhir.service_request import as_r5, service_request
from bridge.leaving.studies import visit_of
from bridge.store import orders as rows
from bridge.store import patients
from bridge.store.db import ReadTx
from bridge.store.searches import changes, imaging_studies
from bridge.store.searches import orders as search
from bridge.web.fhir.kinds import (
    ID,
    LAST_UPDATED,
    NUMBER,
    PATIENT,
    SUBJECT,
    Kind,
    Made,
    Parameter,
    Serving,
    both,
    mark_of,
    rows_of,
)

ORDER_ID = imaging_studies.ORDER_ID


def make(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return orders, by our own names for them."""
    return [made_one(tx, key, serving) for key in keys]


def made_one(tx: ReadTx, key: int, serving: Serving, resource_id: str = "") -> Made:
    """Return an order, under the name that its sender has for it if that is *resource_id*."""
    order = rows.get(tx, key)
    subject = f"Patient/{patients.survivor(tx, order.patient_key).key}"
    steps = tuple(rows.steps_of(tx, key))
    said = service_request(order, steps, subject, serving.house.system_of, visit_of(tx, order))
    said = said if serving.release == "r4" else as_r5(said)
    version, at = changes.of_orders(tx, [key])[key]
    meta = {"versionId": version, "lastUpdated": at.astimezone(UTC).isoformat()} | mark_of(order.is_test)
    return Made(said | {"id": resource_id or f"{ORDER_ID}{key}", "meta": meta}, order.patient_key, None, key)


def make_tasks(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return scheduled steps."""
    made = []
    found = {one.key: one for one in rows.get_steps(tx, keys)}
    for step in (found[key] for key in keys):
        order_key = step.order_key
        order = rows.get(tx, order_key)
        patient_key = patients.survivor(tx, order.patient_key).key
        to_order = f"ServiceRequest/{ORDER_ID}{order_key}"
        links = Links(f"Patient/{patient_key}", service_request=to_order, encounter=visit_of(tx, order))
        content = task.build(step, order, links, serving.house)
        said = task.r4(content) if serving.release == "r4" else task.r5(content)
        # It says what its order says, too; neither number ever falls.
        meta = {"versionId": str(step.version + order.version)} | mark_of(order.is_test)
        made.append(Made(said | {"id": str(step.key), "meta": meta}, patient_key, None, order_key))
    return made


KIND = Kind(
    "ServiceRequest",
    search.ORDERS,
    (
        ID,
        LAST_UPDATED,
        NUMBER,
        PATIENT,
        SUBJECT,
        both("authored", "date"),
        both("based-on", "reference", "ServiceRequest", "CarePlan", "MedicationRequest"),
        both("body-site", "token"),
        Parameter("body-structure", "reference", "", "body-structure", ("BodyStructure",)),
        both("category", "token"),
        Parameter("code", "token", "code", "code-concept"),
        Parameter("code-reference", "reference", "", "code-reference", ("ActivityDefinition", "PlanDefinition")),
        both("encounter", "reference", "Encounter"),
        both("intent", "token"),
        both("occurrence", "date"),
        both("performer", "reference", "Practitioner", "Organization"),
        both("priority", "token"),
        both("requester", "reference", "Practitioner", "PractitionerRole", "Organization"),
        both("requisition", "token"),
        both("status", "token"),
    ),
    make,
    rows_of(search.ORDERS),
    includes={"patient": "subject", "subject": "subject", "encounter": "encounter"},
    revincludes=(
        ("ImagingStudy", "basedon"),
        ("DiagnosticReport", "based-on"),
        ("Procedure", "based-on"),
        ("Task", "focus"),
        ("Appointment", "based-on"),
    ),
)
TASK = Kind(
    "Task",
    search.TASKS,
    (
        ID,
        PATIENT,
        SUBJECT,
        both("authored-on", "date"),
        both("encounter", "reference", "Encounter"),
        both("focus", "reference", "ServiceRequest"),
        both("intent", "token"),
        both("period", "date"),
        both("priority", "token"),
        both("status", "token"),
    ),
    make_tasks,
    rows_of(search.TASKS),
    includes={"patient": "for", "subject": "for", "encounter": "encounter", "focus": "focus"},
)
