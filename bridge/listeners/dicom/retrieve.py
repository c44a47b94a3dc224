"""C-GET and C-MOVE of studies: each object is a C-STORE sub-operation, on this association or on one of ours. Source: PS3.4 C.4.2, C.4.3."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from bridge.codecs.dicom import commands, status
from bridge.codecs.dicom.commands import IS_LAST, encode_command, p_data_header
from bridge.codecs.dicom.elements import syntax_of
from bridge.codecs.dicom.part10 import open_buffer, read_file_meta
from bridge.codecs.dicom.reencode import LITTLE_ENDIAN, can_become_plain, reencode
from bridge.codecs.dicom.status import Outcome, is_warning, outcome_of
from bridge.codecs.dicom.unpacked import Unpack
from bridge.domain.study import NOT_HERE, Outgoing
from bridge.errors import BridgeError, Conflict, Malformed, Unavailable, Unsupported
from bridge.listeners.dicom.exchange import Exchange
from bridge.listeners.dicom.messages import Context, Message
from bridge.listeners.dicom.ports import DicomServices, Leaving, Peer, SendObjects
from bridge.listeners.dicom.storage import SPOOL_SUFFIX
from bridge.listeners.dicom.upper_layer import PeerGone

_RESPONSE_SECS: Final = 120.0
_FAILED_SOP_INSTANCE_UID_LIST: Final = 0x0058
_MEDIUM_PRIORITY: Final = 0


@dataclass(slots=True)
class _Tally:
    """What has become of the sub-operations so far. Source: PS3.4 C.4.3.1.4."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warnings: int = 0
    failed_uids: list[str] = field(default_factory=list)

    def count(self, sop_instance_uid: str, code: int) -> None:
        self.remaining = max(self.remaining - 1, 0)
        if code == status.SUCCESS:
            self.completed += 1
        elif is_warning(code):
            self.warnings += 1
        else:
            self.failed += 1
            self.failed_uids.append(sop_instance_uid)

    def give_up(self) -> None:
        """Count what is left as failed."""
        self.failed, self.remaining = self.failed + self.remaining, 0

    def numbers(self, *, final: bool) -> dict[int, int | str]:
        counted = {
            commands.COMPLETED_SUBOPERATIONS: self.completed,
            commands.FAILED_SUBOPERATIONS: self.failed,
            commands.WARNING_SUBOPERATIONS: self.warnings,
        }
        if not final:
            counted[commands.REMAINING_SUBOPERATIONS] = self.remaining
        return {element: min(number, 0xFFFF) for element, number in counted.items()}

    def outcome(self) -> Outcome:
        if not (self.failed or self.warnings):
            return Outcome()
        if not (self.completed or self.warnings):
            return Outcome(status.SUBOPERATIONS_FAILED, "no object could be sent")
        return Outcome(status.SUBOPERATIONS_WARNING)


