"""Requests to payers by Da Vinci PAS: Claim/$submit, with the evidence that was released inside, and Claim/$inquire.

A request that may have arrived is looked for before it is sent again; where the payer cannot be asked, a person is. What its
answer's status means is as for all evidence that goes to payers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.codecs.fhir import pas_bundle
from bridge.codecs.fhir.pas_bundle import PasSubmission
from bridge.codecs.fhir.payer_answer import is_about, read_answer, responses_in, why_not_taken
from bridge.domain.payer_request import OPEN, PayerRequest, RequestKind, RequestState
from bridge.domain.records import replace
from bridge.domain.submission import PayerAnswer, SubmissionState
from bridge.errors import BridgeError, Conflict, Malformed, Refused, Unavailable
from bridge.leaving.pas_way import INQUIRE, SUBMIT
from bridge.leaving.payer_request import RequestGround, submission_of, whom_digest
from bridge.leaving.payer_ways import evidence_of
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.publishers import payer_sending
from bridge.publishers.fhir_client import check_answer
from bridge.publishers.http_answer import UNKNOWN_OUTCOME, Answer
from bridge.publishers.payer_sending import PayerDoor, PayerParcel, PayerReceipt
from bridge.store import authorizations, events, payer_requests
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.events import Event, Station

_TURN = timedelta(seconds=30)
_UNKNOWN = "no answer came, and the payer may have it all the same"
_CANNOT_ASK = f"{_UNKNOWN}: ask there, then say on the authorization whether it is there"
_OTHER = "the person or the member is told otherwise than when it was let go: look at it, and let it go again"
_SAID = {
    RequestKind.SUBMIT: "asked for",
    RequestKind.UPDATE: "sent what changed of",
    RequestKind.CANCEL: "asked to end",
    RequestKind.INQUIRE: "asked how it stands with",
}


@dataclass(frozen=True, slots=True)
class RequestParcel(Parcel):
    """
    A request as it would leave.

    release: what a person let go with it, None without evidence. why_back: why one without must be looked at again first.
    """

    request: PayerRequest
    submission: PasSubmission
    release: PayerParcel | None
    why_back: str = field(default="", kw_only=True)

    @property
    def may_be_there(self) -> bool:
        """Say whether an earlier try may have brought it to the payer."""
        return self.release.may_be_there if self.release is not None else self.request.begun_at is not None


class PayerRequestPublisher:
    """Asks payers. doors: by the payers' names."""

    topic = enqueue.PAYER_REQUEST

    def __init__(self, doors: Mapping[str, PayerDoor], blobs: Blobs, ground: RequestGround) -> None:
        self._doors = dict(doors)
        self._blobs = blobs
        self._ground = ground

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._doors)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> RequestParcel | NotYet | Hold | Nothing:
        """Collect a request that is still to be made, behind those that were let go before it."""
        release: PayerParcel | None = None
        if delivery.attachment_key is not None:
            standing = payer_sending.standing(tx, delivery)
            if not isinstance(standing, PayerParcel):
                return standing
            release = standing
            request = payer_requests.of_submission(tx, release.submission.key)
        else:
            request = payer_requests.get(tx, enqueue.payer_request_in(delivery))
        is_accepted = release is not None and release.is_accepted
        if request.state in (RequestState.ANSWERED, RequestState.DROPPED) and not is_accepted:
            return Nothing(request.detail or "the payer has answered it")
        every = payer_requests.of_authorization(tx, request.authorization_key)
        if any(one.key < request.key and one.state in OPEN for one in every):
            return NotYet(now + _TURN, "an earlier request on this authorization goes first")
        if request.state == RequestState.FAILED and any(
            one.key > request.key and one.changes_something for one in every
        ):
            return Nothing("a later request took its place")
        evidence = (evidence_of(release.found, b""),) if release is not None else ()
        said = submission_of(tx, request, self._ground, request.asked_at or now, evidence)
        is_same = request.whom_digest in ("", whom_digest(said.authorization, said.patient))
        if release is None:
            is_back = not is_same and request.begun_at is None
            return RequestParcel(delivery, None, 0, request, said, None, why_back=_OTHER if is_back else "")
        if not is_same and not release.may_be_there and not release.is_accepted:
            release = replace(release, why_back=_OTHER)
        return RequestParcel(delivery, release.study_key, release.binding_version, request, said, release)

    def send(self, parcel: RequestParcel, still_wanted: StillWanted) -> Receipt:
        """
        Ask, after looking whether the payer has it already if it may; what it answers is kept before it counts.

        Raises: Conflict, Refused, Unavailable, as the answer's status has it; Conflict too, where the payer could not use it.
        """
        if parcel.release is not None and parcel.release.is_accepted:
            return payer_sending.accepted_before(parcel.release)
        if parcel.release is not None and parcel.release.why_back:
            return payer_sending.look_again(parcel.release)
        if parcel.why_back:
            raise Conflict(parcel.why_back, code="other_person")
        door = self._doors[parcel.delivery.destination]
        if not parcel.request.changes_something:
            still_wanted()
            return self._read(door, parcel, self._inquired(door, parcel), still_wanted)
        if parcel.may_be_there:
            try:
                found = self._found(door, parcel)
            except BridgeError as fault:
                if isinstance(fault, Unavailable | Refused):
                    raise
                return _ask_a_person(parcel)
            if found is not None:
                return self._read(door, parcel, found, still_wanted)
            if parcel.release is not None and not parcel.release.may_leave:
                return _ask_a_person(parcel)
        bundle = pas_bundle.request(self._whole(parcel), self._ground.system_of)
        door.client.authorize()
        _note_leaving(parcel, still_wanted)
        try:
            answer = door.client.post(SUBMIT, bundle)
        except Unavailable as fault:
            if fault.code == DESTINATION_DOWN:
                _note_not_there(parcel, still_wanted, fault.detail)
                raise
            raise Unavailable(_UNKNOWN, code=UNKNOWN_OUTCOME) from None
        return self._read(door, parcel, answer, still_wanted)

    def settled(self, tx: WriteTx, parcel: RequestParcel, receipt: Receipt, at: datetime) -> None:
        """Note that the payer has it, or that a person has to say."""
        if parcel.release is not None and isinstance(receipt, PayerReceipt):
            payer_sending.settle(tx, parcel.release, receipt, at)
            return
        if receipt.held is not None:
            payer_requests.describe(tx, parcel.request.key, receipt.held.why)
            return
        payer_requests.end(tx, parcel.request.key, RequestState.ANSWERED, "", at)
        if parcel.request.changes_something:
            what = f"{parcel.delivery.destination} was {_SAID[parcel.request.kind]} this authorization"
            _tell(tx, parcel.request, what, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Say at the request, or at the evidence in it, why it is not there."""
        if delivery.attachment_key is not None:
            payer_sending.fail(tx, delivery, detail, is_dead, at)
            return
        request = payer_requests.get(tx, enqueue.payer_request_in(delivery))
        payer_requests.describe(tx, request.key, detail)
        if is_dead:
            payer_requests.end(tx, request.key, RequestState.FAILED, detail, at)
            _tell(tx, request, f"{delivery.destination} did not take what was sent: {detail}", at)

    def _whole(self, parcel: RequestParcel) -> PasSubmission:
        """Return the request with its document inside. Raises: Unavailable."""
        if parcel.release is None:
            return parcel.submission
        document = payer_sending.document_of(self._blobs, parcel.release)
        return replace(parcel.submission, evidence=(evidence_of(parcel.release.found, document),))

    def _inquired(self, door: PayerDoor, parcel: RequestParcel) -> Answer:
        answer = door.client.post(INQUIRE, pas_bundle.inquiry(parcel.submission, self._ground.system_of))
        if answer.status in (404, 410):
            raise Conflict(f"the payer does not offer {INQUIRE} ({answer.status})", code="no_inquiry")
        check_answer(answer, "POST", door.client.clock)
        return answer

    def _found(self, door: PayerDoor, parcel: RequestParcel) -> Answer | None:
        """Return the payer's answer to a request that it has, None if it has none with this trace. Raises: BridgeError."""
        answer = self._inquired(door, parcel)
        said = read_answer(answer.body)
        mine = [one for one, _ in responses_in(said) if is_about(one, parcel.request.trace)]
        return answer if mine and not why_not_taken(said) else None

    def _read(self, door: PayerDoor, parcel: RequestParcel, answer: Answer, still_wanted: StillWanted) -> Receipt:
        """Keep an answer and say what it means."""
        state, detail = payer_sending.meaning_of(answer, parcel.release.found.document_bytes if parcel.release else 0)
        if state == SubmissionState.ACCEPTED:
            why_not = _why_not(answer)
            state, detail = (SubmissionState.REFUSED, why_not) if why_not else (state, detail)
        self._keep(door, parcel, answer, (state, detail), still_wanted)
        if state == SubmissionState.ACCEPTED:
            if parcel.release is None:
                return Receipt(detail)
            return PayerReceipt(detail, state, parcel.request.trace)
        if state == SubmissionState.REFUSED:
            raise Conflict(detail, code=f"http_{answer.status}")
        if state == SubmissionState.READY:
            _note_not_there(parcel, still_wanted, detail)
            check_answer(answer, "POST", door.client.clock)
        raise Unavailable(detail, code=UNKNOWN_OUTCOME)

    def _keep(
        self,
        door: PayerDoor,
        parcel: RequestParcel,
        answer: Answer,
        means: tuple[SubmissionState, str],
        still_wanted: StillWanted,
    ) -> None:
        kept = PayerAnswer(
            key=0,
            submission_key=parcel.release.submission.key if parcel.release is not None else None,
            heard_at=door.client.clock.now(),
            content=answer.body,
            content_type=answer.headers.get("Content-Type", ""),
            status=answer.status,
            detail=means[1],
            request_key=parcel.request.key,
        )
        if parcel.release is not None:
            payer_sending.keep_answer(parcel.release, kept, means[0], still_wanted)
            return
        still_wanted.note(lambda tx, _: payer_sending.note_answer(tx, kept, means[0]), means[1])


def _why_not(answer: Answer) -> str:
    """Return why the payer did not take what it answers with 2xx, "" if it did. Raises: Unavailable, if nobody can tell."""
    try:
        return why_not_taken(read_answer(answer.body))
    except Malformed as fault:
        raise Unavailable(fault.detail, code=UNKNOWN_OUTCOME) from None


def _note_leaving(parcel: RequestParcel, still_wanted: StillWanted) -> None:
    if parcel.release is not None:
        payer_sending.note_leaving(parcel.release, still_wanted)
        return
    still_wanted()
    still_wanted.note(_begun(parcel.request.key), "a request is on its way")


def _note_not_there(parcel: RequestParcel, still_wanted: StillWanted, detail: str) -> None:
    if parcel.release is not None:
        payer_sending.note_not_there(parcel.release, still_wanted, detail)
        return
    still_wanted.note(lambda tx, _: payer_requests.begin(tx, parcel.request.key, None), detail)


def _ask_a_person(parcel: RequestParcel) -> Receipt:
    if parcel.release is not None:
        return payer_sending.ask_a_person(_UNKNOWN)
    return Receipt(_CANNOT_ASK, held=Hold(_CANNOT_ASK, HoldKind.RECEIVER))


def _begun(key: int) -> Callable[[WriteTx, datetime], None]:
    return lambda tx, at: payer_requests.begin(tx, key, at)


def _tell(tx: WriteTx, request: PayerRequest, what: str, at: datetime) -> None:
    one = authorizations.get(tx, request.authorization_key)
    source = ("authorization", str(one.key))
    events.add(tx, Event(at, Station.AUTHORIZATION, what, request.asked_by, *source, one.order_key))
