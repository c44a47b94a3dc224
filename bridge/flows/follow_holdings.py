"""What a packet holds beside its study may turn out to be another person's: it is made anew, let go again, or asked back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bridge.domain.attachment import HAS_PACKET, TO_PAYER, AttachmentKind, ClaimAttachment
from bridge.domain.authorization import Authorization
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.flows.draft_again import take_release_back
from bridge.flows.follow_evidence import follows_evidence
from bridge.leaving.packet_holdings import others_in
from bridge.outbox import enqueue
from bridge.store import authorizations, incidents, packets, studies, submissions
from bridge.store.db import WriteTx, lock
from bridge.store.packets import KeptPacket


def follow_holdings(tx: WriteTx, one: Authorization, owner: int, rules: ReconcileRules, at: datetime) -> None:
    """Look at the packets of an authorization, whose live patient is *owner*: reports, notes, results and prior studies in them."""
    attached = [each for each in authorizations.attachments_of(tx, one.key) if each.kind in HAS_PACKET]
    if attached:
        lock(tx, "identity")
    for attachment in attached:
        study = studies.get(tx, attachment.study_key)
        versions = packets.versions(tx, attachment.key)
        if not versions or not study.is_bound or study.patient_key != owner:
            continue
        others = {each.key: others_in(tx, each.holds, owner, rules) for each in versions}
        _ask_back(tx, attachment, versions, others, at)
        if others[versions[0].key]:
            _make_anew(tx, attachment, others[versions[0].key], at)


def _ask_back(
    tx: WriteTx, attachment: ClaimAttachment, versions: Sequence[KeptPacket], others: Mapping[int, str], at: datetime
) -> None:
    """Ask a person to have withdrawn what left with something of another person in it."""
    for release in submissions.may_be_there(tx, attachment.key):
        if others.get(release.packet_key):
            why = f"that holds {others[release.packet_key]} of another person"
            submissions.ask_to_withdraw(tx, release, attachment.study_key, why, at)
    taken_out = [one for one in versions if attachment.kind == AttachmentKind.PDF and one.opened_at is not None]
    for one in taken_out:
        place = f"packet version {one.version}"
        assert one.opened_at is not None
        if others[one.key] and not incidents.was_done(tx, attachment.study_key, place, one.opened_at):
            what = f"it was taken out, and holds {others[one.key]} of another person: find out who has it, and have it withdrawn"
            incidents.open_task(tx, attachment.study_key, place, what, at)


def _make_anew(tx: WriteTx, attachment: ClaimAttachment, others: str, at: datetime) -> None:
    """Have the next version made, and a person look at it, before anything leaves."""
    if attachment.kind in TO_PAYER:
        why = f"it held {others} of another person: look again"
        attachment = take_release_back(tx, attachment, why, at)
    if follows_evidence(attachment):
        enqueue.enqueue(tx, enqueue.packet_of(attachment), at)
