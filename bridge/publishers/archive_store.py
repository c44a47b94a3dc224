"""A bound study's objects go where its routes say, each with the binding's identity, once for each change of that.

What a place took is noted object by object while it is sent, also when the association breaks on the way: the rest is
what is owed. Archives and viewers are stored to over DICOM, DICOMweb archives by STOW-RS.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.domain.overlay import Overlay
from bridge.domain.study import Instance
from bridge.errors import BridgeError, Malformed, Refused, Unavailable, Unsupported
from bridge.leaving.objects import LeavingObject
from bridge.outbox import commitments, enqueue
from bridge.outbox.publisher import BINDING_CHANGED, Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.dicom_client import NOT_ACCEPTED, StoreResult, Target, Timeouts, store_files
from bridge.publishers.forwarding import Owed, Ways, owed_now
from bridge.publishers.stow_client import StowClient
from bridge.store import events, publications
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.events import Event, Station

# What a crash may send a second time: no more than a place takes in so long.
_NOTE_SECS = 2.0
_LONGEST_REST_SECS = 0.5
_REMOVED = "object_removed"
_PRIORITIES = {-1: 2, 0: 0, 1: 1}


@dataclass(frozen=True, slots=True)
class ArchiveParcel(Parcel):
    """What a place is owed of a study, and what lies over each object. later: when more of it may go. rank: how urgently."""

    study_instance_uid: str
    instances: tuple[Instance, ...]
    overlay: Overlay
    later: datetime | None = None
    rank: int = 0


@dataclass(frozen=True, slots=True)
class ArchiveReceipt(Receipt):
    """The objects that the place took and that are not noted yet: instance key and status. stored: how many in all."""

    taken: tuple[tuple[int, str], ...]
    stored: int = 0


class StudySender(ABC):
    """
    Sends studies to some places, whichever way; a subclass knows the way.

    bytes_per_second: how fast a place is sent to at most, 0 for as fast as it takes. committing: those that
    are asked whether they keep what they took.
    """

    topic = enqueue.ARCHIVE

    def __init__(
        self,
        blobs: Blobs,
        ways: Ways | None = None,
        bytes_per_second: Mapping[str, float] | None = None,
        committing: Collection[str] = (),
    ) -> None:
        self._blobs = blobs
        self._ways = ways or Ways()
        self._bytes_per_second = dict(bytes_per_second or {})
        self._committing = frozenset(committing)

    @property
    @abstractmethod
    def destinations(self) -> tuple[str, ...]: ...

    @abstractmethod
    def transmit(self, parcel: ArchiveParcel, objects: Sequence[LeavingObject], watch: Watch) -> None:
        """Send *objects*, telling *watch* each result, until it has had enough. Raises: Unavailable, Refused."""

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> ArchiveParcel | NotYet | Hold | Nothing:
        """Collect what the place has not got with the present binding, as far as the routes send it there by now."""
        owed = owed_now(tx, delivery, self._ways, now)
        if not isinstance(owed, Owed):
            return owed
        study = owed.contents.study
        return ArchiveParcel(
            delivery,
            study.key,
            study.binding_version,
            study.study_instance_uid,
            owed.instances,
            owed.overlay,
            owed.later,
            owed.rank,
        )

    def send(self, parcel: ArchiveParcel, still_wanted: StillWanted) -> ArchiveReceipt:
        """Send what is owed; an answer for each object is an answer, also when some are refused."""
        still_wanted()
        watch = Watch(parcel, still_wanted, self._bytes_per_second.get(parcel.delivery.destination, 0))
        objects = [LeavingObject(self._blobs, one, parcel.overlay) for one in parcel.instances]
        try:
            self.transmit(parcel, objects, watch)
        except BridgeError as fault:
            if not watch.results:
                raise
            watch.fault = watch.fault or fault
        if watch.fault is None and len(watch.results) < len(parcel.instances):
            watch.fault = Unavailable("not every object was answered", code="archive_unavailable")
        receipt = _receipt(parcel, watch)
        return receipt if watch.fault is None else replace(receipt, fault=watch.fault)

    def settled(self, tx: WriteTx, parcel: ArchiveParcel, receipt: ArchiveReceipt, at: datetime) -> None:
        """Note what the archive has, and tell the timeline once all of it is there."""
        _put(tx, parcel, receipt.taken, at)
        if parcel.later is not None:
            enqueue.look_again(tx, parcel.delivery, at, parcel.later)
        if receipt.stored and parcel.delivery.destination in self._committing:
            commitments.ask(tx, parcel.delivery.destination, _study_of(parcel), at)
        if receipt.fault is None and not receipt.held:
            self._tell(tx, parcel.delivery, receipt.detail, at)
        elif receipt.stored and receipt.fault is not None and receipt.fault.code == BINDING_CHANGED:
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


class ArchiveStorePublisher(StudySender):
    """
    Stores to archives, viewers and referrers over DICOM, by their AE titles.

    calling_ae_title: ours. timeouts: of those that are not as patient as all.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        calling_ae_title: str,
        blobs: Blobs,
        ways: Ways | None = None,
        committing: Collection[str] = (),
        *,
        bytes_per_second: Mapping[str, float] | None = None,
        timeouts: Mapping[str, Timeouts] | None = None,
    ) -> None:
        super().__init__(blobs, ways, bytes_per_second, committing)
        self._targets = dict(targets)
        self._calling_ae_title = calling_ae_title
        self._timeouts = dict(timeouts or {})

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def transmit(self, parcel: ArchiveParcel, objects: Sequence[LeavingObject], watch: Watch) -> None:
        """Send all of it in one association, more only where one has not contexts enough."""
        place = parcel.delivery.destination
        results = store_files(
            self._targets[place],
            self._calling_ae_title,
            objects,
            on_result=watch,
            timeouts=self._timeouts.get(place),
            priority=_PRIORITIES[parcel.rank],
        )
        watch.results += results[len(watch.results) :]


