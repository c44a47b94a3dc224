"""A person looks at what a payer would get, lets it go, and says what became of it where nobody could tell.

What leaves is the version of the packet that was released, and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.attachment import TO_PAYER, AttachmentKind, AttachmentState, ClaimAttachment, check_attach
from bridge.domain.evidence_request import AskState, EvidenceRequest
from bridge.domain.reason import require_reason
from bridge.domain.records import replace
from bridge.domain.submission import Outgoing, Submission, SubmissionState
from bridge.errors import Conflict, Incomplete, Unsupported
from bridge.flows.attach_images import check_shown
from bridge.flows.serve_packet import not_ready
from bridge.leaving.packet_pictures import MOST_PICTURES
from bridge.leaving.payer_ways import PayerWay, Sendable, collect_sendable
from bridge.outbox import enqueue
from bridge.store import (
    audit,
    authorizations,
    events,
    evidence_requests,
    packets,
    patients,
    rejections,
    studies,
    submissions,
)
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.events import Event, Station


@dataclass(frozen=True, slots=True)
class Release:
    """
    What a person says when it is let go.

    version: of the packet that was looked at, 0 for the newest; content: the digest of what is said beside it, "" for whatever it is.
    """

    reason: str
    actor: str
    version: int = 0
    origin: str = ""
    content: str = ""


class PayerReleases:
    """Lets evidence go to payers. ways: those that the settings lead to."""

    def __init__(self, store: Store, clock: Clock, ways: Sequence[PayerWay]) -> None:
        self._store = store
        self._clock = clock
        self._ways = {one.kind: one for one in ways}

    def reaches(self, tx: ReadTx, authorization_key: int) -> tuple[AttachmentKind, ...]:
        """Return the ways that lead to the payer of an authorization."""
        authorization = authorizations.get(tx, authorization_key)
        return tuple(kind for kind, way in self._ways.items() if way.place_of(authorization))

    def outgoing(self, tx: ReadTx, authorization_key: int, attachment_key: int) -> tuple[Sendable, Outgoing]:
        """
        Return exactly what would leave, if it were released now.

        Raises: LookupError; Conflict, if it must not leave; Unsupported, where no way leads to its payer; Unavailable,
        before its packet is made.
        """
        attachment = _to_payer(tx, authorization_key, attachment_key)
        if attachment.state == AttachmentState.REVIEW:
            raise Conflict(attachment.detail or "the attachment is in review", code="attachment_in_review")
        packet = packets.newest(tx, attachment_key)
        if packet is None:
            raise Conflict(attachment.detail, code="packet_failed") if attachment.detail else not_ready()
        found = collect_sendable(tx, attachment, packet, self._asked(tx, attachment))
        check_attach(found.study, found.patient.key)
        return found, self._way_of(found).outgoing(tx, found)

    def release(self, authorization_key: int, attachment_key: int, said: Release) -> ClaimAttachment:
        """
        Let a draft go to its payer.

        Raises: LookupError; Conflict, if it is no draft, its study's binding changed since, it is more than is needed, or too
        large for its payer; Incomplete, without reason, or while something is missing that the payer requires; Unsupported,
        where no way leads to its payer; Unavailable, before its packet is made.
        """
        require_reason(said.reason)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            attachment = authorizations.get_attachment(tx, attachment_key)
            if attachment.authorization_key != authorization_key:
                raise LookupError("no such attachment")
            _check_draft(tx, attachment)
            found, outgoing = self.outgoing(tx, authorization_key, attachment_key)
            _check_packet(tx, found, said.version)
            _check_outgoing(outgoing, said.content)
            release = _submission(found, outgoing, said, now)
            key = submissions.add(tx, release, now)
            self._ways[attachment.kind].keep(tx, found, replace(release, key=key))
            authorizations.set_attachment_state(tx, attachment_key, AttachmentState.RELEASED, now)
            work = enqueue.of_attachment(self._ways[attachment.kind].topic, outgoing.to, attachment)
            enqueue.enqueue(tx, work, now)
            for one in evidence_requests.with_repetitions(tx, found.request.key) if found.request is not None else ():
                enqueue.enqueue(tx, enqueue.evidence_request(one.payer, one.key), now)
            self._record(tx, found, outgoing, said, key)
            return authorizations.get_attachment(tx, attachment_key)

    def _record(self, tx: WriteTx, found: Sendable, outgoing: Outgoing, said: Release, key: int) -> None:
        now, attachment = self._clock.now(), found.attachment
        detail = {"attachment": attachment.key, "as": attachment.kind.value, "submission": key, "to": outgoing.to}
        detail |= {"version": found.packet.version, "control_number": found.control_number}
        audit.add(
            tx,
            at=now,
            action="attachment_released",
            actor=said.actor,
            origin=said.origin,
            patient_key=found.study.patient_key,
            study_key=found.study.key,
            detail=detail | {"purpose_of_use": outgoing.purpose_of_use, "reason": said.reason},
        )
        what = f"Released to {outgoing.to} for authorization {found.authorization.name}, packet version {found.packet.version}"
        _tell(tx, found, what, said.actor, self._clock)

    def settle_unclear(
        self, authorization_key: int, attachment_key: int, *, is_there: bool, said: Release
    ) -> ClaimAttachment:
        """
        Note what a person found out at the payer of something that may be there: it is, or it is sent again.

        Raises: LookupError; Conflict, if there is no doubt; Incomplete without reason.
        """
        require_reason(said.reason, "say who told you, or where you saw it")
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            attachment = _to_payer(tx, authorization_key, attachment_key)
            standing = submissions.newest(tx, attachment_key)
            if standing is None or standing.state != SubmissionState.UNCLEAR:
                raise Conflict("nothing is in doubt about it", code="not_unclear")
            found = collect_sendable(tx, attachment, packets.get(tx, standing.packet_key))
            if is_there:
                detail = f"{said.actor} says that it is there: {said.reason}"
                submissions.set_state(tx, standing.key, SubmissionState.ACCEPTED, now, detail)
                submissions.attachment_left(tx, attachment_key, standing.control_number, "", now)
                _note_answered(tx, standing, now)
            else:
                _not_there(tx, standing, found, now)
            work = enqueue.of_attachment(self._ways[attachment.kind].topic, standing.destination, attachment)
            enqueue.enqueue(tx, work, now)
            audit.add(
                tx,
                at=now,
                action="submission_settled",
                actor=said.actor,
                origin=said.origin,
                patient_key=found.study.patient_key,
                study_key=found.study.key,
                detail={"submission": standing.key, "is_there": is_there, "reason": said.reason},
            )
            end = "is there" if is_there else "is not there, and is sent again"
            what = f"What was sent to {standing.destination} for authorization {found.authorization.name} {end}: {said.reason}"
            _tell(tx, found, what, said.actor, self._clock)
            return authorizations.get_attachment(tx, attachment_key)

    def _asked(self, tx: ReadTx, attachment: ClaimAttachment) -> EvidenceRequest | None:
        """Return what the payer asked for that this would answer: the open request of its authorization that is due first."""
        way = self._ways.get(attachment.kind)
        if attachment.kind != AttachmentKind.CDEX or way is None:
            return None
        place = way.place_of(authorizations.get(tx, attachment.authorization_key), attachment.payer)
        asked = evidence_requests.of_authorization(tx, attachment.authorization_key)
        waiting = [one for one in asked if one.state == AskState.OPEN and one.payer == place]
        first = min(waiting, key=lambda one: (one.due_at is None, one.due_at or self._clock.now()), default=None)
        return evidence_requests.whole(tx, first.key) if first is not None else None

    def _way_of(self, found: Sendable) -> PayerWay:
        """Return the way of an attachment. Raises: Unsupported, where none leads to its payer."""
        way = self._ways.get(found.attachment.kind)
        if way is None or not way.place_of(found.authorization, found.attachment.payer):
            what = f"no payer in the settings takes this authorization's evidence by {found.attachment.kind.value}"
            raise Unsupported(what, code="no_way", where="as")
        return way


def _to_payer(tx: ReadTx, authorization_key: int, attachment_key: int) -> ClaimAttachment:
    """Return an attachment that goes to a payer. Raises: LookupError."""
    attachment = authorizations.get_attachment(tx, attachment_key)
    if attachment.authorization_key != authorization_key or attachment.kind not in TO_PAYER:
        raise LookupError("no such attachment")
    return attachment


def _check_draft(tx: ReadTx, attachment: ClaimAttachment) -> None:
    """Refuse what is no draft, or whose study's binding is not the one it was attached under. Raises: Conflict."""
    if attachment.state != AttachmentState.DRAFT:
        raise Conflict(f"the attachment is {attachment.state.value}, not a draft", code="not_a_draft")
    study = studies.get(tx, attachment.study_key)
    if not study.is_bound or study.binding_version != attachment.binding_version:
        raise Conflict("the study's patient was decided anew since: look again", code="binding_changed")
    authorization = authorizations.get(tx, attachment.authorization_key)
    check_attach(study, patients.survivor(tx, authorization.patient_key).key)
    check_shown(tx, study, attachment.instances)
    unclear = submissions.newest(tx, attachment.key)
    if unclear is not None and unclear.state in (SubmissionState.SENDING, SubmissionState.UNCLEAR):
        raise Conflict("nobody knows yet whether the payer has what was sent before: settle that first", code="unclear")


