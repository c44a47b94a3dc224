"""What ServiceRequests, Appointments and Tasks ask for, done to the same orders as messages do. Takes part in its caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.known_order import is_known
from bridge.domain.message import Notice
from bridge.domain.order import Order, OrderAction, OrderDraft, StepStatus
from bridge.domain.patient import PatientDraft
from bridge.errors import Conflict, Incomplete
from bridge.flows.apply_message import Applied, MessageApplier
from bridge.flows.read_fhir import FhirEntry
from bridge.mapping.apply import Mapped
from bridge.mapping.fhir_appointments import OrderPointer, read_appointment, read_task
from bridge.mapping.fhir_fields import FhirGround, Json, Resource, name_of
from bridge.mapping.fhir_orders import FhirOrder, numbers_of, read_service_request
from bridge.store import fhir_resources, orders, patients
from bridge.store.db import WriteTx

ORDER_ID = "order-"


@dataclass(slots=True)
class Done:
    """What became of one entry. status: HTTP's; order_key: the order it is about; what: a sentence where nothing was done."""

    kind: str
    status: int
    resource_id: str = ""
    order_key: int | None = None
    version: int = 0
    what: str = ""
    notices: list[Notice] = field(default_factory=list)
    applied: Applied | None = None
    mapped: Mapped | None = None


