"""What a packet holds beside its study may turn out to be another person's: it is made anew, let go again, or asked back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bridge.domain.adt_events import IdentityChange
from bridge.domain.attachment import HAS_PACKET, TO_PAYER, AttachmentKind, ClaimAttachment
from bridge.domain.authorization import Authorization
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.flows.draft_again import take_release_back
from bridge.flows.follow_evidence import facts_changed, follows_evidence
from bridge.leaving.packet_holdings import others_in
from bridge.outbox import enqueue
from bridge.store import authorizations, packets, patients, submissions
from bridge.store.db import WriteTx, lock
from bridge.store.merges import Merge
from bridge.store.packets import KeptPacket


def identity_changed(tx: WriteTx, entry: Merge, rules: ReconcileRules, at: datetime) -> None:
    """Records became one, or a number or a visit is another's: what is known of them goes along in their packets, or no more."""
    if entry.kind == IdentityChange.MERGE:
        facts_changed(tx, entry.survivor_key, at)
    else:
        people_parted(tx, (entry.retired_key, entry.survivor_key), rules, at)


def people_parted(tx: WriteTx, patient_keys: Iterable[int], rules: ReconcileRules, at: datetime) -> None:
    """What was one person's is another's: packets that hold such a thing do not leave, and are asked back where they did."""
    for patient_key in dict.fromkeys(patients.survivor(tx, one).key for one in patient_keys):
        theirs = [patient_key, *patients.merged_into(tx, patient_key)]
        for key in dict.fromkeys(one.authorization_key for one in authorizations.attachments_of_people(tx, theirs)):
            follow_holdings(tx, authorizations.get(tx, key), patient_key, rules, at)
        facts_changed(tx, patient_key, at)


def follow_holdings(tx: WriteTx, one: Authorization, owner: int, rules: ReconcileRules, at: datetime) -> None:
    """
    Look at what the packets of an authorization hold: reports, notes, results and prior studies. owner: its live patient.

    One that holds another person's is made anew and released anew before it leaves; of one that has left, or may have, a
    person asks its payer to withdraw it.
    """
    attached = [each for each in authorizations.attachments_of(tx, one.key) if each.kind in HAS_PACKET]
    if attached:
        lock(tx, "identity")
    for attachment in attached:
        versions = packets.versions(tx, attachment.key)
        others = {each.key: others_in(tx, each.holds, owner, rules) for each in versions}
        if any(others.values()):
            _ask_back(tx, attachment, versions, others, at)
            _make_anew(tx, attachment, versions[0], others, at)


def _ask_back(
    tx: WriteTx, attachment: ClaimAttachment, versions: Sequence[KeptPacket], others: Mapping[int, str], at: datetime
) -> None:
    """Ask a person to have withdrawn what left with something of another person in it."""
    for release in submissions.may_be_there(tx, attachment.key):
        if others.get(release.packet_key):
            why = f"that holds {others[release.packet_key]} of another person"
            submissions.ask_to_withdraw(tx, release, attachment.study_key, why, at)
    for one in versions if attachment.kind == AttachmentKind.PDF else ():
        if others[one.key]:
            packets.ask_to_find(tx, one, attachment, f"holds {others[one.key]} of another person", at)


def _make_anew(
    tx: WriteTx, attachment: ClaimAttachment, newest: KeptPacket, others: Mapping[int, str], at: datetime
) -> None:
    """Have the next version made, and a person look at it, before anything leaves."""
    held = others[newest.key]
    if not held or any(one.packet_key == newest.key for one in submissions.may_be_there(tx, attachment.key)):
        return
    packets.put_in_question(tx, newest.key)
    if attachment.kind in TO_PAYER:
        attachment = take_release_back(tx, attachment, f"it held {held} of another person: look again", at)
    if follows_evidence(attachment):
        enqueue.enqueue(tx, enqueue.packet_of(attachment), at)
