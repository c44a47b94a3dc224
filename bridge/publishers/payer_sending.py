"""What every way to a payer has in common: what may leave, that it may have left, and what came back.

Before a request goes out it is on record that it does; its answer is on record before anybody is told of it. Whatever
ends in between leaves "sending": then a payer that can be asked is asked, and else a person. Nothing is sent twice in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bridge.codecs.fhir.outcome import words_in
from bridge.domain.attachment import AttachmentState, ClaimAttachment
from bridge.domain.evidence_request import AskState, EvidenceRequest
from bridge.domain.packet import PacketFile
from bridge.domain.records import replace
from bridge.domain.submission import PayerAnswer, Submission, SubmissionState
from bridge.errors import Unavailable
from bridge.leaving.payer_ways import PayerWay, Sendable, collect_sendable
from bridge.outbox import enqueue
from bridge.outbox.publisher import BINDING_CHANGED, Hold, Nothing, Parcel, Receipt, StillWanted
from bridge.publishers.fhir_client import FhirClient
from bridge.publishers.http_answer import Answer
from bridge.sections.payer import Payer
from bridge.store import audit, authorizations, events, evidence_requests, packets, rejections, submissions
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, WriteTx, lock
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.events import Event, Station

_CHANGED = "what would leave is not what was released: look at it, and release it again"
_ASKED_NO_MORE = (
    "what it answers is asked for no more: look at it, and release it again if the payer is to have it all the same"
)
_ENDED = frozenset({SubmissionState.SENT, SubmissionState.ACCEPTED, SubmissionState.TAKEN_BACK})
_MAY_LEAVE = frozenset({AttachmentState.RELEASED, AttachmentState.FAILED})
_REFUSED = frozenset({400, 404, 405, 409, 410, 415, 422})
_NOT_THERE = frozenset({401, 403, 408, 425, 429, 503})
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class PayerDoor:
    """A payer's FHIR endpoint."""

    payer: Payer
    client: FhirClient


@dataclass(frozen=True, slots=True)
class PayerParcel(Parcel):
    """
    What was released. submission: the release; its state is "sending" where an earlier try ended without a known end.

    may_leave: False where it can only be looked for. why_back: why it must be looked at again first.
    """

    submission: Submission
    found: Sendable
    may_leave: bool = field(default=True, kw_only=True)
    why_back: str = field(default="", kw_only=True)

    @property
    def may_be_there(self) -> bool:
        """Say whether an earlier try may have brought it to the payer."""
        return self.submission.state == SubmissionState.SENDING

    @property
    def is_accepted(self) -> bool:
        """Say whether the payer's word that it has it is on record, and what follows from that is not."""
        return self.submission.state == SubmissionState.ACCEPTED


@dataclass(frozen=True, slots=True)
class PayerReceipt(Receipt):
    """
    What became of it. state: of the release, from now on. answer: what came back; None where it stands on record already, or
    nothing came. reference: by which the payer finds it.
    """

    state: SubmissionState
    reference: str = ""
    answer: PayerAnswer | None = None


def standing(tx: ReadTx, delivery: Delivery) -> PayerParcel | Hold | Nothing:
    """Return what a person released, if it may leave; what may have left already is looked for, whatever became of it since."""
    if delivery.attachment_key is None:
        return Nothing("it names no attachment")
    attachment = authorizations.get_attachment(tx, delivery.attachment_key)
    submission = submissions.newest(tx, attachment.key)
    if submission is None or submission.destination != delivery.destination:
        return Nothing("nothing of it waits to be sent")
    if submission.state in _ENDED:
        return _accepted(tx, delivery, attachment, submission) or Nothing("nothing of it waits to be sent")
    if submission.state == SubmissionState.UNCLEAR:
        return Hold(submission.detail, HoldKind.RECEIVER)
    if attachment.state == AttachmentState.REVIEW:
        return Hold(attachment.detail or "the attachment is in review")
    is_out = submission.state == SubmissionState.SENDING
    if attachment.state not in _MAY_LEAVE and not is_out:
        return Nothing("it is released no more")
    packet = packets.get(tx, submission.packet_key)
    asked = submission.evidence_request_key
    request = evidence_requests.whole(tx, asked) if asked is not None else None
    found = collect_sendable(tx, attachment, packet, request)
    why_held = _why_held(tx, found)
    if why_held and not is_out:
        return Hold(why_held)
    may_leave = not why_held and attachment.state in _MAY_LEAVE
    version = found.study.binding_version
    return PayerParcel(delivery, found.study.key, version, submission, found, may_leave=may_leave)


