"""A rejection note goes on to the archives that have what it rejects: they know what to do with it. Source: IHE RAD TF-3 4.66.

It goes while the study is held, too, with the identity that its images went there with: another one would not meet them.
"""

from __future__ import annotations

from datetime import datetime

from bridge.domain.incident import SHOW_AGAIN
from bridge.domain.overlay import Overlay
from bridge.domain.rejection import RejectionState
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, NotYet
from bridge.publishers.archive_store import (
    ArchiveParcel,
    ArchiveReceipt,
    ArchiveStorePublisher,
    ArchiveStowPublisher,
    StudySender,
)
from bridge.store import incidents, overlays, rejections, studies
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery


class _NoteSender(StudySender):
    """Sends notes the way that its archives are sent studies."""

    topic = enqueue.REJECTION

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> ArchiveParcel | NotYet | Hold | Nothing:
        """Collect the note, and what lay over the images when they went there."""
        key = enqueue.rejection_in(delivery)
        if key is None or delivery.study_key is None:
            return Nothing("it names no rejection")
        rejection = rejections.get(tx, key)
        if rejection.state not in (RejectionState.APPLIED, RejectionState.OVERRULED):
            return Nothing(f"the rejection is {rejection.state.value.replace('_', ' ')}")
        sent_under = rejections.holders(tx, key).get(delivery.destination)
        if sent_under is None:
            return Nothing("nothing that was rejected is there")
        study = studies.get(tx, delivery.study_key)
        note = studies.instance_by_uid(tx, rejection.sop_instance_uid)
        if note is None:
            return Nothing("the note is not kept")
        version = next((one for one in overlays.of_study(tx, study.key) if one.binding_version == sent_under), None)
        layers = version.layers if version is not None else ()
        overlay = Overlay(study.key, study.binding_version, sent_under, layers)
        uid = studies.get(tx, note.study_key).study_instance_uid
        return ArchiveParcel(delivery, study.key, study.binding_version, uid, (note,), overlay)

    def settled(self, tx: WriteTx, parcel: ArchiveParcel, receipt: ArchiveReceipt, at: datetime) -> None:
        """Tell the timeline that the archive knows; of a rejection that counts no more by now a person must take it back there."""
        if receipt.fault is not None or receipt.held:
            return
        self._tell(tx, parcel.delivery, "Told which of its images were rejected", at)
        key = enqueue.rejection_in(parcel.delivery)
        stands = key is not None and rejections.get(tx, key).state == RejectionState.APPLIED
        if not stands and parcel.study_key is not None:
            incidents.open_task(tx, parcel.study_key, parcel.delivery.destination, SHOW_AGAIN, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Tell the timeline of a note that an archive does not take: a person must reject there by hand."""
        if is_dead:
            self._tell(
                tx, delivery, f"Not told which of its images were rejected, reject them there by hand: {detail}", at
            )


class RejectionStorePublisher(_NoteSender, ArchiveStorePublisher):
    """Sends notes over DICOM."""


class RejectionStowPublisher(_NoteSender, ArchiveStowPublisher):
    """Sends notes by STOW-RS."""