def _check_packet(tx: ReadTx, found: Sendable, looked_at: int) -> None:
    """Refuse a packet that is not the one that was looked at, rests on another binding, or is the whole study. Raises: Conflict."""
    packet = found.packet
    if packet.binding_version != found.study.binding_version:
        raise Conflict("the study was bound or corrected since; its packet is made anew", code="binding_changed")
    if looked_at and looked_at != packet.version:
        raise Conflict(
            "a newer version of the packet was made since you looked: look at it first", code="packet_changed"
        )
    shown = len(rejections.shown_uids(tx, found.study.key))
    if packet.pictures > MOST_PICTURES and packet.pictures >= shown:
        raise Conflict(
            f"it would hold every one of the study's {shown} images: choose the ones that the payer needs",
            code="more_than_necessary",
            where="instances",
        )


def _check_outgoing(outgoing: Outgoing, looked_at: str) -> None:
    """Refuse what is not what was looked at, not whole, or larger than its payer takes. Raises: Incomplete, Conflict."""
    if looked_at and looked_at != outgoing.digest:
        raise Conflict("what would leave has changed since you looked: look at it first", code="content_changed")
    if outgoing.lacks:
        raise Incomplete("; ".join(outgoing.lacks), code="missing", where="authorization")
    if outgoing.document_bytes > outgoing.limit_bytes:
        what = (
            f"the PDF has {outgoing.document_bytes} bytes, {outgoing.to} takes {outgoing.limit_bytes}: "
            "choose fewer images and attach them again"
        )
        raise Conflict(what, code="packet_too_large", where="instances")