class ArchiveStowPublisher(StudySender):
    """Stores to DICOMweb archives, by their names."""

    def __init__(
        self,
        servers: Mapping[str, StowClient],
        blobs: Blobs,
        ways: Ways | None = None,
        bytes_per_second: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(blobs, ways, bytes_per_second)
        self._servers = dict(servers)

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._servers)

    def transmit(self, parcel: ArchiveParcel, objects: Sequence[LeavingObject], watch: Watch) -> None:
        """Send it in as few requests as are sensible."""
        server = self._servers[parcel.delivery.destination]
        server.store(parcel.study_instance_uid, objects, watch.check, watch)


class Watch:
    """
    Told each result: notes what was taken, keeps the pace, and ends the transfer once the study is not to be sent any more.

    fault: why it ended.
    """

    def __init__(self, parcel: ArchiveParcel, still_wanted: StillWanted, bytes_per_second: float) -> None:
        self.fault: BridgeError | None = None
        self.results: list[StoreResult] = []
        self.unnoted: list[tuple[int, str]] = []
        self._parcel = parcel
        self._still_wanted = still_wanted
        self._bytes_per_second = bytes_per_second
        self._instances = {one.sop_instance_uid: one for one in parcel.instances}
        self._started = self._noted_at = time.monotonic()
        self._bytes = 0

    @property
    def stored(self) -> int:
        return sum(1 for one in self.results if one.is_kept)

    def check(self) -> None:
        """Raises: Unavailable, if the study is not to be sent there any more."""
        try:
            self._still_wanted()
        except Unavailable as fault:
            self.fault = fault
            raise

    def __call__(self, result: StoreResult) -> bool:
        instance = self._instances[result.sop_instance_uid]
        self.results.append(result)
        if result.is_kept:
            self.unnoted.append((instance.key, f"{result.status or 0:04X}"))
        if result.fault is None:
            self._bytes += instance.size_bytes
        try:
            self.check()
            if self.unnoted and time.monotonic() - self._noted_at >= _NOTE_SECS:
                self._note()
            self._rest()
        except Unavailable as fault:
            self.fault = fault
        return self.fault is None

    def _note(self) -> None:
        parcel, taken = self._parcel, tuple(self.unnoted)

        def write(tx: WriteTx, at: datetime) -> None:
            _put(tx, parcel, taken, at)

        self._still_wanted.note(write, f"{self.stored} of {len(parcel.instances)} objects stored so far")
        self.unnoted.clear()
        self._noted_at = time.monotonic()

    def _rest(self) -> None:
        """Wait until what was sent is no more than the pace allows, asking now and then whether it is still wanted."""
        if not self._bytes_per_second:
            return
        while (left := self._bytes / self._bytes_per_second - (time.monotonic() - self._started)) > 0:
            time.sleep(min(left, _LONGEST_REST_SECS))
            self.check()


def _study_of(parcel: ArchiveParcel) -> int:
    if parcel.study_key is None:
        raise AssertionError("an archive parcel is about a study")
    return parcel.study_key


def _put(tx: WriteTx, parcel: ArchiveParcel, taken: Sequence[tuple[int, str]], at: datetime) -> None:
    sent = [(key, status, at) for key, status in taken]
    publications.put_forwards(tx, _study_of(parcel), parcel.delivery.destination, parcel.binding_version, sent)


def _receipt(parcel: ArchiveParcel, watch: Watch) -> ArchiveReceipt:
    warned = sum(1 for one in watch.results if one.is_kept and one.status)
    detail = f"{watch.stored} of {len(parcel.instances)} objects stored" + (
        f", {warned} with a warning" if warned else ""
    )
    held = _held_of(watch.results)
    return ArchiveReceipt(detail, tuple(watch.unnoted), watch.stored, fault=_fault_of(watch.results, detail), held=held)


def _held_of(results: Sequence[StoreResult]) -> Hold | None:
    """Return why some objects wait for a person, None if none does."""
    faults = [one.fault for one in results if one.fault is not None]
    if not faults:
        return None
    if all(one.code == _REMOVED for one in faults):
        return Hold(f"{len(faults)} objects not sent: {faults[0].detail}", HoldKind.OBJECTS)
    spoilt = [one for one in faults if one.code not in (NOT_ACCEPTED, _REMOVED)]
    if spoilt:
        return Hold(f"the corrections cannot be made: {spoilt[0].detail}", HoldKind.OBJECTS)
    reasons = sorted({one.detail for one in faults})
    return Hold(f"{len(faults)} objects not sent: {'; '.join(reasons[:3])}", HoldKind.RECEIVER)


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
