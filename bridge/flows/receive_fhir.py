"""A FHIR call becomes what it asks for: journalled, applied, answered, in that order; nothing is answered before the commit.

It stands in the same journal as HL7, under the same desk, and can be replayed like any message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson
import structlog

from bridge.clock import Clock
from bridge.codecs.fhir.server import operation_outcome
from bridge.domain.identifiers import digest_of
from bridge.domain.message import InboundMessage, MessageState, Term, TermKind, term_text
from bridge.errors import OUR_FAULT, BridgeError, Malformed, Unavailable
from bridge.flows.apply_fhir import Done, FhirApplier
from bridge.flows.apply_message import MessageApplier
from bridge.flows.read_fhir import FhirBody, FhirEntry, FhirRequest, read_fhir
from bridge.store import audit, messages
from bridge.store.db import Store, WriteTx, lock, savepoint

_log = structlog.get_logger(__name__)

FACILITY = "FHIR"
_ORDER_OF_KINDS = ("ServiceRequest", "Appointment", "Task")
# Where an order's own rules name a place of HL7, a FHIR client is told its own.
_PLACES = {
    "ORC-1": "status",
    "ORC-2": "identifier",
    "ORC-3": "identifier",
    "PID-3": "subject",
    "ZDS-1": "identifier",
    "SCH-1": "identifier",
    "SCH-26": "basedOn",
}


@dataclass(slots=True)
class FhirAnswer:
    """
    What became of a call. done: of each entry, in the order they came; fault: why nothing of it was done; faults: of the
    entries of a batch that were refused, by their place.
    """

    body: FhirBody
    done: list[Done | BridgeError] = field(default_factory=list)
    fault: BridgeError | None = None

    @property
    def state(self) -> MessageState:
        refused = self.fault is not None or any(isinstance(one, BridgeError) for one in self.done)
        return MessageState.REFUSED if refused else MessageState.APPLIED

    @property
    def first_fault(self) -> BridgeError | None:
        """The first thing that was refused, None if nothing was."""
        return self.fault or next((one for one in self.done if isinstance(one, BridgeError)), None)


class FhirReceiver:
    """Takes in orders, appointments and tasks by FHIR."""

    def __init__(self, store: Store, clock: Clock, orders: FhirApplier, applier: MessageApplier) -> None:
        self._store = store
        self._clock = clock
        self._orders = orders
        self._applier = applier

    def receive(self, request: FhirRequest) -> FhirAnswer:
        """
        Apply one call under one commit; a transaction whole or not at all, a batch entry by entry.

        Raises: Unavailable, if nothing could be stored: it is to be sent again. What is refused is in the answer.
        """
        answer = _read(request)
        with self._store.write() as tx:
            lock(tx, "identity")
            self._journal(tx, request, answer)
        self._summarise(request, answer)
        return answer

    def read_again(
        self,
        journalled: Sequence[InboundMessage],
        actor: str,
        also: Callable[[WriteTx, list[MessageState]], None] = lambda tx, states: None,
    ) -> list[MessageState]:
        """Apply journalled calls again, as `MessageReceiver.read_again` does messages."""
        requests = [request_of(message, actor) for message in journalled]
        answers = [_read(request) for request in requests]
        with self._store.write() as tx:
            lock(tx, "identity")
            for request, answer in zip(requests, answers, strict=True):
                self._journal(tx, request, answer)
            states = [answer.state for answer in answers]
            also(tx, states)
        return states

    def outlook(self, message: InboundMessage) -> MessageState:
        """Return what would come of a journalled call as far as reading it decides; nothing is written."""
        return _read(request_of(message, "")).state

    def _journal(self, tx: WriteTx, request: FhirRequest, answer: FhirAnswer) -> None:
        now = self._clock.now()
        if answer.fault is None:
            self._apply(tx, request, answer, now)
        row = _row(request, answer, now)
        same, _ = messages.heard_before(tx, (row.sending_application, FACILITY), row.control_id, row.digest)
        if same is None:
            key = messages.add(tx, row)
        else:
            key = same.key
            if request.replay_of is None:
                messages.count_again(tx, key, now)
            if same.state != MessageState.APPLIED:
                times = same.times_received + (request.replay_of is None)
                messages.save(
                    tx, replace(row, key=key, received_at=same.received_at, times_received=times), stranger=False
                )
        self._settle(tx, answer, key, is_new=same is None)
        fault = answer.first_fault
        audit.add(
            tx,
            at=now,
            action="message_applied" if fault is None else "message_refused",
            actor=request.actor or request.source,
            origin=request.peer,
            outcome=fault.code if fault is not None else "",
            detail={"message": key, "type": row.message_type},
        )

    def _apply(self, tx: WriteTx, request: FhirRequest, answer: FhirAnswer, now: datetime) -> None:
        """Do the entries, orders before what refers to them; a refusal takes its entry back, in a transaction all."""
        done: dict[int, Done | BridgeError] = {}
        entries = sorted(enumerate(answer.body.entries), key=lambda one: _rank(one[1]))
        try:
            with savepoint(tx):
                for number, entry in entries:
                    done[number] = self._one(tx, request, entry, now, is_batch=answer.body.is_batch)
        except Unavailable:
            raise
        except BridgeError as fault:
            answer.fault = fault
            return
        answer.done = [done[number] for number in sorted(done)]

    def _one(
        self, tx: WriteTx, request: FhirRequest, entry: FhirEntry, now: datetime, *, is_batch: bool
    ) -> Done | BridgeError:
        try:
            with savepoint(tx):
                return self._orders.apply(tx, entry, request.source, now)
        except Unavailable:
            raise
        except BridgeError as fault:
            _name_place(fault, entry)
            if not is_batch:
                raise
            return fault
        except Exception:  # noqa: BLE001 - our fault; the savepoint is rolled back, the call journalled
            _log.exception("fhir_not_applied", type=entry.resource.kind)
            ours = BridgeError(OUR_FAULT, code="internal_error", where=entry.place)
            if not is_batch:
                raise ours from None
            return ours

    def _settle(self, tx: WriteTx, answer: FhirAnswer, key: int, *, is_new: bool) -> None:
        """Name the call in what it did, and keep by which numbers it is found."""
        terms: dict[Term, None] = {}
        for one in answer.done:
            if isinstance(one, BridgeError) or one.applied is None:
                continue
            messages.add_subjects(tx, key, messages.new_subjects(tx, key, one.applied.subjects))
            self._applier.settle(tx, one.applied, key)
            terms |= dict.fromkeys(_terms(one))
        if terms and is_new:
            messages.add_terms(tx, key, list(terms))
        elif terms:
            messages.replace_terms(tx, key, list(terms))

    def _summarise(self, request: FhirRequest, answer: FhirAnswer) -> None:
        fault = answer.first_fault
        _log.info(
            "fhir_received",
            type=answer.body.kind or request.resource_type,
            entries=len(answer.body.entries),
            outcome=fault.code if fault is not None else "applied",
        )


def request_of(message: InboundMessage, actor: str) -> FhirRequest:
    """Return a journalled call as it came."""
    kind, _, name = message.control_id.partition("/")
    return FhirRequest(
        message.raw,
        message.sending_application,
        message.peer,
        resource_type=kind if name else "",
        resource_id=name,
        replay_of=message.key,
        actor=actor,
        heard_at=message.received_at,
    )


def is_fhir(message: InboundMessage) -> bool:
    """Say whether a journalled message came by FHIR."""
    return message.sending_facility == FACILITY and message.message_type.startswith("FHIR^")


def _read(request: FhirRequest) -> FhirAnswer:
    try:
        body = read_fhir(request)
        for entry in body.entries:
            # What is replayed without a time of its own is as old as when it came, not the newest news.
            entry.heard_at = request.heard_at
        return FhirAnswer(body)
    except BridgeError as fault:
        return FhirAnswer(FhirBody(kind=request.resource_type), fault=fault)
    except Exception:  # noqa: BLE001 - a reader's own fault is journalled and answered like any other
        _log.exception("fhir_unreadable")
        return FhirAnswer(FhirBody(kind=request.resource_type), fault=Malformed("it cannot be read"))


def _rank(entry: FhirEntry) -> int:
    kind = entry.resource.kind
    return _ORDER_OF_KINDS.index(kind) if kind in _ORDER_OF_KINDS else len(_ORDER_OF_KINDS)


def _name_place(fault: BridgeError, entry: FhirEntry) -> None:
    kind = entry.resource.kind
    if fault.where in _PLACES:
        fault.where = f"{kind}.{_PLACES[fault.where]}"
    if entry.place:
        fault.where = f"{entry.place}.resource.{fault.where.partition('.')[2]}".rstrip(".")


def _row(request: FhirRequest, answer: FhirAnswer, now: datetime) -> InboundMessage:
    fault = answer.first_fault
    done = [one for one in answer.done if isinstance(one, Done)]
    status = "error" if fault is not None else str(max((one.status for one in done), default=200))
    sentence = fault.to_caller if fault is not None else "; ".join(dict.fromkeys(one.what for one in done if one.what))
    severity = "error" if fault is not None else "information"
    said = operation_outcome("processing" if fault is not None else "informational", sentence or "done", severity)
    notices = [notice for one in done for notice in one.notices]
    return InboundMessage(
        key=0,
        received_at=now,
        peer=request.peer,
        sending_application=request.source,
        sending_facility=FACILITY,
        control_id=request.control_id,
        message_type=f"FHIR^{answer.body.kind or request.resource_type or 'Bundle'}",
        message_at=next((one.mapped.message_at for one in done if one.mapped is not None), None),
        processing_id="P",
        site="",
        charset="utf-8",
        digest=digest_of(request.raw),
        raw=request.raw,
        state=answer.state,
        answer=orjson.dumps(said),
        answer_code=status,
        error_code=fault.code if fault is not None else "",
        error_where=fault.where if fault is not None else "",
        error_detail=fault.detail if fault is not None else "",
        notices=tuple(dict.fromkeys(notices)),
    )


def _terms(done: Done) -> list[Term]:
    mapped = done.mapped
    if mapped is None:
        return []
    found = []
    for number in mapped.patient.identifiers if mapped.patient is not None else ():
        found.append(Term(TermKind.PATIENT, term_text(number.patient_id), term_text(number.issuer_of_patient_id)))
    for order in mapped.orders:
        found.append(Term(TermKind.ACCESSION, term_text(order.accession_number)))
        numbers = (order.placer_order_number, order.filler_order_number)
        found += [Term(TermKind.ORDER, term_text(one.value), term_text(one.issuer)) for one in numbers if one]
    if mapped.visit is not None and mapped.visit.admission_id:
        found.append(Term(TermKind.VISIT, term_text(mapped.visit.admission_id.value)))
    return found