class Retrieval:
    """
    The retrieve services of one door. peer: finds a configured destination. spool: where a re-encoded copy may lie.

    unpack: of compressed pixels, for peers that take no others; None where there is no decoder.
    """

    def __init__(
        self,
        services: DicomServices,
        peer: Callable[[str], Peer | None],
        send: SendObjects | None,
        spool: Path,
        unpack: Unpack | None = None,
    ) -> None:
        self._services = services
        self._peer = peer
        self._send = send
        self._spool = spool
        self._unpack = unpack

    def get(self, exchange: Exchange, request: Message) -> None:
        """Answer a C-GET-RQ: the objects come back on the same association."""
        self._answer(exchange, request, self._get_all)

    def move(self, exchange: Exchange, request: Message) -> None:
        """Answer a C-MOVE-RQ: the objects go to a configured peer."""
        self._answer(exchange, request, self._move_all)

    def _answer(self, exchange: Exchange, request: Message, carry_out: _CarryOut) -> None:
        started, tally = time.monotonic(), _Tally(0)
        try:
            if request.data_set is None:
                raise Malformed("no identifier", source="PS3.7 9.1.3")
            final = carry_out(exchange, request, request.data_set, tally)
        except BridgeError as fault:
            final = outcome_of(request.context.service, fault)
            tally.give_up()
        except PeerGone:
            raise
        except Exception as fault:  # noqa: BLE001  # The peer is waiting for a final status.
            exchange.report_fault(request.context.service, fault)
            final = outcome_of(request.context.service, fault)
            tally.give_up()
        numbers = tally.numbers(final=final.status != status.CANCELLED)
        failed = _failed_list(tally, request) if tally.failed_uids else None
        exchange.respond(request, final, numbers, failed)
        exchange.flush()
        exchange.report(
            "retrieval_answered",
            service=request.context.service,
            status=final.status,
            completed=tally.completed,
            failed=tally.failed,
            secs=round(time.monotonic() - started, 6),
        )

    def _get_all(self, exchange: Exchange, request: Message, identifier: bytes, tally: _Tally) -> Outcome:
        with self._open(exchange, request, identifier) as objects:
            tally.remaining = len(objects)
            for message_id, found in enumerate(objects, start=1):
                if exchange.is_cancelled(request):
                    return Outcome(status.CANCELLED)
                code = self._store(exchange, found, (message_id - 1) % 0xFFFF + 1)
                tally.count(found.sop_instance_uid, code)
                if tally.remaining:
                    exchange.respond(request, Outcome(status.PENDING), tally.numbers(final=False))
        return tally.outcome()

    def _move_all(self, exchange: Exchange, request: Message, identifier: bytes, tally: _Tally) -> Outcome:
        destination = self._peer(request.command.text(commands.MOVE_DESTINATION))
        if destination is None or self._send is None:
            raise Unsupported("the destination is not a configured peer", code="unknown_destination")
        with self._open(exchange, request, identifier, destination.ae_title) as objects:
            tally.remaining = len(objects)
            watch = _MoveWatch(exchange, request, tally, objects)
            if len(objects):
                originator = (exchange.caller.ae_title, request.command.message_id)
                self._send(destination, objects, watch, originator)
        if watch.fault is not None:
            raise watch.fault
        return Outcome(status.CANCELLED) if watch.is_cancelled else tally.outcome()

    def _open(
        self, exchange: Exchange, request: Message, identifier: bytes, destination: str = ""
    ) -> AbstractContextManager[Leaving]:
        caller, syntax = exchange.caller, request.context.transfer_syntax
        return self._services.open_retrieval(identifier, syntax, caller.ae_title, caller.address, destination)

    def _store(self, exchange: Exchange, found: Outgoing, message_id: int) -> int:
        """Send one object as a C-STORE sub-operation and return its status."""
        peer = self._peer(exchange.caller.ae_title)
        unpack = self._unpack if peer is None or peer.decompress else None
        context = _context_for(exchange.contexts, found, unpack)
        if context is None:
            return status.SOP_CLASS_NOT_SUPPORTED
        command = encode_command(
            {
                commands.AFFECTED_SOP_CLASS_UID: found.sop_class_uid,
                commands.COMMAND_FIELD: commands.C_STORE_RQ,
                commands.MESSAGE_ID: message_id,
                commands.PRIORITY: _MEDIUM_PRIORITY,
                commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
                commands.AFFECTED_SOP_INSTANCE_UID: found.sop_instance_uid,
            }
        )
        try:
            with found.at_hand() as path:
                self._send_in(exchange, context, command, (path, found.transfer_syntax_uid))
        except Conflict as fault:
            if fault.code not in NOT_HERE:
                raise
            exchange.report("object_held", reason=fault.code)
            return status.PROCESSING_FAILURE
        except (Malformed, Unsupported) as fault:
            exchange.report("object_held", reason=fault.code)
            return status.PROCESSING_FAILURE
        except (OSError, BridgeError) as fault:
            # It is missing or damaged: that fails this object, and none of the others.
            exchange.report("object_held", reason=getattr(fault, "code", "object_unreadable"))
            return status.PROCESSING_FAILURE
        response = exchange.await_response(message_id, _RESPONSE_SECS)
        if response is None:
            raise Unavailable("the peer did not answer a sub-operation", code="no_answer")
        code = response.number(commands.STATUS)
        return status.PROCESSING_FAILURE if code is None else code

    def _send_in(self, exchange: Exchange, context: Context, command: bytes, found: tuple[Path, str]) -> None:
        """Send a file in the syntax of *context*. found: the file, and the transfer syntax it is in."""
        path, transfer_syntax_uid = found
        if context.transfer_syntax == transfer_syntax_uid:
            _send_object(exchange, context, command, path)
            return
        with NamedTemporaryFile(dir=self._spool, suffix=SPOOL_SUFFIX) as copy:
            reencode(path, Path(copy.name), context.transfer_syntax, self._unpack)
            _send_object(exchange, context, command, Path(copy.name))


