"""STOW-RS: the parts of a request are kept one by one, as C-STORE keeps objects, while the rest still arrives. Source: PS3.18 10.5."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from bridge.clock import Clock
from bridge.codecs.dicom import datasets
from bridge.codecs.dicom.object_syntaxes import check_syntax
from bridge.codecs.dicom.part10 import file_meta, read_file_meta
from bridge.codecs.dicomweb.multipart_reader import Content, End, Event, Head
from bridge.domain.study import Header, Spooled
from bridge.errors import BridgeError, Malformed, Unavailable, Unsupported
from bridge.flows.receive_instance import InstanceReceiver
from bridge.store import audit, studies
from bridge.store.blobs import Blobs
from bridge.store.db import Store

PARTS_MAX: Final = 20_000
_META_BYTES: Final = 64 << 10
_SUFFIX: Final = ".part"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who stores. actor: as audit rows say it. ae_title: the peer that it counts as, "" for none. origin: its address."""

    actor: str
    ae_title: str
    origin: str


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What became of one part. UIDs: "" where it could not be read so far. fault: None if it is kept."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    fault: BridgeError | None = None


@dataclass(slots=True)
class Stored:
    """What became of a request. was_cut: it had more parts than one may have, or did not end."""

    parts: list[StoredPart] = field(default_factory=list)
    was_cut: bool = False


class PartStorer:
    """Keeps what STOW-RS brings. max_bytes: of one object. Thread-safe."""

    def __init__(self, receiver: InstanceReceiver, store: Store, blobs: Blobs, clock: Clock, max_bytes: int) -> None:
        self._receiver = receiver
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._max_bytes = max_bytes

    def store(self, events: Iterable[Event], sender: Sender, study_instance_uid: str) -> Stored:
        """
        Keep every part that can be kept; each that is reported without a fault is committed and on disk.

        study_instance_uid: the study that all must belong to, "" for any. A body that breaks off is no fault of the parts
        before. Raises: Unavailable, if the audit rows cannot be written.
        """
        stored = Stored()
        try:
            for part in self.keep_each(events, sender, study_instance_uid):
                stored.parts.append(part)
                if len(stored.parts) >= PARTS_MAX:
                    stored.was_cut = True
                    break
        except Malformed:
            stored.was_cut = True
        self._note(stored, sender)
        kept = sum(part.fault is None for part in stored.parts)
        _log.info("parts_stored", kept=kept, failed=len(stored.parts) - kept, was_cut=stored.was_cut)
        return stored

    def keep_each(self, events: Iterable[Event], sender: Sender, study_instance_uid: str = "") -> Iterator[StoredPart]:
        """
        Keep part by part and yield what became of each, as `store` does; the caller audits.

        Raises: Malformed, for a body that breaks off; nothing of its last part stays.
        """
        association = self._clock.new_id()
        for part in self._arrivals(events, sender, association):
            yield self._keep(part, study_instance_uid)

    def _arrivals(self, events: Iterable[Event], sender: Sender, association: str) -> Iterator[_Arriving]:
        """Yield each part once it is whole; one that breaks off leaves nothing behind."""
        arriving: _Arriving | None = None
        try:
            for event in events:
                if isinstance(event, Head):
                    arriving = self._begin(event, sender, association)
                elif arriving is not None and isinstance(event, Content):
                    arriving.write(event.data)
                elif arriving is not None and isinstance(event, End):
                    whole, arriving = arriving, None
                    yield whole
        finally:
            if arriving is not None:
                arriving.discard()

    def _begin(self, head: Head, sender: Sender, association: str) -> _Arriving:
        path = self._blobs.spool / f"{self._clock.new_id()}{_SUFFIX}"
        arriving = _Arriving(path, sender, association, self._max_bytes)
        try:
            _check_head(head)
            self._blobs.check_room()
        except BridgeError as fault:
            arriving.refuse(fault)
        return arriving

    def _keep(self, part: _Arriving, study_instance_uid: str) -> StoredPart:
        header: Header | None = None
        try:
            spooled = part.finish()
            header = datasets.read_header(spooled.path)
            if study_instance_uid and header.study_instance_uid != study_instance_uid:
                raise Malformed("the object is of another study", code="uid_mismatch", where="StudyInstanceUID")
            self._receiver.receive(spooled)
        except BridgeError as fault:
            return part.outcome(header, fault)
        finally:
            part.discard()
        return part.outcome(header, None)

    def _note(self, stored: Stored, sender: Sender) -> None:
        """Write one row for each study that something was kept of, and one where nothing was."""
        counts = Counter(part.study_instance_uid for part in stored.parts if part.fault is None)
        failed = sum(part.fault is not None for part in stored.parts)
        now = self._clock.now()
        with self._store.write() as tx:
            for uid, count in counts.items():
                study = studies.by_uid(tx, uid)
                audit.add(
                    tx,
                    at=now,
                    action="dicomweb_stored",
                    actor=sender.actor,
                    origin=sender.origin,
                    study_key=study.key if study is not None else None,
                    patient_key=study.patient_key if study is not None else None,
                    detail={"count": count, "peer": sender.ae_title},
                )
            if failed:
                said = {"failed": failed, "peer": sender.ae_title}
                actor, origin = sender.actor, sender.origin
                audit.add(
                    tx, at=now, action="dicomweb_stored", actor=actor, origin=origin, outcome="failed", detail=said
                )


