"""C-STORE: an object streams from the socket into its spool file, is kept by the flow, then answered. Source: PS3.4 B."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import Command
from bridge.codecs.dicom.part10 import file_meta
from bridge.codecs.dicom.status import SUCCESS, Outcome, Service, outcome_of
from bridge.domain.identifiers import check_uid
from bridge.domain.study import Spooled
from bridge.errors import BridgeError, Malformed, Refused, Unavailable, Unsupported
from bridge.listeners.dicom.admission import Caller
from bridge.listeners.dicom.digest import FileDigest
from bridge.listeners.dicom.exchange import Exchange
from bridge.listeners.dicom.messages import Context, Message
from bridge.listeners.dicom.ports import DicomServices

SPOOL_SUFFIX: Final = ".part"
# Of an object's first bytes so many are remembered: in nearly all of them the header ends within.
_HEAD_BYTES: Final = 64 << 10
# What took longer to keep is told of by itself.
_SLOW_SECS: Final = 1.0
_INVALID_UID: Final = "invalid_uid"
_MISSING_UID: Final = "missing_uid"


class Spool:
    """
    One object on its way to the disk, hashed while it passes.

    A fault before or while it arrives is remembered and the rest of the object is let by, since DIMSE has no way to
    answer before the data set has ended.
    """

    def __init__(self, context: Context, command: Command, caller: Caller) -> None:
        self.sop_class_uid = command.text(commands.AFFECTED_SOP_CLASS_UID)
        self.sop_instance_uid = command.text(commands.AFFECTED_SOP_INSTANCE_UID)
        self.size_bytes = 0
        self.fault: BridgeError | None = None
        self._transfer_syntax_uid = context.transfer_syntax
        self._caller = caller
        self._path: Path | None = None
        self._handle = -1
        self._digest = FileDigest()
        self._head = bytearray()

    def begin(self, folder: Path, name: str) -> None:
        """Create the file with its meta group. Source: PS3.10 7.1."""
        path = folder / f"{name}{SPOOL_SUFFIX}"
        try:
            self._handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            self._path = path
            head = file_meta(
                self.sop_class_uid, self.sop_instance_uid, self._transfer_syntax_uid, self._caller.ae_title
            )
            self._take(memoryview(head))
        except OSError:
            self.refuse(_disk_fault())

    def refuse(self, fault: BridgeError) -> None:
        """Remember why this object will not be kept, and drop what is there of it."""
        self.fault = fault
        self.discard()

    def write(self, fragment: memoryview) -> None:
        """Append a fragment of the data set."""
        if self._handle < 0:
            return
        try:
            self._take(fragment)
        except OSError:
            self.refuse(_disk_fault())

    def finish(self) -> Spooled:
        """Return the whole object. Raises: the fault that was met on the way."""
        if self.fault is not None or self._path is None:
            raise self.fault or _disk_fault()
        try:
            digest = self._digest.result(self._handle, self.size_bytes)
        except OSError:
            raise _disk_fault() from None
        finally:
            self._close()
        return Spooled(
            path=self._path,
            digest=digest,
            size_bytes=self.size_bytes,
            affected_sop_class_uid=self.sop_class_uid,
            affected_sop_instance_uid=self.sop_instance_uid,
            transfer_syntax_uid=self._transfer_syntax_uid,
            calling_ae_title=self._caller.ae_title,
            peer_address=self._caller.address,
            association_id=self._caller.association_id,
            head=bytes(self._head),
        )

    def discard(self) -> None:
        """Close and remove the file, if it is still there."""
        self._close()
        if self._path is not None:
            # On a disk that fails it may stay: the answer must go out all the same, and the sweeper comes by.
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _take(self, view: memoryview) -> None:
        if self.size_bytes < _HEAD_BYTES:
            self._head += view[: _HEAD_BYTES - self.size_bytes]
        self.size_bytes += len(view)
        written = view
        while view:
            view = view[os.write(self._handle, view) :]
        self._digest.take(self._handle, written, self.size_bytes)

    def _close(self) -> None:
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            self._digest.settle()
            os.close(handle)


def _disk_fault() -> Unavailable:
    return Unavailable("the object could not be written", code="disk_full")


class Storage:
    """The storage service of one door. folder: of the spool files, on the blobs' file system."""

    def __init__(self, services: DicomServices, folder: Path) -> None:
        self._services = services
        self._folder = folder

    def open_spool(self, context: Context, command: Command, caller: Caller, name: str) -> Spool:
        """Return where the object of *command* goes; one that will be refused goes nowhere."""
        spool = Spool(context, command, caller)
        try:
            _check(context, spool)
            self._services.check_room()
        except BridgeError as fault:
            spool.refuse(fault)
        else:
            spool.begin(self._folder, name)
        return spool

    def store(self, exchange: Exchange, request: Message) -> None:
        """Keep the object of *request* and answer; 0000 only after the flow has returned. Source: PS3.4 B.2.3."""
        spool, started = request.sink, time.monotonic()
        if not isinstance(spool, Spool):
            outcome = outcome_of(Service.STORAGE, Malformed("no data set"))
            exchange.respond(request, outcome)
            return
        outcome = self._keep(exchange, spool)
        named = spool.fault is None or spool.fault.code not in (_INVALID_UID, _MISSING_UID)
        exchange.respond(
            request, outcome, {commands.AFFECTED_SOP_INSTANCE_UID: spool.sop_instance_uid} if named else None
        )
        exchange.flush()
        secs = time.monotonic() - started
        if outcome.status == SUCCESS and secs < _SLOW_SECS:
            exchange.stored.add(secs)
            return
        exchange.report(
            "instance_received",
            status=outcome.status,
            size_bytes=spool.size_bytes,
            secs=round(secs, 6),
            sop_class_uid=request.context.abstract_syntax,
            comment=outcome.comment,
        )

    def _keep(self, exchange: Exchange, spool: Spool) -> Outcome:
        try:
            self._services.receive_instance(spool.finish())
        except BridgeError as fault:
            return outcome_of(Service.STORAGE, fault)
        except Exception as fault:  # noqa: BLE001  # Whatever it is, the sender must hear that its object is not kept.
            exchange.report_fault(Service.STORAGE, fault)
            return outcome_of(Service.STORAGE, fault)
        finally:
            spool.discard()
        return Outcome()


def _check(context: Context, spool: Spool) -> None:
    if not context.serves:
        raise Refused("this peer may not store", code="not_authorized")
    try:
        check_uid(spool.sop_instance_uid, "AffectedSOPInstanceUID", tolerate_leading_zeros=True)
    except Malformed as fault:
        raise Malformed("not a UID", code=_INVALID_UID, where=fault.where, source=fault.source) from None
    except BridgeError as fault:
        raise Malformed("no SOP Instance UID", code=_MISSING_UID, where=fault.where, source=fault.source) from None
    if spool.sop_class_uid != context.abstract_syntax:
        raise Unsupported("the SOP class is not the context's", code="other_context", source="PS3.7 9.1.1")


def sweep(folder: Path, oldest: float) -> int:
    """Remove spool files last written before *oldest* (seconds since the epoch): a crash left them. Return how many."""
    removed = 0
    for path in folder.glob(f"*{SPOOL_SUFFIX}"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
