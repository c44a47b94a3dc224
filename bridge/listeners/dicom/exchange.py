"""What a service sees of its association: requests, answers, cancellations and sub-operations."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import Command, encode_command, message
from bridge.codecs.dicom.status import Outcome, comment_of
from bridge.errors import Malformed
from bridge.listeners.dicom.admission import Caller
from bridge.listeners.dicom.messages import Assembler, Context, Message
from bridge.listeners.dicom.ports import Limits, OnEvent
from bridge.listeners.dicom.upper_layer import PeerGone, UpperLayer

# Answers are joined into sends of about this size: one system call and one segment train instead of hundreds.
_JOINED_BYTES: Final = 60 << 10
# Between two looks at what waits to be told.
_LOOK_SECS: Final = 0.2
_LARGEST_FRAGMENT: Final = (128 << 10) - commands.PDV_HEADER_BYTES


class Aside(Protocol):
    """Something of ours that is told between two requests, once it is ready and if the association lasts that long."""

    def is_done(self) -> bool:
        """Tell it if it is ready; say whether it was told, or is not to be told here any more. Raises: PeerGone."""
        ...

    def abandon(self) -> None:
        """Hear that the association ended before it was told."""


@dataclass(slots=True)
class StoredCount:
    """How many objects of an association were kept without a remark, told once at its end, and how long one took at most."""

    instances: int = 0
    longest_secs: float = 0.0

    def add(self, secs: float) -> None:
        """Count one more."""
        self.instances += 1
        self.longest_secs = max(self.longest_secs, secs)


class Exchange:
    """
    One association's messages, read and sent by the one thread that owns it.

    fragment_bytes: the largest fragment that the peer takes.
    """

    def __init__(self, upper: UpperLayer, caller: Caller, limits: Limits, on_event: OnEvent) -> None:
        self.caller = caller
        self.contexts: dict[int, Context] = {}
        self.fragment_bytes = _LARGEST_FRAGMENT
        self._upper = upper
        self._limits = limits
        self._on_event = on_event
        self._assembler: Assembler | None = None
        self._backlog: deque[Message] = deque()
        self._responses: deque[Command] = deque()
        self._cancelled: set[int] = set()
        self._outgoing = bytearray()
        self._serving = False
        self._asides: list[Aside] = []
        self._message_id = 0
        self.stored = StoredCount()

    def open(self, assembler: Assembler, contexts: dict[int, Context], peer_maximum: int) -> None:
        """Begin. peer_maximum: the requestor's maximum length, 0 for no limit. Source: PS3.8 D.1."""
        self._assembler = assembler
        self.contexts = contexts
        if peer_maximum:
            self.fragment_bytes = min(peer_maximum - commands.PDV_HEADER_BYTES, _LARGEST_FRAGMENT)

    def report(self, kind: str, /, **fields: str | int | float | bool) -> None:
        """Tell what happened, with who asked."""
        caller = self.caller
        self._on_event(kind, association=caller.association_id, peer=caller.ae_title, address=caller.address, **fields)

    def report_fault(self, service: str, fault: Exception) -> None:
        """Tell of a fault of ours: where it was, never its text, which may hold what the peer sent."""
        self.report("handler_failed", service=service, error=type(fault).__name__, where=origin(fault))

    @property
    def is_busy(self) -> bool:
        """Say whether a message is being received or served."""
        return self._serving or self._is_amid or bool(self._backlog)

    def next_message(self) -> Message | None:
        """
        Return the next request, None once the association has ended, or is to be released.

        Raises: TimeoutError, when the peer has been silent for too long.
        """
        self._serving = False
        while not self._backlog:
            if not self._upper.is_established:
                return None
            if self._is_amid:
                self._read(self._limits.message_secs)
            else:
                self._await_request()
        self._serving = True
        return self._backlog.popleft()

    def close(self) -> None:
        """Drop what was begun and not finished."""
        if self._assembler is not None:
            self._assembler.close()
        while self._asides:
            self._asides.pop().abandon()
        while self._backlog:
            waiting = self._backlog.popleft()
            if waiting.sink is not None:
                waiting.sink.discard()

    def tell_later(self, aside: Aside) -> None:
        """Let *aside* be told between two requests."""
        self._asides.append(aside)

    def next_message_id(self) -> int:
        """Return a message id for a request of ours."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def _await_request(self) -> None:
        """Wait for a request, looking now and then whether what is to be told is ready."""
        ends_at = time.monotonic() + self._limits.idle_secs
        while self._asides and not self._backlog:
            try:
                self._read(_LOOK_SECS)
                return
            except TimeoutError:
                self._asides = [one for one in self._asides if not one.is_done()]
        if not self._backlog:
            self._read(max(ends_at - time.monotonic(), 0.001))

    def respond(
        self,
        request: Message,
        outcome: Outcome,
        extra: Mapping[int, int | str | bytes] | None = None,
        data_set: bytes | None = None,
    ) -> None:
        """Answer *request*; the answer leaves with the next `flush`. Raises: PeerGone."""
        values: dict[int, int | str | bytes] = {
            commands.AFFECTED_SOP_CLASS_UID: request.context.abstract_syntax,
            commands.COMMAND_FIELD: request.command.command_field | commands.RESPONSE,
            commands.MESSAGE_ID_BEING_RESPONDED_TO: request.command.message_id,
            commands.COMMAND_DATA_SET_TYPE: commands.NO_DATA_SET if data_set is None else commands.HAS_DATA_SET,
            commands.STATUS: outcome.status,
        }
        if outcome.comment:
            values[commands.ERROR_COMMENT] = comment_of(outcome.comment)
        if outcome.offending:
            values[commands.OFFENDING_ELEMENT] = commands.encode_tags(outcome.offending)
        if outcome.error_id is not None:
            values[commands.ERROR_ID] = outcome.error_id
        values.update(extra or {})
        self.queue(request.context.context_id, encode_command(values), data_set)

    def queue(self, context_id: int, command: bytes, data_set: bytes | None) -> None:
        """Line a message up, sending what has gathered once it is enough. Raises: PeerGone."""
        self._outgoing += message(context_id, command, data_set, self.fragment_bytes)
        if len(self._outgoing) >= _JOINED_BYTES:
            self.flush()

    def send(self, data: bytes) -> None:
        """Send encoded P-DATA-TFs behind whatever is lined up. Raises: PeerGone."""
        self._outgoing += data
        if len(self._outgoing) >= _JOINED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send everything that is lined up. Raises: PeerGone."""
        if self._outgoing:
            outgoing, self._outgoing = self._outgoing, bytearray()
            self._upper.send_data(outgoing)

    def is_cancelled(self, request: Message) -> bool:
        """
        Say whether the peer has cancelled *request*, looking at what has arrived meanwhile without waiting.

        Raises: PeerGone, if it has left instead. Source: PS3.7 9.3.2.3 (C-CANCEL-FIND-RQ).
        """
        while self._upper.is_established and self._upper.socket.has_data():
            self._read(self._limits.pdu_secs)
        if not self._upper.is_established:
            raise PeerGone
        return request.command.message_id in self._cancelled

    def forget_cancellations(self) -> None:
        """Forget cancellations that came for an operation that is over, or never was."""
        self._cancelled.clear()

    def await_response(self, message_id: int, secs: float) -> Command | None:
        """
        Return the answer to our own request *message_id*, None if it does not come in *secs*.

        Raises: PeerGone.
        """
        self.flush()
        deadline = time.monotonic() + secs
        while True:
            while self._responses:
                response = self._responses.popleft()
                if response.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) == message_id:
                    return response
            if not self._upper.is_established:
                raise PeerGone
            try:
                self._read(max(deadline - time.monotonic(), 0.001))
            except TimeoutError:
                return None

    @property
    def _is_amid(self) -> bool:
        return self._assembler is not None and self._assembler.is_amid

    def _read(self, patience_secs: float) -> None:
        body = self._upper.next_data(patience_secs)
        if body is None or self._assembler is None:
            return
        try:
            for context_id, control, fragment in commands.values_of(body):
                whole = self._assembler.feed(context_id, control, fragment)
                if whole is not None:
                    self._sort(whole)
        except Malformed as fault:
            self.report("association_violated", code=fault.code, reason=fault.detail)
            self._upper.violate()

    def _sort(self, whole: Message) -> None:
        command = whole.command
        if command.command_field == commands.C_CANCEL_RQ:
            self._cancelled.add(command.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) or 0)
            if len(self._cancelled) > self._limits.queued_messages:
                raise Malformed("too many cancellations", code="too_many")
        elif command.is_response:
            self._responses.append(command)
            if len(self._responses) > self._limits.queued_messages:
                raise Malformed("too many answers to nothing", code="too_many")
        else:
            message_id = command.message_id
            is_repeated = any(waiting.command.message_id == message_id for waiting in self._backlog)
            self._backlog.append(replace(whole, is_repeated=True) if is_repeated else whole)
            # Asynchronous operations are never negotiated: whoever does not wait for answers is no modality.
            if len(self._backlog) > self._limits.queued_messages:
                raise Malformed("too many requests at once", code="too_many")


def origin(fault: BaseException) -> str:
    """Return where *fault* was raised, innermost first, without a word of its text."""
    frames = traceback.extract_tb(fault.__traceback__)[-8:]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
