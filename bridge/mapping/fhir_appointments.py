"""FHIR Appointments and Tasks: when and where an order is done, and how far whoever performs it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.domain.appointment import AppointmentDraft, AppointmentState, Slot
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code, OrderAction, StepStatus
from bridge.domain.patient import PatientDraft
from bridge.errors import Incomplete
from bridge.mapping.fhir_fields import FhirGround, Json, Resource, identifier_type, inner_reference, name_of
from bridge.mapping.fhir_patients import patient_of

# Source: FHIR R4 and R5, value set appointmentstatus.
_STATES = {
    "proposed": AppointmentState.PENDING,
    "pending": AppointmentState.PENDING,
    "waitlist": AppointmentState.PENDING,
    "booked": AppointmentState.BOOKED,
    "arrived": AppointmentState.ARRIVED,
    "checked-in": AppointmentState.ARRIVED,
    "fulfilled": AppointmentState.ARRIVED,
    "cancelled": AppointmentState.CANCELLED,
    "entered-in-error": AppointmentState.CANCELLED,
    "noshow": AppointmentState.NO_SHOW,
}
# Source: FHIR R4 and R5, value set task-status. None: the order waits as it did.
_TASKS: Mapping[str, tuple[OrderAction, StepStatus | None] | None] = {
    "draft": None,
    "requested": None,
    "received": None,
    "accepted": None,
    "ready": None,
    "on-hold": (OrderAction.HOLD, None),
    "in-progress": (OrderAction.REPORT, StepStatus.STARTED),
    "completed": (OrderAction.REPORT, StepStatus.COMPLETED),
    "cancelled": (OrderAction.CANCEL, None),
    "rejected": (OrderAction.CANCEL, None),
    "failed": (OrderAction.DISCONTINUE, None),
    "entered-in-error": (OrderAction.CANCEL, None),
}


@dataclass(frozen=True, slots=True)
class OrderPointer:
    """Which order another resource is about. address: "ServiceRequest/12" as its sender calls it; numbers: by type."""

    address: str = ""
    placer: EntityIdentifier = field(default_factory=EntityIdentifier)
    filler: EntityIdentifier = field(default_factory=EntityIdentifier)
    accession: EntityIdentifier = field(default_factory=EntityIdentifier)
    request: Resource | None = None


@dataclass(frozen=True, slots=True)
class FhirAppointment:
    """One Appointment as read. patient: None where only its order, or its sender's name for *subject*, tells."""

    draft: AppointmentDraft
    pointer: OrderPointer | None
    patient: PatientDraft | None
    subject: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FhirTask:
    """One Task as read. action: None where the order waits as it did."""

    pointer: OrderPointer
    status: str
    action: OrderAction | None = None
    reported: StepStatus | None = None


def read_appointment(resource: Resource, source: str, ground: FhirGround) -> FhirAppointment:
    """Return what an Appointment says. Raises: Incomplete, Malformed, each with its expression."""
    status = resource.text("status", required=True)
    if status not in _STATES:
        raise Incomplete("not in its value set", code="not_in_table", where=resource.place("status"))
    state = _STATES[status]
    based = [pointer_of(resource, one, "basedOn", ground) for one in resource.each("basedOn")]
    pointer = next((one for one in based if one is not None), None)
    start = resource.moment(resource.said.get("start"), "start", ground.zone)
    if start is None and state in (AppointmentState.BOOKED, AppointmentState.ARRIVED):
        raise Incomplete("when", code="missing", where=resource.place("start"))
    number = next((one for one in resource.each("identifier") if one.get("value")), None)
    placer = EntityIdentifier(resource.id, source) if resource.id else EntityIdentifier()
    if number is not None:
        value = resource.checked(number.get("value"), "identifier")
        placer = EntityIdentifier(value[:200], ground.issuer_of(str(number.get("system") or "")))
    if not placer:
        raise Incomplete(
            "an appointment needs an id or an identifier", code="missing", where=resource.place("identifier")
        )
    slot = Slot(
        service=_service(resource),
        scheduled_start_local=start.local if start is not None else "",
        scheduled_start_at=start.at if start is not None else None,
        scheduled_station_ae_title=_stations(resource, ground),
    )
    draft = AppointmentDraft(
        placer_appointment_id=placer,
        filler_appointment_id=EntityIdentifier(),
        state=state,
        placer_order_number=pointer.placer if pointer is not None else EntityIdentifier(),
        filler_order_number=pointer.filler if pointer is not None else EntityIdentifier(),
        slots=(slot,),
        where=resource.kind,
    )
    subject = _subject(resource)
    patient = patient_of(resource, subject, "participant", ground) if subject else None
    return FhirAppointment(draft, pointer, patient, subject)


