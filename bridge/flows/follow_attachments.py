"""What is attached to authorizations follows its study, its images and the authorization itself: held, asked back, freed.

Whoever changes one of them calls this in the same transaction. claims: the FHIR servers that take studies on Claims.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.attachment import HAS_PACKET, AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.study import Study
from bridge.flows.draft_again import draft_again
from bridge.flows.follow_evidence import follows_evidence
from bridge.outbox import enqueue
from bridge.outbox.enqueue import CLAIM
from bridge.store import authorizations, events, overlays, packets, patients, rejections, studies, submissions
from bridge.store.db import ReadTx, WriteTx
from bridge.store.events import Event, Station
from bridge.store.packets import KeptPacket

_NOT_SHOWN = "images on it were rejected, or split off"


def attachment_ready(
    tx: WriteTx, attachment: ClaimAttachment, claims: Sequence[str], at: datetime, next_at: datetime | None = None
) -> None:
    """An attachment may go to the clinic's own servers, or its packet is to be put together, as its kind says."""
    work = [enqueue.packet_of(attachment)] if attachment.kind in HAS_PACKET else []
    if attachment.kind == AttachmentKind.CLAIM:
        work = [enqueue.of_attachment(CLAIM, server, attachment) for server in claims]
    for one in work:
        enqueue.enqueue(tx, one, at, next_at)


def hold_attachments(tx: WriteTx, study: Study, at: datetime) -> None:
    """A study is bound to nobody any more: nothing of it leaves, and what left is asked back."""
    for attachment in authorizations.attachments_of_study(tx, study.key):
        _hold(tx, attachment, study, "the study's patient is in question", at)


def recheck_attachments(tx: WriteTx, study: Study, claims: Sequence[str], at: datetime) -> None:
    """
    An attachment follows its bound study to the same person's survivor; another person's authorization loses it.

    One that rests on images which were rejected or split off since goes before a person.
    """
    attached = authorizations.attachments_of_study(tx, study.key)
    _Recheck(study, "the study is another patient's now", claims, at).of(tx, attached)


def claims_follow_chart(tx: WriteTx, study: Study, claims: Sequence[str], at: datetime) -> None:
    """A person took a study out of the charts, or let it back: the Claims that name it are looked at again."""
    for attachment in authorizations.attachments_of_study(tx, study.key):
        if attachment.kind == AttachmentKind.CLAIM and attachment.state != AttachmentState.REVIEW:
            attachment_ready(tx, attachment, claims, at)


def authorizations_moved(tx: WriteTx, patient_keys: Iterable[int], claims: Sequence[str], at: datetime) -> None:
    """Authorizations came to these people, or left them, and what is attached to them did not come along."""
    owners = [patients.survivor(tx, key).key for key in dict.fromkeys(patient_keys)]
    records = {one for owner in owners for one in (owner, *patients.merged_into(tx, owner))}
    attached: dict[int, list[ClaimAttachment]] = {}
    for one in authorizations.attachments_of_people(tx, sorted(records)):
        attached.setdefault(one.study_key, []).append(one)
    for study_key, theirs in attached.items():
        study = studies.get(tx, study_key)
        if study.is_bound:
            _Recheck(study, "its authorization is another patient's now", claims, at).of(tx, theirs)


@dataclass(frozen=True, slots=True)
class _Recheck:
    """A look at what a bound study is attached to. why: what is said where its patient is not the authorization's."""

    study: Study
    why: str
    claims: Sequence[str]
    at: datetime

    def of(self, tx: WriteTx, attached: Sequence[ClaimAttachment]) -> None:
        """Hold what must not leave, free what may again, and make a packet anew that follows what is here."""
        study, at = self.study, self.at
        shown = rejections.shown_uids(tx, study.key) if attached else set()
        is_emptied = not shown and bool(attached) and rejections.leaves_nothing(tx, study.key)
        for attachment in attached:
            _ask_for_taken_out(tx, attachment, shown, at)
            if not _is_of_its_patient(tx, attachment, study):
                _hold(tx, attachment, study, self.why, at)
            elif is_emptied:
                _hold(tx, attachment, study, _NOT_SHOWN, at)
            elif why := _rests_on_others(tx, attachment, study, shown, at):
                _hold(tx, attachment, study, why, at, recalled=False)
            elif attachment.state == AttachmentState.REVIEW:
                _free(tx, attachment, self.claims, at)
            elif follows_evidence(draft_again(tx, attachment, study, at)):
                attachment_ready(tx, attachment, self.claims, at)


