"""A packet is looked at again when what it holds may have changed; what a change cannot concern is left alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bridge.domain.attachment import HAS_PACKET, TO_PAYER, AttachmentState, ClaimAttachment
from bridge.domain.authorization import CLOSED
from bridge.domain.study import Study
from bridge.outbox import enqueue
from bridge.store import (
    authorization_links,
    authorizations,
    news,
    orders,
    overlays,
    patients,
    studies,
)
from bridge.store.db import ReadTx, WriteTx


def follows_evidence(attachment: ClaimAttachment) -> bool:
    """Say whether a packet is made anew when what it holds changes: not once a person has let it go."""
    if attachment.kind in TO_PAYER:
        return attachment.state == AttachmentState.DRAFT
    return attachment.kind in HAS_PACKET and attachment.state != AttachmentState.REVIEW


def reports_changed(tx: WriteTx, order_key: int, at: datetime) -> None:
    """A report on an exam is not as it was: its person's packets, which hold it or list its study, are looked at again."""
    for attachment in _open_packets(tx, {orders.get(tx, order_key).patient_key}, at):
        enqueue.enqueue(tx, enqueue.packet_of(attachment), at)


def facts_changed(tx: WriteTx, patient_key: int, at: datetime) -> None:
    """A result or a note of a person is not as it was: what payers ask to see of it, and its packets, are looked at again."""
    owner = patients.survivor(tx, patient_key).key
    authorization_links.look_at_patient(tx, [owner, *patients.merged_into(tx, owner)], at)
    for attachment in _open_packets(tx, {owner}, at):
        enqueue.enqueue(tx, enqueue.packet_of(attachment), at)


def prior_changed(tx: WriteTx, study: Study, at: datetime) -> None:
    """
    A study is another patient's, another order's or of another day: packets of what it is prior to, or was, are looked at again.

    So are those of the authorizations that it is attached to, which hold its order's reports.
    """
    versions = overlays.of_study(tx, study.key)
    people = {one.patient_key for one in versions} | {study.patient_key}
    changes = [one for version in versions for one in version.changes if one.keyword == "StudyDate"]
    first = min({study.received.study_date, *(day for one in changes for day in (one.before, one.after))})
    theirs = {one.authorization_key for one in authorizations.attachments_of_study(tx, study.key)}
    for attachment in _open_packets(tx, {key for key in people if key is not None}, at):
        if attachment.authorization_key in theirs or _is_of(tx, attachment, first):
            enqueue.enqueue(tx, enqueue.packet_of(attachment), at)


def asked_changed(tx: WriteTx, authorization_key: int, at: datetime) -> None:
    """A payer asks for something, or for it no more: its checklist changes, and what packets hold."""
    news.look_at(tx, news.AUTHORIZATION, authorization_key, at)
    for attachment in authorizations.attachments_of(tx, authorization_key):
        if follows_evidence(attachment):
            enqueue.enqueue(tx, enqueue.packet_of(attachment), at)


def _is_of(tx: ReadTx, attachment: ClaimAttachment, since: str) -> bool:
    """Say whether an attached study is of that day or later, or nobody knows of which."""
    study = studies.get(tx, attachment.study_key)
    day = overlays.current(tx, study).values.get("StudyDate", study.received.study_date)
    return not day or day >= since


def _open_packets(tx: WriteTx, patient_keys: Iterable[int], at: datetime) -> list[ClaimAttachment]:
    """Return the attachments of these people, past merges, whose packets follow what is here; have what left looked at, too."""
    keys = sorted({patients.survivor(tx, one).key for one in patient_keys})
    every = [[key, *patients.merged_into(tx, key)] for key in keys]
    found = [one for theirs in every for one in authorizations.attachments_of_people(tx, theirs)]
    for key in sorted({one.authorization_key for one in found}):
        news.look_at(tx, news.AUTHORIZATION, key, at)
    over = {key for key in {one.authorization_key for one in found} if authorizations.get(tx, key).status in CLOSED}
    return [one for one in found if follows_evidence(one) and one.authorization_key not in over]
