"""A bound study's objects go to the archives, each with the binding's identity, once for each binding.

What an archive took is noted object by object, also when the association broke on the way: the rest is what is owed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.domain.overlay import Overlay
from bridge.domain.study import Instance
from bridge.errors import BridgeError, Malformed, Refused, Unavailable, Unsupported
from bridge.leaving.objects import LeavingObject
from bridge.outbox import commitments, enqueue
from bridge.outbox.publisher import BINDING_CHANGED, Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.dicom_client import StoreResult, Target, store_files
from bridge.publishers.forwarding import Owed, Ways, owed_now
from bridge.store import events, publications
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station


@dataclass(frozen=True, slots=True)
class ArchiveParcel(Parcel):
    """What an archive is owed of a study, and what lies over each object."""

    instances: tuple[Instance, ...]
    overlay: Overlay
    later: datetime | None = None
    rank: int = 0


@dataclass(frozen=True, slots=True)
class ArchiveReceipt(Receipt):
    """The objects that the archive took: instance key and status."""

    taken: tuple[tuple[int, str], ...]


class ArchiveStorePublisher:
    """
    Stores to every peer with the role archive, by its AE title.

    calling_ae_title: ours. committing: those that are asked whether they keep what they took.
    """

    topic = enqueue.ARCHIVE

    def __init__(
        self,
        targets: Mapping[str, Target],
        calling_ae_title: str,
        blobs: Blobs,
        ways: Ways | None = None,
        committing: Collection[str] = (),
    ) -> None:
        self._targets = dict(targets)
        self._calling_ae_title = calling_ae_title
        self._blobs = blobs
        self._ways = ways or Ways()
        self._committing = frozenset(committing)

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> ArchiveParcel | NotYet | Hold | Nothing:
        """Collect what the place has not got with the present binding, as far as the routes send it there by now."""
        owed = owed_now(tx, delivery, self._ways, now)
        if not isinstance(owed, Owed):
            return owed
        study = owed.contents.study
        return ArchiveParcel(
            delivery, study.key, study.binding_version, owed.instances, owed.overlay, owed.later, owed.rank
        )

    def send(self, parcel: ArchiveParcel, still_wanted: StillWanted) -> ArchiveReceipt:
        """Send what is owed; an answer for each object is an answer, also when some are refused."""
        still_wanted()
        watch = _Watch(still_wanted)
        objects = [LeavingObject(self._blobs, one, parcel.overlay) for one in parcel.instances]
        target = self._targets[parcel.delivery.destination]
        results = store_files(target, self._calling_ae_title, objects, on_result=watch)
        receipt = _receipt(parcel, results, watch.held)
        return receipt if watch.fault is None else replace(receipt, fault=watch.fault)

    def settled(self, tx: WriteTx, parcel: ArchiveParcel, receipt: ArchiveReceipt, at: datetime) -> None:
        """Note what the archive has, and tell the timeline once all of it is there."""
        study_key = parcel.study_key
        if study_key is None:
            raise AssertionError("an archive parcel is about a study")
        taken = [(key, status, at) for key, status in receipt.taken]
        if parcel.later is not None:
            enqueue.look_again(tx, parcel.delivery, at, parcel.later)
        publications.put_forwards(tx, study_key, parcel.delivery.destination, parcel.binding_version, taken)
        if taken and parcel.delivery.destination in self._committing:
            commitments.ask(tx, parcel.delivery.destination, study_key, at)
        if receipt.fault is None and not receipt.held:
            self._tell(tx, parcel.delivery, receipt.detail, at)
        elif taken and receipt.fault is not None and receipt.fault.code == BINDING_CHANGED:
            self._tell(tx, parcel.delivery, f"{receipt.detail} before the study's patient came in question", at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Tell the timeline of a delivery that is given up."""
        if is_dead:
            self._tell(tx, delivery, f"not archived: {detail}", at)

    def _tell(self, tx: WriteTx, delivery: Delivery, what: str, at: datetime) -> None:
        source_id = str(delivery.key)
        events.add(
            tx,
            Event(at, Station.IMAGES, what, delivery.destination, "delivery", source_id, study_key=delivery.study_key),
        )


class _Watch:
    """
    Told each result; ends the transfer as soon as the study is not to be sent any more.

    held: why its corrections cannot be made, "" if they can.
    """

    def __init__(self, still_wanted: Callable[[], None]) -> None:
        self._still_wanted = still_wanted
        self.fault: BridgeError | None = None
        self.held = ""

    def __call__(self, result: StoreResult) -> bool:
        if result.fault is not None:
            self.held = f"the corrections cannot be made: {result.fault.detail}"
            return False
        try:
            self._still_wanted()
        except Unavailable as fault:
            self.fault = fault
        return self.fault is None


def _receipt(parcel: ArchiveParcel, results: Sequence[StoreResult], held: str) -> ArchiveReceipt:
    keys = {one.sop_instance_uid: one.key for one in parcel.instances}
    taken = tuple((keys[one.sop_instance_uid], f"{one.status or 0:04X}") for one in results if one.is_kept)
    warned = sum(1 for _, status in taken if status != "0000")
    detail = f"{len(taken)} of {len(parcel.instances)} objects stored" + (
        f", {warned} with a warning" if warned else ""
    )
    return ArchiveReceipt(detail, taken, fault=_fault_of(results, detail), held=held)


def _fault_of(results: Sequence[StoreResult], detail: str) -> BridgeError | None:
    """Return what the objects that were not taken mean together: later may work, as soon as it may for one of them."""
    refused = [one.status for one in results if not one.is_kept and one.fault is None]
    if not refused:
        return None
    if any(status is None or status == 0x0110 or 0xA700 <= status <= 0xA7FF for status in refused):
        return Unavailable(f"{detail}; the association or the archive failed", code="archive_unavailable")
    said = ", ".join(sorted({f"{status:04X}" for status in refused if status is not None}))
    if 0x0124 in refused:
        return Refused(f"{detail}; the archive answered {said}", code="archive_refused")
    if all(status == 0x0122 for status in refused):
        return Unsupported(f"{detail}; the archive answered {said}", code="archive_unsupported")
    return Malformed(f"{detail}; the archive answered {said}", code="archive_rejected")