class FhirApplier:
    """Does what the entries of one call ask for. ground: what resources are read by now."""

    def __init__(self, applier: MessageApplier, ground: Callable[[], FhirGround]) -> None:
        self._applier = applier
        self._ground = ground

    def apply(self, tx: WriteTx, entry: FhirEntry, source: str, now: datetime) -> Done:
        """Do what one entry asks for. Raises: a BridgeError, with its expression; the caller rolls its savepoint back."""
        if entry.resource.kind == "ServiceRequest":
            done = self._order(tx, entry, source, now)
        elif entry.resource.kind == "Appointment":
            done = self._appointment(tx, entry, source, now)
        elif entry.resource.kind == "Task":
            done = self._task(tx, entry, source, now)
        else:
            done = Done(entry.resource.kind, 200, what="read where an order refers to it, and not kept by itself")
        done.notices = [*entry.resource.notices, *done.notices]
        return done

    def _order(self, tx: WriteTx, entry: FhirEntry, source: str, now: datetime) -> Done:
        resource, ground = entry.resource, self._ground()
        if not entry.is_put:
            # What a client calls it counts only where the client keeps it by that name. Source: FHIR R4 3.1.0.8.
            resource = Resource({k: v for k, v in resource.said.items() if k != "id"}, resource.around)
        read = read_service_request(resource, source, ground)
        entry.resource.notices += resource.notices
        found = _found(tx, resource, read.draft or numbers_of(resource, source, ground), source)
        _check_version(entry, found)
        if read.draft is None or (found is None and read.draft.action in (OrderAction.CANCEL, OrderAction.REPORT)):
            return _told(found, 200, read.why or "no such order is known here: nothing was to be changed")
        patient = read.patient or _known_patient(tx, resource, resource.first("subject"), found, source)
        if found is not None and entry.if_none_exist:
            return self._here_already(tx, resource, found, patient, source)
        drafts = _drafts(read.draft, found)
        read = replace(read, draft=drafts[-1])
        if found is not None and self._says_nothing_new(tx, read, found, patient):
            _name(tx, resource, found, source)
            return _told(found, 200, "the order says all of it already", resource.id)
        mapped = self._mapped(resource, patient, entry.heard_at or now)
        mapped.orders, mapped.visit = drafts, read.visit
        applied = self._applier.apply(tx, mapped, now, source)
        order = orders.get(tx, applied.touched_orders[-1].key)
        _name(tx, resource, order, source)
        done = _told(order, 201 if found is None else 200, "", resource.id)
        done.applied, done.mapped, done.notices = applied, mapped, list(applied.notices)
        return done

    def _here_already(self, tx: WriteTx, resource: Resource, found: Order, patient: PatientDraft, source: str) -> Done:
        """Answer a conditional create of an order that is known. Raises: Conflict, if it is another patient's."""
        if not _is_of(tx, found, patient):
            raise Conflict("the order is another patient's", code="duplicate_key", where=resource.place("subject"))
        _name(tx, resource, found, source)
        return _told(found, 200, "the order is here already")

    def _says_nothing_new(self, tx: WriteTx, read: FhirOrder, found: Order, patient: PatientDraft) -> bool:
        assert read.draft is not None
        if found.status == StepStatus.HELD or read.draft.authorizations or read.visit is not None:
            return False
        return _is_of(tx, found, patient) and is_known(read.draft, found, orders.steps_of(tx, found.key))

    def _appointment(self, tx: WriteTx, entry: FhirEntry, source: str, now: datetime) -> Done:
        resource, ground = entry.resource, self._ground()
        read = read_appointment(resource, source, ground)
        order = self._meant(tx, read.pointer, source)
        draft = read.draft
        if order is not None:
            draft = replace(
                draft, placer_order_number=order.placer_order_number, filler_order_number=order.filler_order_number
            )
        elif read.pointer is not None and read.pointer.address:
            number = EntityIdentifier(read.pointer.address.partition("/")[2], source)
            draft = replace(draft, placer_order_number=number)
        patient = read.patient or _known_patient(tx, resource, read.subject, order, source)
        mapped = self._mapped(resource, patient, entry.heard_at or now)
        mapped.appointments = (draft,)
        applied = self._applier.apply(tx, mapped, now, source)
        done = Done("Appointment", 200, resource.id, order.key if order is not None else None)
        done.applied, done.mapped, done.notices = applied, mapped, list(applied.notices)
        return done

    def _task(self, tx: WriteTx, entry: FhirEntry, source: str, now: datetime) -> Done:
        resource = entry.resource
        read = read_task(resource, self._ground())
        order = self._meant(tx, read.pointer, source)
        if order is None:
            raise Conflict("no such order", code="unknown", where=resource.place("focus"))
        if read.action is None:
            return Done("Task", 200, resource.id, order.key, what=f"{read.status}: the order waits as it did")
        draft = OrderDraft(
            "SC",
            action=read.action,
            reported=read.reported,
            by_filler=read.action == OrderAction.REPORT,
            accession_number=order.accession_number,
            issuer_of_accession_number=order.issuer_of_accession_number,
            placer_order_number=order.placer_order_number,
            filler_order_number=order.filler_order_number,
            where="Task",
        )
        mapped = self._mapped(
            resource, _known_patient(tx, resource, resource.first("for"), order, source), entry.heard_at or now
        )
        mapped.orders = (draft,)
        applied = self._applier.apply(tx, mapped, now, source)
        return Done("Task", 200, resource.id, order.key, notices=applied.notices, applied=applied, mapped=mapped)

    def _meant(self, tx: WriteTx, pointer: OrderPointer | None, source: str) -> Order | None:
        """Return the order that another resource points to."""
        if pointer is None:
            return None
        if pointer.request is not None:
            return _found(tx, pointer.request, numbers_of(pointer.request, source, self._ground()), source)
        if pointer.address:
            return _by_id(tx, pointer.address.partition("/")[2], source)
        accession = (pointer.accession.value, pointer.accession.issuer)
        return orders.find(tx, pointer.filler, pointer.placer, accession)

    def _mapped(self, resource: Resource, patient: PatientDraft, now: datetime) -> Mapped:
        said_at = resource.updated_at()
        # A clock that runs ahead of ours must not make its news the newest for ever.
        return Mapped("FHIR^O01", min(said_at, now) if said_at is not None else now, resource.id, patient=patient)


