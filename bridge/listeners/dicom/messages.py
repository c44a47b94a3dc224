"""Fragments become messages: commands and queries in memory under a cap, objects straight into their spool file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bridge.codecs.dicom.commands import C_STORE_RQ, IS_COMMAND, IS_LAST, Command, parse_command
from bridge.codecs.dicom.status import NORMALIZED, Service
from bridge.errors import Malformed
from bridge.listeners.dicom.ports import Limits


@dataclass(frozen=True, slots=True)
class Context:
    """
    One accepted presentation context.

    serves: the peer may ask here (we are SCP). sends: the peer is SCP here: of the sub-operations of a C-GET, or of a
    commitment that we asked for.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    service: Service
    serves: bool = True
    sends: bool = False


class Sink(Protocol):
    """Where the data set of one C-STORE goes. After the last `write` either `answer`ed by storage or discarded."""

    def write(self, fragment: memoryview) -> None: ...

    def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """
    One whole DIMSE message. data_set: None if it has none or went into *sink*.

    is_too_large: it had one that is over its cap. is_repeated: another request with its message id is still unanswered.
    """

    context: Context
    command: Command
    data_set: bytes | None = None
    sink: Sink | None = None
    is_too_large: bool = False
    is_repeated: bool = False


class Assembler:
    """
    Puts the fragments of one association together. Source: PS3.8 E.

    open_sink: called with the command of a C-STORE-RQ before its first data arrive.
    """

    def __init__(
        self, contexts: dict[int, Context], limits: Limits, open_sink: Callable[[Context, Command], Sink]
    ) -> None:
        self._contexts = contexts
        self._limits = limits
        self._open_sink = open_sink
        self._reset()

    def _reset(self) -> None:
        self._context: Context | None = None
        self._encoded = bytearray()
        self._command: Command | None = None
        self._data_set = bytearray()
        self._data_bytes = 0
        self._sink: Sink | None = None

    @property
    def is_amid(self) -> bool:
        """Say whether a message has begun and not ended."""
        return self._context is not None

    def feed(self, context_id: int, control: int, fragment: memoryview) -> Message | None:
        """
        Take one presentation data value; return the message that it completes.

        Raises: Malformed, for everything that ends the association: an unknown context, data without a command, one
        message inside another, a message over its cap.
        """
        context = self._contexts.get(context_id)
        if context is None or (self._context is not None and self._context is not context):
            raise Malformed("not a context of this message", source="PS3.8 E.1")
        self._context = context
        if control & IS_COMMAND:
            return self._feed_command(context, control, fragment)
        return self._feed_data(context, control, fragment)

    def close(self) -> None:
        """Forget a message that will not be completed; its spool file goes."""
        if self._sink is not None:
            self._sink.discard()
        self._reset()

    def _feed_command(self, context: Context, control: int, fragment: memoryview) -> Message | None:
        if self._command is not None or len(self._encoded) + len(fragment) > self._limits.command_bytes:
            raise Malformed("a command set inside another message, or too large", source="PS3.7 6.3")
        self._encoded += fragment
        if not control & IS_LAST:
            return None
        command = self._command = parse_command(self._encoded)
        if not command.has_data_set:
            return self._finish(Message(context, command))
        if command.command_field == C_STORE_RQ and context.service == Service.STORAGE:
            self._sink = self._open_sink(context, command)
        return None

    def _feed_data(self, context: Context, control: int, fragment: memoryview) -> Message | None:
        if self._command is None:
            raise Malformed("a data set without its command set", source="PS3.7 6.3")
        self._data_bytes += len(fragment)
        if self._sink is None:
            self._take(context, fragment)
        else:
            if self._data_bytes > self._limits.instance_bytes:
                raise Malformed("the object is too large", code="too_large")
            self._sink.write(fragment)
        if not control & IS_LAST:
            return None
        is_too_large = self._sink is None and self._data_bytes > self._limits.data_set_bytes
        data_set = None if self._sink or is_too_large else bytes(self._data_set)
        return self._finish(Message(context, self._command, data_set, self._sink, is_too_large))

    def _take(self, context: Context, fragment: memoryview) -> None:
        """Keep a fragment; of an N service one over its cap is let pass by unread, up to an object's size: it gets an answer."""
        if self._data_bytes <= self._limits.data_set_bytes:
            self._data_set += fragment
            return
        self._data_set.clear()
        if context.service not in NORMALIZED or self._data_bytes > self._limits.instance_bytes:
            raise Malformed("the data set is too large", code="too_large")

    def _finish(self, message: Message) -> Message:
        self._reset()
        return message
