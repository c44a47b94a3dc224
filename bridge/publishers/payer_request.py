"""Requests to payers by Da Vinci PAS: Claim/$submit with the evidence inside, and Claim/$inquire.

A request that may have arrived is looked for before it is sent again; where the payer cannot be asked, a person is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.codecs.fhir import pas_bundle
from bridge.codecs.fhir.inline_evidence import InlineEvidence
from bridge.codecs.fhir.pas_bundle import PasSubmission
from bridge.codecs.fhir.payer_answer import is_about, read_answer, responses_in, why_not_taken
from bridge.domain.attachment import AttachmentState
from bridge.domain.packet import PacketFile
from bridge.domain.payer_request import PayerRequest, RequestKind, RequestState
from bridge.errors import Malformed, Refused, Unavailable, Unsupported
from bridge.leaving.payer_request import RequestGround, submission_of
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.outbox.retry import THROTTLED
from bridge.publishers.fhir_client import FhirClient
from bridge.store import authorizations, events, packets, patients, payer_requests, studies
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.events import Event, Station
from bridge.store.payer_requests import KeptResponse

_TURN = timedelta(seconds=30)
_UNKNOWN = "it may be with the payer, which cannot be asked: ask there, then say on the authorization whether it is"
_SUBMIT, _INQUIRE = "Claim/$submit", "Claim/$inquire"
_SAID = {
    RequestKind.SUBMIT: "asked for",
    RequestKind.UPDATE: "sent what changed of",
    RequestKind.CANCEL: "asked to end",
    RequestKind.INQUIRE: "asked how it stands with",
}


@dataclass(frozen=True, slots=True)
class RequestParcel(Parcel):
    """A request as it would leave. order_key: of the exam that it is filed with."""

    request: PayerRequest
    submission: PasSubmission
    order_key: int | None


@dataclass(frozen=True, slots=True)
class RequestReceipt(Receipt):
    """What the payer said. why_not: why it did not take the request, "" if it did."""

    why_not: str = ""


class PayerRequestPublisher:
    """Asks payers that take requests as FHIR, each by its own client."""

    topic = enqueue.PAYER_REQUEST

    def __init__(self, payers: Mapping[str, FhirClient], blobs: Blobs, ground: RequestGround) -> None:
        self._payers = dict(payers)
        self._blobs = blobs
        self._ground = ground

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._payers)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> RequestParcel | NotYet | Hold | Nothing:
        """Collect a request that is still to be made, behind those that were released before it."""
        key = enqueue.payer_request_in(delivery)
        if key is None:
            return Nothing("it names no request")
        request = payer_requests.get(tx, key)
        if request.state in (RequestState.ANSWERED, RequestState.DROPPED):
            return Nothing(request.detail or "the payer has answered it")
        if (
            payer_requests.open_of(tx, request.authorization_key)[:1] != [request]
            and request.state != RequestState.FAILED
        ):
            return NotYet(now + _TURN, "an earlier request on this authorization goes first")
        evidence: tuple[InlineEvidence, ...] = ()
        study_key, binding_version = None, 0
        if request.attachment_key is not None:
            why_held = self._why_held(tx, request.attachment_key)
            if why_held:
                return Hold(why_held)
            study = studies.get(tx, authorizations.get_attachment(tx, request.attachment_key).study_key)
            study_key, binding_version = study.key, study.binding_version
            evidence = self._evidence(tx, request, study.study_instance_uid)
        one = authorizations.get(tx, request.authorization_key)
        said = submission_of(tx, request, self._ground, request.asked_at or now, evidence)
        return RequestParcel(delivery, study_key, binding_version, request, said, one.order_key)

    def send(self, parcel: RequestParcel, still_wanted: StillWanted) -> RequestReceipt:
        """Ask, after looking whether the payer has it already if it may have; what it answers is kept before it counts."""
        client, request = self._payers[parcel.delivery.destination], parcel.request
        if not request.changes_something:
            still_wanted()
            return self._kept(parcel, self._inquired(client, parcel), still_wanted)
        if request.begun_at is not None:
            try:
                found = self._found(client, parcel)
            except (Unsupported, Malformed):
                return RequestReceipt("not known whether the payer has it", held=Hold(_UNKNOWN, HoldKind.RECEIVER))
            if found is not None:
                return self._kept(parcel, found, still_wanted)
        bundle = pas_bundle.request(parcel.submission, self._ground.system_of)
        client.reach()
        still_wanted()
        still_wanted.note(_begun(request.key), "is being submitted")
        try:
            answer = client.invoke_for_bytes(_SUBMIT, bundle)
        except (Malformed, Unsupported, Refused) as fault:
            still_wanted.note(_not_begun(request.key), fault.detail)
            raise
        except Unavailable as fault:
            if fault.code == THROTTLED:
                still_wanted.note(_not_begun(request.key), fault.detail)
            raise
        return self._kept(parcel, answer, still_wanted)

    def settled(self, tx: WriteTx, parcel: RequestParcel, receipt: RequestReceipt, at: datetime) -> None:
        """Mark the request answered, or not taken, and tell the timeline."""
        if receipt.held is not None:
            payer_requests.describe(tx, parcel.request.key, receipt.held.why)
            return
        state = RequestState.FAILED if receipt.why_not else RequestState.ANSWERED
        payer_requests.end(tx, parcel.request.key, state, receipt.why_not, at)
        self._mark(tx, parcel.request, receipt.why_not, at)
        if parcel.request.changes_something:
            self._tell(tx, parcel.request, parcel.delivery, receipt.why_not, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Say at the request why it did not arrive; dead, it has failed."""
        key = enqueue.payer_request_in(delivery)
        if key is None:
            return
        request = payer_requests.get(tx, key)
        payer_requests.describe(tx, key, detail)
        if is_dead:
            payer_requests.end(tx, key, RequestState.FAILED, detail, at)
            self._mark(tx, request, detail, at)
            self._tell(tx, request, delivery, detail, at)

    def _why_held(self, tx: ReadTx, attachment_key: int) -> str:
        """Return why an attachment's evidence must not leave, "" if it may."""
        attachment = authorizations.get_attachment(tx, attachment_key)
        if attachment.state in (AttachmentState.DRAFT, AttachmentState.REVIEW):
            return f"the attachment is in {attachment.state}"
        study = studies.get(tx, attachment.study_key)
        if not study.is_bound or study.patient_key is None:
            return "the study is not bound to a patient"
        owner = authorizations.get(tx, attachment.authorization_key).patient_key
        if patients.survivor(tx, study.patient_key).key != patients.survivor(tx, owner).key:
            return "the study is another patient's now"
        return ""

    def _evidence(self, tx: ReadTx, request: PayerRequest, study_instance_uid: str) -> tuple[InlineEvidence, ...]:
        assert request.attachment_key is not None
        packet = packets.newest(tx, request.attachment_key)
        if packet is None:
            raise Unavailable("the packet is not put together yet", code="no_packet")
        with self._blobs.at_hand(packet.file(PacketFile.DOCUMENT).digest) as path:
            content = path.read_bytes()
        number = request.control_numbers[0]
        return (InlineEvidence(number, content, "Evidence for authorization", packet.made_at, study_instance_uid),)

    def _inquired(self, client: FhirClient, parcel: RequestParcel) -> bytes:
        return client.invoke_for_bytes(_INQUIRE, pas_bundle.inquiry(parcel.submission, self._ground.system_of))

    def _found(self, client: FhirClient, parcel: RequestParcel) -> bytes | None:
        """Return the payer's answer to a request that it has, None if it has none with this trace."""
        answer = self._inquired(client, parcel)
        said = read_answer(answer)
        mine = [one for one, _ in responses_in(said) if is_about(one, parcel.request.trace)]
        return answer if mine and not why_not_taken(said) else None

    def _kept(self, parcel: RequestParcel, answer: bytes, still_wanted: StillWanted) -> RequestReceipt:
        request = parcel.request

        def keep(tx: WriteTx, at: datetime) -> None:
            row = KeptResponse(0, request.authorization_key, request.key, request.payer, answer, at)
            payer_requests.keep_response(tx, row)

        still_wanted.note(keep, "the payer has answered")
        why_not = why_not_taken(read_answer(answer))
        return RequestReceipt(why_not or "the payer has answered", why_not=why_not)

    def _mark(self, tx: WriteTx, request: PayerRequest, why_not: str, at: datetime) -> None:
        if request.attachment_key is None:
            return
        attachment = authorizations.get_attachment(tx, request.attachment_key)
        if attachment.state in (AttachmentState.DRAFT, AttachmentState.REVIEW):
            return
        state = AttachmentState.FAILED if why_not else AttachmentState.SENT
        authorizations.set_attachment_state(tx, attachment.key, state, at, reference=request.trace, detail=why_not)

    def _tell(self, tx: WriteTx, request: PayerRequest, delivery: Delivery, why_not: str, at: datetime) -> None:
        one = authorizations.get(tx, request.authorization_key)
        what = f"{delivery.destination} was {_SAID[request.kind]} authorization {one.name or request.trace}"
        if why_not:
            what = f"{delivery.destination} did not take what was sent on authorization {one.name or request.trace}: {why_not}"
        source = ("authorization", str(one.key))
        line = Event(at, Station.AUTHORIZATION, what, request.asked_by, *source, one.order_key, delivery.study_key)
        events.add(tx, line)


def _begun(key: int) -> Callable[[WriteTx, datetime], None]:
    return lambda tx, at: payer_requests.begin(tx, key, at)


def _not_begun(key: int) -> Callable[[WriteTx, datetime], None]:
    return lambda tx, _: payer_requests.begin(tx, key, None)