def _drafts(draft: OrderDraft, found: Order | None) -> tuple[OrderDraft, ...]:
    """Return what a status asks for, step by step: an order that is on hold from its beginning is made first."""
    if found is None and not (draft.placer_order_number or draft.filler_order_number):
        # By it an appointment will find the order.
        number = EntityIdentifier(draft.accession_number, draft.issuer_of_accession_number)
        draft = replace(draft, placer_order_number=number)
    if found is not None:
        draft = replace(
            draft, placer_order_number=found.placer_order_number, filler_order_number=found.filler_order_number
        )
    if found is not None and found.accession_number == draft.accession_number:
        draft = replace(draft, issuer_of_accession_number=found.issuer_of_accession_number)
    if found is not None and "accession_number" in draft.derived:
        draft = replace(
            draft,
            accession_number=found.accession_number,
            issuer_of_accession_number=found.issuer_of_accession_number,
        )
    made = replace(draft, order_control="NW", action=OrderAction.CREATE)
    if draft.action == OrderAction.HOLD:
        return (made, draft) if found is None else (draft,)
    if draft.action == OrderAction.CREATE and found is not None and found.status == StepStatus.HELD:
        return (replace(draft, order_control="RL", action=OrderAction.RELEASE, steps=()), made)
    return (draft,)


def _found(tx: WriteTx, resource: Resource, numbers: OrderDraft, source: str) -> Order | None:
    """Return the order that a ServiceRequest is, by what its sender calls it, else by its numbers."""
    by_id = _by_id(tx, resource.id, source) if resource.id else None
    if by_id is not None:
        return by_id
    said = (numbers.filler_order_number, numbers.placer_order_number)
    found = orders.find(tx, *said, (numbers.accession_number, numbers.issuer_of_accession_number))
    if found is None and "accession_number" not in numbers.derived:
        # Most who number exams here name no issuer; whose number it is, its patient tells.
        found = orders.find(tx, *said, (numbers.accession_number, ""))
    return found


def _by_id(tx: WriteTx, resource_id: str, source: str) -> Order | None:
    """Return the order that *source* calls so: a name of ours is its own too once we told it, else only looks like ours."""
    key = fhir_resources.order_key(tx, source, resource_id)
    return orders.get(tx, key) if key is not None else None


def _check_version(entry: FhirEntry, found: Order | None) -> None:
    wanted = entry.if_match.strip().removeprefix("W/").strip('"')
    if wanted and (found is None or wanted != str(found.version)):
        raise Conflict(
            "the order was changed since that version", code="version", where="If-Match", source="FHIR R4 3.1.0.5"
        )


def _known_patient(tx: WriteTx, resource: Resource, said: Json, found: Order | None, source: str) -> PatientDraft:
    """
    Return whom an order is of where the resource only gives its sender's name for the patient, or says nothing.

    Raises: Incomplete; a name that nobody here knows may be anybody's, whosever the order is.
    """
    name = name_of(said, "Patient")
    key = fhir_resources.patient_key(tx, source, name) if name else None
    if not said and found is not None:
        key = found.patient_key
    if key is None:
        raise Incomplete(
            "nobody here knows whom this reference means: send the Patient along, or its identifier",
            code="unknown",
            where=resource.place("subject"),
        )
    return PatientDraft(patients.survivor(tx, key).identifiers[:1])


def _name(tx: WriteTx, resource: Resource, order: Order, source: str) -> None:
    """Keep what the sender calls the order and its patient."""
    ours = f"{ORDER_ID}{order.key}"
    if resource.id:
        fhir_resources.name_order(tx, source, resource.id, order.key)
    elif fhir_resources.order_key(tx, source, ours) is None:
        fhir_resources.name_order(tx, source, ours, order.key)
    patient = name_of(resource.first("subject"), "Patient")
    if patient:
        fhir_resources.name_patient(tx, source, patient, order.patient_key)


def _is_of(tx: WriteTx, order: Order, patient: PatientDraft) -> bool:
    holder = patients.find(tx, patient.identifiers[0])
    return holder is not None and patients.survivor(tx, holder.key).key == patients.survivor(tx, order.patient_key).key


def _told(order: Order | None, status: int, what: str, resource_id: str = "") -> Done:
    if order is None:
        return Done("ServiceRequest", status, what=what)
    return Done("ServiceRequest", status, resource_id or f"{ORDER_ID}{order.key}", order.key, order.version, what)
