"""A bound study's objects go to the archives, each with the binding's identity, once for each binding.

What an archive took is noted object by object, also when the association broke on the way: the rest is what is owed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from bridge.clock import Clock
from bridge.codecs.dicom import overlay
from bridge.domain.study import Instance, OutgoingObject
from bridge.errors import BridgeError, Malformed, Refused, Unavailable, Unsupported
from bridge.outbox import enqueue
from bridge.outbox.publisher import BINDING_CHANGED, Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.dicom_client import StoreResult, Target, store_files
from bridge.store import decisions, events, publications, studies
from bridge.store.blobs import FolderBlobs
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station

# Corrected copies that lie on the disk at once: they cost as much room as their originals.
_COPIES = 200


@dataclass(frozen=True, slots=True)
class ArchiveParcel(Parcel):
    """What an archive is owed of a study, and the corrections that each object leaves with (keyword to value)."""

    instances: tuple[Instance, ...]
    corrections: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ArchiveReceipt(Receipt):
    """The objects that the archive took: instance key and status."""

    taken: tuple[tuple[int, str], ...]


class ArchiveStorePublisher:
    """
    Stores to every peer with the role archive, by its AE title.

    calling_ae_title: ours. modifying_system: what corrected copies name as their corrector.
    """

    topic = enqueue.ARCHIVE

    def __init__(
        self,
        targets: Mapping[str, Target],
        calling_ae_title: str,
        blobs: FolderBlobs,
        clock: Clock,
        modifying_system: str = "Imaging Bridge",
    ) -> None:
        self._targets = dict(targets)
        self._calling_ae_title = calling_ae_title
        self._blobs = blobs
        self._clock = clock
        self._modifying_system = modifying_system

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> ArchiveParcel | NotYet | Hold | Nothing:
        """Collect what the archive has not got with the present binding."""
        if delivery.study_key is None:
            return Nothing("it names no study")
        contents = studies.contents(tx, delivery.study_key)
        study = contents.study
        if not study.is_bound:
            return Hold("the study is not bound to a patient")
        owed = set(publications.owed_instances(tx, study.key, delivery.destination, study.binding_version))
        instances = tuple(one for group in contents.instances.values() for one in group if one.key in owed)
        if not instances:
            return Nothing("the archive has everything")
        corrections = decisions.corrections(tx, study)
        return ArchiveParcel(delivery, study.key, study.binding_version, instances, corrections)

    def send(self, parcel: ArchiveParcel, still_wanted: StillWanted) -> ArchiveReceipt:
        """Send what is owed; an answer for each object is an answer, also when some are refused."""
        still_wanted()
        watch = _Watch(still_wanted)
        results: list[StoreResult] = []
        held = ""
        for batch in _batches(parcel.instances, _COPIES if parcel.corrections else len(parcel.instances)):
            try:
                with self._outgoing(batch, parcel.corrections) as files:
                    results += self._store(parcel, files, watch, is_first=not results)
            except (Malformed, Unsupported) as fault:
                held = f"the corrections cannot be made: {fault.detail}"
                break
            if watch.fault is not None:
                break
            if len(results) < len(parcel.instances) and any(one.status is None for one in results):
                break
        receipt = _receipt(parcel, results, held)
        return receipt if watch.fault is None else replace(receipt, fault=watch.fault)

    def settled(self, tx: WriteTx, parcel: ArchiveParcel, receipt: ArchiveReceipt, at: datetime) -> None:
        """Note what the archive has, and tell the timeline once all of it is there."""
        study_key = parcel.study_key
        if study_key is None:
            raise AssertionError("an archive parcel is about a study")
        taken = [(key, status, at) for key, status in receipt.taken]
        publications.put_forwards(tx, study_key, parcel.delivery.destination, parcel.binding_version, taken)
        if receipt.fault is None and not receipt.held:
            self._tell(tx, parcel.delivery, receipt.detail, at)
        elif taken and receipt.fault is not None and receipt.fault.code == BINDING_CHANGED:
            self._tell(tx, parcel.delivery, f"{receipt.detail} before the study's patient came in question", at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Tell the timeline of a delivery that is given up."""
        if is_dead:
            self._tell(tx, delivery, f"not archived: {detail}", at)

    def _store(
        self, parcel: ArchiveParcel, files: Sequence[OutgoingObject], watch: _Watch, is_first: bool
    ) -> list[StoreResult]:
        target = self._targets[parcel.delivery.destination]
        try:
            return store_files(target, self._calling_ae_title, files, on_result=watch)
        except Unavailable as fault:
            if is_first:
                raise
            return [StoreResult(one.sop_instance_uid, None, fault.detail) for one in files]

    @contextmanager
    def _outgoing(self, batch: Sequence[Instance], corrections: Mapping[str, str]) -> Iterator[list[OutgoingObject]]:
        """Yield *batch* as files ready to leave; corrected copies are gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="leaving-", dir=self._blobs.spool) as folder:
            yield [self._as_it_leaves(one, corrections, Path(folder)) for one in batch]

    def _as_it_leaves(self, instance: Instance, corrections: Mapping[str, str], folder: Path) -> OutgoingObject:
        path = self._blobs.path_of(instance.blob)
        if corrections:
            copy = folder / f"{instance.key}.dcm"
            overlay.corrected_copy(
                path, copy, corrections, at=self._clock.now(), modifying_system=self._modifying_system
            )
            path = copy
        return OutgoingObject(path, instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)

    def _tell(self, tx: WriteTx, delivery: Delivery, what: str, at: datetime) -> None:
        source_id = str(delivery.key)
        events.add(
            tx,
            Event(at, Station.IMAGES, what, delivery.destination, "delivery", source_id, study_key=delivery.study_key),
        )


class _Watch:
    """Told each result; ends the transfer as soon as the study is not to be sent any more."""

    def __init__(self, still_wanted: Callable[[], None]) -> None:
        self._still_wanted = still_wanted
        self.fault: BridgeError | None = None

    def __call__(self, result: StoreResult) -> bool:
        try:
            self._still_wanted()
        except Unavailable as fault:
            self.fault = fault
        return self.fault is None


def _batches(instances: Sequence[Instance], size: int) -> Iterator[list[Instance]]:
    left = iter(instances)
    while batch := list(islice(left, size)):
        yield batch


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
    refused = [one.status for one in results if not one.is_kept]
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