def _submission(found: Sendable, outgoing: Outgoing, said: Release, at: datetime) -> Submission:
    return Submission(
        key=0,
        attachment_key=found.attachment.key,
        packet_key=found.packet.key,
        destination=outgoing.to,
        control_number=outgoing.control_number,
        purpose_of_use=outgoing.purpose_of_use,
        reason=said.reason,
        released_by=said.actor,
        released_at=at,
        evidence_request_key=found.request.key if found.request is not None else None,
        content_digest=outgoing.digest,
    )


def _not_there(tx: WriteTx, standing: Submission, found: Sendable, at: datetime) -> None:
    """It is sent again, unless it is to be looked at anew: then it is a draft."""
    detail, attachment = "a person says that it is not there", found.attachment
    is_waiting = attachment.state in (AttachmentState.RELEASED, AttachmentState.FAILED)
    is_same = found.packet.binding_version == found.study.binding_version
    state = SubmissionState.READY if is_waiting and is_same else SubmissionState.TAKEN_BACK
    submissions.set_state(tx, standing.key, state, at, detail)
    if is_waiting and not is_same:
        detail = f"{detail}; the study was bound or corrected anew since: look again"
        authorizations.set_attachment_state(tx, attachment.key, AttachmentState.DRAFT, at, detail=detail)
        enqueue.enqueue(tx, enqueue.packet_of(attachment), at)


def _note_answered(tx: WriteTx, standing: Submission, at: datetime) -> None:
    """The payer has what it asked for: its Tasks are told."""
    asked = standing.evidence_request_key
    for one in evidence_requests.with_repetitions(tx, asked) if asked is not None else ():
        evidence_requests.settle(tx, one.key, AskState.ANSWERED)
        enqueue.enqueue(tx, enqueue.evidence_request(one.payer, one.key), at)


def _tell(tx: WriteTx, found: Sendable, what: str, actor: str, clock: Clock) -> None:
    source = ("authorization", str(found.authorization.key))
    line = Event(clock.now(), Station.AUTHORIZATION, what, actor, *source, found.study.order_key, found.study.key)
    events.add(tx, line)
