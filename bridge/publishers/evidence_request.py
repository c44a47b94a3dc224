"""How a payer's Task that asks for attachments stands, written back to it. Source: HL7 Da Vinci CDex; FHIR R4 Task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.evidence_request import AskState, EvidenceRequest
from bridge.domain.submission import SubmissionState
from bridge.errors import Conflict, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.enqueue import EVIDENCE_REQUEST
from bridge.outbox.publisher import Nothing, Parcel, Receipt, StillWanted
from bridge.publishers.payer_sending import PayerDoor
from bridge.store import evidence_requests, submissions
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.lanes import VERSION_CONFLICT

# A Task goes forward alone. Source: FHIR R4 Task, state machine.
_ORDER = ("requested", "received", "accepted", "in-progress", "completed", "rejected", "failed", "cancelled")
_ENDED = frozenset(_ORDER[4:])
_TRIES = 3


@dataclass(frozen=True, slots=True)
class TaskParcel(Parcel):
    """A request, and what its Task is to say."""

    request: EvidenceRequest
    status: str


class EvidenceRequestPublisher:
    """Keeps payers' Tasks as they stand here. doors: by the payers' names."""

    topic = EVIDENCE_REQUEST

    def __init__(self, doors: Mapping[str, PayerDoor]) -> None:
        self._doors = dict(doors)

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._doors)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> TaskParcel | Nothing:
        """Return what the Task is to say by now."""
        key = enqueue.evidence_request_in(delivery)
        if key is None:
            return Nothing("it names no request")
        request = evidence_requests.get(tx, key)
        status = _status(tx, request)
        if not status or status == request.told:
            return Nothing("the Task says so already")
        return TaskParcel(delivery, None, 0, request, status)

    def send(self, parcel: TaskParcel, still_wanted: StillWanted) -> Receipt:
        """Write the status into the Task as it is now. Raises: as the FHIR client."""
        client, request = self._doors[parcel.delivery.destination].client, parcel.request
        for _ in range(_TRIES):
            found = client.read(f"Task/{request.task_id}")
            if found is None:
                return Receipt("the payer has no such Task any more")
            stands = found.resource.get("status")
            if stands in _ENDED or stands == parcel.status:
                return Receipt(f"the Task is {stands}")
            changed = found.resource | {"status": parcel.status}
            if parcel.status in ("rejected", "failed"):
                changed["statusReason"] = {"text": request.why}
            still_wanted()
            try:
                client.update(changed, found.version)
            except Conflict as fault:
                if fault.code != VERSION_CONFLICT:
                    raise
                continue
            return Receipt(f"the Task is {parcel.status}")
        raise Unavailable("the payer's Task keeps changing", code=VERSION_CONFLICT)

    def settled(self, tx: WriteTx, parcel: TaskParcel, receipt: Receipt, at: datetime) -> None:
        """Note what the Task says."""
        evidence_requests.note_told(tx, parcel.request.key, parcel.status)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery says why; what is asked for is to be answered all the same."""


def _status(tx: ReadTx, request: EvidenceRequest) -> str:
    """Return what a request's Task is to say, "" if nothing: whose it is is not known yet, or the payer closed it."""
    if request.state in (AskState.WAITS, AskState.CLOSED):
        return ""
    if request.state == AskState.DECLINED:
        return "rejected"
    if request.state == AskState.ANSWERED:
        return "completed"
    made = submissions.of_request(tx, request.same_as or request.key)
    is_going = any(one.state not in (SubmissionState.TAKEN_BACK, SubmissionState.REFUSED) for one in made)
    return "in-progress" if is_going else "accepted"