def read_task(resource: Resource, ground: FhirGround) -> FhirTask:
    """Return what a Task says of the order in its focus. Source: FHIR R4 Task, 12.1 (fulfilment of a request)."""
    status = resource.text("status", required=True)
    if status not in _TASKS:
        raise Incomplete("not in its value set", code="not_in_table", where=resource.place("status"))
    references = [(name, one) for name in ("focus", "basedOn") for one in resource.each(name)]
    pointer = next((p for name, one in references if (p := pointer_of(resource, one, name, ground))), None)
    if pointer is None:
        raise Incomplete("the order that it is about", code="missing", where=resource.place("focus"))
    asked = _TASKS[status]
    return FhirTask(pointer, status, *asked) if asked is not None else FhirTask(pointer, status)


def pointer_of(resource: Resource, reference: Json, name: str, ground: FhirGround) -> OrderPointer | None:
    """Return which order a reference means, None where it is no ServiceRequest."""
    inner = inner_reference(reference)
    found = resource.resolve(reference, name)
    if found is not None:
        return OrderPointer(request=found) if found.kind == "ServiceRequest" else None
    identifier = inner.get("identifier")
    if isinstance(identifier, Mapping) and identifier.get("value"):
        value = resource.checked(identifier.get("value"), name)
        number = EntityIdentifier(value[:200], ground.issuer_of(str(identifier.get("system") or "")))
        kind = identifier_type(identifier)
        places = {"ACSN": "accession", "FILL": "filler"}
        return OrderPointer(**{places.get(kind, "placer"): number})  # type: ignore[arg-type]
    address = resource.checked(inner.get("reference") or "", name).split("/_history/")[0]
    tail = "/".join(address.split("/")[-2:])
    return OrderPointer(address=tail) if tail.startswith("ServiceRequest/") else None


def _service(resource: Resource) -> Code:
    for one in resource.each("serviceType"):
        found = resource.concept(one, "serviceType")
        if found is not None:
            return found
    return Code()


def _stations(resource: Resource, ground: FhirGround) -> tuple[str, ...]:
    found = []
    for participant in resource.each("participant"):
        actor = participant.get("actor")
        inner = inner_reference(actor) if isinstance(actor, Mapping) else {}
        names = [str(inner.get("display") or ""), str(inner.get("reference") or "").rpartition("/")[2]]
        for called in names:
            title = ground.stations.get(called) or (called if called in ground.modalities else "")
            found += [title] if title else []
    return tuple(dict.fromkeys(found))


def _subject(resource: Resource) -> Json:
    """Return the reference to whom an appointment is of, {} for none."""
    actors = [one.get("actor") for one in resource.each("participant")]
    for reference in [*resource.each("subject"), *(one for one in actors if isinstance(one, Mapping))]:
        found = resource.resolve(reference, "participant")
        said = str(inner_reference(reference).get("type") or inner_reference(reference).get("reference") or "")
        if found is not None:
            is_patient = found.kind == "Patient"
        else:
            is_patient = said == "Patient" or bool(name_of(reference, "Patient"))
        if is_patient:
            return reference
    return {}