def _ask_for_taken_out(tx: WriteTx, attachment: ClaimAttachment, shown: Collection[str], at: datetime) -> None:
    """Have the PDFs looked for that people took out, and that show images which are not *shown* any more."""
    for one in packets.versions(tx, attachment.key) if attachment.kind == AttachmentKind.PDF else ():
        if not set(one.instances) <= set(shown):
            packets.ask_to_find(tx, one, attachment, _NOT_SHOWN, at)


def _is_of_its_patient(tx: ReadTx, attachment: ClaimAttachment, study: Study) -> bool:
    on = authorizations.get(tx, attachment.authorization_key)
    return study.patient_key == patients.survivor(tx, on.patient_key).key


def _rests_on_others(
    tx: WriteTx, attachment: ClaimAttachment, study: Study, shown: Collection[str], at: datetime
) -> str:
    """
    Return why an attachment goes before a person though its study is its authorization's patient's, "" if it does not.

    It rests on images that are not *shown* any more, by choice or in what left of it; or it left as another patient's. What
    a payer has, or may have, of that is to be withdrawn there. A draft is of now, and what it was sent since takes its place.
    """
    left = submissions.may_be_there(tx, attachment.key)
    why = {one.key: _why_stale(tx, packets.get(tx, one.packet_key), study, shown) for one in left}
    for one in left:
        if why[one.key]:
            submissions.ask_to_withdraw(tx, one, study.key, why[one.key], at)
    stands = left[0].key if left and attachment.state != AttachmentState.DRAFT else None
    return why.get(stands or 0) or ("" if set(attachment.instances) <= set(shown) else _NOT_SHOWN)


def _why_stale(tx: ReadTx, packet: KeptPacket, study: Study, shown: Collection[str]) -> str:
    """Return why a packet says what is not so any more, "" if it may stand where it is."""
    if not set(packet.instances) <= set(shown):
        return _NOT_SHOWN
    versions = (one for one in overlays.of_study(tx, study.key) if one.binding_version == packet.binding_version)
    was = next((one.patient_key for one in versions if one.patient_key is not None), None)
    if was is not None and patients.survivor(tx, was).key != study.patient_key:
        return "it names another patient than the study's"
    return ""


def _hold(
    tx: WriteTx, attachment: ClaimAttachment, study: Study, why: str, at: datetime, *, recalled: bool = True
) -> None:
    """
    Let an attachment leave no more; of one that has left already the claim's owner is told that it had.

    recalled: whatever its payers have of it is to be withdrawn there.
    """
    enqueue.hold_attachment(tx, attachment.key, why, at)
    at_payers = submissions.may_be_there(tx, attachment.key)
    had_left = authorizations.had_left(tx, attachment.key) or packets.was_opened(tx, attachment.key) or bool(at_payers)
    detail = f"had already been sent: {why}" if had_left else why
    authorizations.hold_attachment(tx, attachment.key, detail, at)
    for one in at_payers if recalled else ():
        submissions.ask_to_withdraw(tx, one, study.key, why, at)
    if had_left and attachment.detail != detail:
        on = authorizations.get(tx, attachment.authorization_key)
        what = f"What {attachment.attached_by} put on authorization {on.number} {detail}"
        source = ("authorization", str(on.key))
        line = Event(at, Station.AUTHORIZATION, what, study.decided_by, *source, on.order_key, study.key)
        events.add(tx, line)


def _free(tx: WriteTx, attachment: ClaimAttachment, claims: Sequence[str], at: datetime) -> None:
    """A draft is a draft again: what a payer gets, a person releases."""
    freed = submissions.free_held(tx, attachment.key, at)
    if freed is not None:
        enqueue.release_attachment(tx, attachment.key, at)
        if freed == AttachmentState.DRAFT:
            attachment_ready(tx, attachment, claims, at)
        return
    if authorizations.free_attachment(tx, attachment.key, at) == AttachmentState.RELEASED:
        enqueue.release_attachment(tx, attachment.key, at)
        attachment_ready(tx, attachment, claims, at)