def _why_held(tx: ReadTx, found: Sendable) -> str:
    """Return why what was released must not leave, "" if it may."""
    if not found.study.is_bound or found.study.patient_key != found.patient.key:
        return "the study is not bound to this patient"
    if found.packet.binding_version != found.study.binding_version:
        return "the study was bound or corrected since it was released"
    if not rejections.shown_uids(tx, found.study.key).issuperset(found.packet.instances):
        return "images on it were rejected"
    return ""


def released(tx: ReadTx, way: PayerWay, delivery: Delivery) -> PayerParcel | Hold | Nothing:
    """Return what stands (`standing`), with why it must be looked at again; what may have left already is not compared."""
    parcel = standing(tx, delivery)
    if not isinstance(parcel, PayerParcel) or parcel.may_be_there or parcel.is_accepted:
        return parcel
    if parcel.found.request is not None and parcel.found.request.is_over:
        return replace(parcel, why_back=_ASKED_NO_MORE)
    try:
        digest = way.outgoing(tx, parcel.found).digest
    except LookupError:
        digest = ""
    return parcel if digest == parcel.submission.content_digest else replace(parcel, why_back=_CHANGED)


def look_again(parcel: PayerParcel) -> PayerReceipt:
    """Return what is said where a person has to look at it, and release it, again."""
    return PayerReceipt(parcel.why_back, SubmissionState.TAKEN_BACK)


def _accepted(
    tx: ReadTx, delivery: Delivery, attachment: ClaimAttachment, submission: Submission
) -> PayerParcel | None:
    """Return what its payer accepted before anybody could be told of it, None where everybody was."""
    if submission.state != SubmissionState.ACCEPTED or attachment.state not in _MAY_LEAVE:
        return None
    asked = submission.evidence_request_key
    request = evidence_requests.whole(tx, asked) if asked is not None else None
    found = collect_sendable(tx, attachment, packets.get(tx, submission.packet_key), request)
    return PayerParcel(delivery, found.study.key, found.study.binding_version, submission, found)


def accepted_before(parcel: PayerParcel) -> PayerReceipt:
    """Return the receipt of what its payer accepted in an earlier try."""
    return PayerReceipt(parcel.submission.detail, SubmissionState.ACCEPTED, parcel.submission.control_number)


def document_of(blobs: Blobs, parcel: PayerParcel) -> bytes:
    """Return the PDF of the version that was released. Raises: Unavailable."""
    try:
        with blobs.at_hand(parcel.found.packet.file(PacketFile.DOCUMENT).digest) as path:
            return path.read_bytes()
    except OSError:
        raise Unavailable("the packet cannot be read", code="packet_missing") from None


def _nothing(_: WriteTx) -> None:
    """Note nothing besides."""


def note_leaving(parcel: PayerParcel, still_wanted: StillWanted, besides: Callable[[WriteTx], None] = _nothing) -> None:
    """
    Put on record that a request leaves now. besides: what else is to be noted then.

    What was decided or attached anew before that is on record keeps it here; whoever decides after finds that it may have left.
    Raises: Unavailable, if it is no longer wanted, or the lease is lost.
    """
    still_wanted()

    def write(tx: WriteTx, at: datetime) -> None:
        lock(tx, "identity")
        if parcel.may_leave and not _may_leave(tx, parcel):
            raise Unavailable("what was released changed before it left", code=BINDING_CHANGED)
        besides(tx)
        submissions.set_state(tx, parcel.submission.key, SubmissionState.SENDING, at, "a request is on its way")

    still_wanted.note(write, "a request is on its way")