class _MoveWatch:
    """Told each result of a C-MOVE; ends it when it is cancelled, or when what is next may not leave any more."""

    def __init__(self, exchange: Exchange, request: Message, tally: _Tally, objects: Leaving) -> None:
        self.is_cancelled = False
        self.fault: BridgeError | None = None
        self._exchange = exchange
        self._request = request
        self._tally = tally
        self._objects = objects
        self._told = 0

    def __call__(self, sop_instance_uid: str, code: int) -> bool:
        self._told += 1
        self._tally.count(sop_instance_uid, code)
        if not self._tally.remaining:
            return True
        self._exchange.respond(self._request, Outcome(status.PENDING), self._tally.numbers(final=False))
        self._exchange.flush()
        self.is_cancelled = self._exchange.is_cancelled(self._request)
        try:
            self._objects.check(self._told)
        except BridgeError as fault:
            self.fault = fault
        return self.fault is None and not self.is_cancelled


_CarryOut = Callable[[Exchange, Message, bytes, _Tally], Outcome]


def _context_for(contexts: dict[int, Context], found: Outgoing, unpack: Unpack | None) -> Context | None:
    """Return the context in which *found* may be sent: as it lies there, else uncompressed, in either VR."""
    fitting = [cx for cx in contexts.values() if cx.sends and cx.abstract_syntax == found.sop_class_uid]
    exact = next((cx for cx in fitting if cx.transfer_syntax == found.transfer_syntax_uid), None)
    if exact is not None or not can_become_plain(found.transfer_syntax_uid, unpack):
        return exact
    return next((cx for cx in fitting if cx.transfer_syntax in LITTLE_ENDIAN), None)


def _send_object(exchange: Exchange, context: Context, command: bytes, path: Path) -> None:
    """
    Send a C-STORE-RQ with the data set of the file at *path*, read as it goes out.

    Raises: OSError or Malformed before anything is sent; afterwards only PeerGone, since half a message cannot be mended.
    """
    with open_buffer(path) as mapped:
        at, end = read_file_meta(mapped).dataset_at, len(mapped)
        exchange.queue(context.context_id, command, None)
        while at < end:
            part = mapped[at : at + exchange.fragment_bytes]
            at += len(part)
            exchange.send(p_data_header(context.context_id, IS_LAST if at >= end else 0, len(part)) + part)


def _failed_list(tally: _Tally, request: Message) -> bytes:
    """Return the identifier of a final answer: Failed SOP Instance UID List (0008,0058). Source: PS3.4 C.4.3.1.3.2."""
    # An explicit VR UI has 16 bits of length: what does not fit is counted all the same.
    value = "\\".join(tally.failed_uids[:900]).encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    if syntax_of(request.context.transfer_syntax).implicit:
        return struct.pack("<HHL", 8, _FAILED_SOP_INSTANCE_UID_LIST, len(value)) + value
    return struct.pack("<HH2sH", 8, _FAILED_SOP_INSTANCE_UID_LIST, b"UI", len(value)) + value