class _Arriving:
    """
    One part on its way to the disk, under our meta group, hashed while it passes.

    A fault is remembered and the rest of the part let by: those behind it may be sound.
    """

    def __init__(self, path: Path, sender: Sender, association: str, max_bytes: int) -> None:
        self._path = path
        self._sender = sender
        self._association = association
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._head = bytearray()
        self._file: BinaryIO | None = None
        self._fault: BridgeError | None = None
        self._uids = ("", "", "")

    def write(self, data: bytes) -> None:
        """Take more of the part."""
        if self._fault is not None:
            return
        if self._file is not None:
            self._append(data)
            return
        self._head += data
        if len(self._head) >= _META_BYTES:
            self._open()

    def finish(self) -> Spooled:
        """Return the whole object. Raises: the fault that was met on the way."""
        if self._fault is None and self._file is None:
            self._open()
        self._close()
        if self._fault is not None:
            raise self._fault
        return Spooled(
            self._path,
            self._digest.hexdigest(),
            self._size_bytes,
            *self._uids,
            self._sender.ae_title,
            self._sender.origin,
            self._association,
        )

    def outcome(self, header: Header | None, fault: BridgeError | None) -> StoredPart:
        """Return what became of it. header: what the object says of itself, as far as it could be read."""
        if header is None:
            return StoredPart(*self._uids[:2], fault=fault)
        return StoredPart(
            header.sop_class_uid,
            header.sop_instance_uid,
            header.study_instance_uid,
            header.series_instance_uid,
            fault,
        )

    def refuse(self, fault: BridgeError) -> None:
        """Remember why this part is not kept, and drop what is there of it."""
        self._fault = fault
        self._head.clear()
        self.discard()

    def discard(self) -> None:
        """Close and remove the file, if it is still there."""
        self._close()
        # On a disk that fails it may stay; the sweeper comes by.
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _open(self) -> None:
        """Read the meta group that came, and begin the file with ours. Source: PS3.10 7.1."""
        try:
            meta = read_file_meta(bytes(self._head))
            uids = (meta.media_storage_sop_class_uid, meta.media_storage_sop_instance_uid, meta.transfer_syntax_uid)
            check_syntax(meta.transfer_syntax_uid)
            ours = file_meta(*uids, self._sender.ae_title)
        except UnicodeEncodeError:
            self.refuse(Malformed("a UID that is none", code="invalid_uid"))
            return
        except BridgeError as fault:
            self.refuse(fault)
            return
        self._uids = uids
        rest = bytes(self._head[meta.dataset_at :])
        self._head.clear()
        try:
            self._file = self._path.open("xb", buffering=0)
        except OSError:
            self.refuse(_disk_fault())
            return
        self._append(ours + rest)

    def _append(self, data: bytes) -> None:
        self._size_bytes += len(data)
        if self._size_bytes > self._max_bytes:
            self.refuse(Unsupported("the object is larger than is taken", code="too_large"))
            return
        self._digest.update(data)
        try:
            self._write_all(data)
        except OSError:
            self.refuse(_disk_fault())

    def _write_all(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def _check_head(head: Head) -> None:
    kind = head.headers.get("content-type", "application/dicom").partition(";")[0].strip().lower()
    if kind != "application/dicom":
        raise Unsupported("only application/dicom is stored", code="media_type", where="Content-Type")
    if head.headers.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise Unsupported("encoded parts are not read", code="encoding", where="Content-Transfer-Encoding")


def _disk_fault() -> Unavailable:
    return Unavailable("the object could not be written", code="disk_full")