def _may_leave(tx: ReadTx, parcel: PayerParcel) -> bool:
    """Say whether what was released is still so, and may leave."""
    attachment = authorizations.get_attachment(tx, parcel.submission.attachment_key)
    now = collect_sendable(tx, attachment, parcel.found.packet, parcel.found.request)
    release = submissions.newest(tx, attachment.key)
    is_same = release is not None and (release.key, release.state) == (parcel.submission.key, parcel.submission.state)
    is_bound_so = now.study.binding_version == parcel.binding_version
    return is_same and is_bound_so and attachment.state in _MAY_LEAVE and not _why_held(tx, now)


def note_not_there(
    parcel: PayerParcel, still_wanted: StillWanted, detail: str, besides: Callable[[WriteTx], None] = _nothing
) -> None:
    """Put on record that the payer has nothing of it: another try is the first. besides: what else is to be noted then."""

    def write(tx: WriteTx, at: datetime) -> None:
        besides(tx)
        submissions.set_state(tx, parcel.submission.key, SubmissionState.READY, at, detail)

    still_wanted.note(write, detail)


def keep_answer(parcel: PayerParcel, answer: PayerAnswer, state: SubmissionState, still_wanted: StillWanted) -> None:
    """Put an answer on record as it came, and what it means for the release."""

    def write(tx: WriteTx, at: datetime) -> None:
        note_answer(tx, answer, state)
        submissions.set_state(tx, parcel.submission.key, state, at, answer.detail)

    still_wanted.note(write, answer.detail)


def note_answer(tx: WriteTx, answer: PayerAnswer, state: SubmissionState) -> None:
    """Keep an answer as it came. state: what it means for what was released, or asked."""
    add = submissions.add_not_now if state == SubmissionState.READY else submissions.add_answer
    add(tx, answer)


def meaning_of(answer: Answer, document_bytes: int) -> tuple[SubmissionState, str]:
    """Return what an answer's status means for what was released, and in words. document_bytes: of the PDF in it, 0 for none."""
    status, said = answer.status, words_in(answer.body)
    if 200 <= status < 300:
        return SubmissionState.ACCEPTED, f"the payer accepted it ({status})"
    if status == _TOO_LARGE:
        size = document_bytes / 1e6
        what = f"the payer takes nothing so large (413; the PDF has {size:.1f} MB): "
        what += "lower max_packet_mb of this payer, or choose fewer images, and attach them again"
        return SubmissionState.REFUSED, f"{what}{f' ({said})' if said else ''}"
    if status in _REFUSED:
        return SubmissionState.REFUSED, f"the payer refused it ({status}){f': {said}' if said else ''}"
    if status in _NOT_THERE:
        return SubmissionState.READY, f"the payer does not take it now ({status})"
    return SubmissionState.SENDING, f"the payer answers {status}, and may have it all the same"


def ask_a_person(why: str) -> PayerReceipt:
    """Return what is said where nobody can tell whether it is there."""
    said = f"{why}: look at the payer's portal or call, then say here whether it is there"
    return PayerReceipt(said, SubmissionState.UNCLEAR, held=Hold(said, HoldKind.RECEIVER))


def settle(tx: WriteTx, parcel: PayerParcel, receipt: PayerReceipt, at: datetime) -> None:
    """Note what became of a release where people look for it; what was put in question meanwhile is to be withdrawn."""
    key, attachment = parcel.submission.key, parcel.found.attachment
    if receipt.state == SubmissionState.TAKEN_BACK:
        _draft_again(tx, parcel, receipt, at)
        return
    submissions.set_state(tx, key, receipt.state, at, receipt.detail)
    if receipt.state == SubmissionState.UNCLEAR:
        _note_unclear(tx, parcel, receipt, at)
        return
    if parcel.found.request is not None:
        _note_answered(tx, parcel.found.request, at)
    is_clean = submissions.attachment_left(tx, attachment.key, receipt.reference, receipt.detail, at)
    _tell(tx, parcel, f"Sent to {parcel.submission.destination}: {receipt.detail}", at)
    audit.add(
        tx,
        at=at,
        action="evidence_sent",
        actor=parcel.submission.released_by,
        patient_key=parcel.found.study.patient_key,
        study_key=parcel.found.study.key,
        detail={
            "attachment": attachment.key,
            "submission": key,
            "to": parcel.submission.destination,
            "purpose_of_use": parcel.submission.purpose_of_use,
        },
    )
    if not is_clean:
        why = authorizations.get_attachment(tx, attachment.key).detail
        submissions.ask_to_withdraw(tx, submissions.get(tx, key), parcel.found.study.key, why, at)


def fail(tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
    """Say at the attachment why it is not there; dead, it failed, and waits for a person."""
    if delivery.attachment_key is None:
        return
    attachment = authorizations.get_attachment(tx, delivery.attachment_key)
    if attachment.state not in _MAY_LEAVE:
        return
    state = AttachmentState.FAILED if is_dead else attachment.state
    authorizations.set_attachment_state(tx, attachment.key, state, at, detail=detail)
    submission = submissions.newest(tx, attachment.key)
    if not is_dead or submission is None:
        return
    if submission.state == SubmissionState.READY:
        submissions.set_state(tx, submission.key, SubmissionState.REFUSED, at, detail)
    on = authorizations.get(tx, attachment.authorization_key)
    what = f"Not sent to {submission.destination}: {detail}"
    line = (Station.AUTHORIZATION, what, delivery.destination, "authorization", str(on.key))
    events.add(tx, Event(at, *line, on.order_key, attachment.study_key))


def _note_answered(tx: WriteTx, request: EvidenceRequest, at: datetime) -> None:
    """The payer has what it asked for: its Tasks are told."""
    for one in evidence_requests.with_repetitions(tx, request.key):
        evidence_requests.settle(tx, one.key, AskState.ANSWERED)
        enqueue.enqueue(tx, enqueue.evidence_request(one.payer, one.key), at)


def _draft_again(tx: WriteTx, parcel: PayerParcel, receipt: PayerReceipt, at: datetime) -> None:
    """Nothing of it has left: a person looks at it as it is now, in a packet of what is here now."""
    attachment = authorizations.get_attachment(tx, parcel.found.attachment.key)
    if attachment.state not in _MAY_LEAVE:
        return
    submissions.take_back(tx, attachment.key, receipt.detail, at)
    authorizations.set_attachment_state(tx, attachment.key, AttachmentState.DRAFT, at, detail=receipt.detail)
    enqueue.enqueue(tx, enqueue.packet_of(attachment), at)
    _tell(tx, parcel, f"Not sent to {parcel.submission.destination}: {receipt.detail}", at)


def _note_unclear(tx: WriteTx, parcel: PayerParcel, receipt: PayerReceipt, at: datetime) -> None:
    attachment = authorizations.get_attachment(tx, parcel.found.attachment.key)
    if attachment.state in _MAY_LEAVE:
        state = AttachmentState.RELEASED
        authorizations.set_attachment_state(tx, attachment.key, state, at, detail=receipt.detail)
    _tell(tx, parcel, f"May be at {parcel.submission.destination}: {receipt.detail}", at)


def _tell(tx: WriteTx, parcel: PayerParcel, what: str, at: datetime) -> None:
    on, study = parcel.found.authorization, parcel.found.study
    source = ("authorization", str(on.key))
    by = parcel.submission.destination
    events.add(tx, Event(at, Station.AUTHORIZATION, what, by, *source, study.order_key, study.key))
