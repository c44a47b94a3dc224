"""What is said on one MLLP connection: frames are read against deadlines, each is handled and answered before the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bridge.codecs.hl7.ack import split_answers
from bridge.codecs.hl7.framing import DEFAULT_MAX_BYTES, Frame, FrameDecoder, Skipped, TooLong, wrap
from bridge.listeners.mllp_wire import Wire

Handle = Callable[[Frame, str], Awaitable[bytes | None]]
"""What becomes of one frame from one address: the answer, unframed, of one message or two; b"" where none is wanted."""

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MllpLimits:
    """
    What one peer may cost us. frame_secs: from a frame's first byte, and one more for each MiB of it.

    first_message_secs: until a connection has shown what it is; idle_secs: after that. unproven_per_address: connections
    of one address that have not sent a whole message; one more closes the oldest of them, so that a crowd of silent
    ones cannot lock out the next. held_bytes: all unfinished frames together. peers: networks that may connect, () for any.
    """

    frame_bytes: int = DEFAULT_MAX_BYTES
    frame_secs: float = 30.0
    first_message_secs: float = 30.0
    idle_secs: float = 600.0
    send_secs: float = 30.0
    handshake_secs: float = 10.0
    unproven_per_address: int = 20
    connections: int = 2000
    held_bytes: int = 512 * 1024 * 1024
    bind_secs: float = 5.0
    drain_secs: float = 10.0
    peers: tuple[str, ...] = ()


@dataclass(slots=True)
class MllpCounts:
    """What has happened since the start; for metrics."""

    connections: int = 0
    frames: int = 0
    skipped_bytes: int = 0
    held_bytes: int = 0
    cut: dict[str, int] = field(default_factory=dict)


class Cut(Exception):
    """Ends a connection; its text is the reason as the log and the metrics name it."""


class Conversation:
    """
    One connection's frames and answers. proven: it has sent a whole message. busy: one is in work. ending: the listener
    stops, so it ends after the message in work. held_bytes: of its unfinished frame. relieve: called when all together
    hold too much.
    """

    def __init__(
        self,
        wire: Wire,
        handle: Callable[[Frame], Awaitable[bytes | None]],
        limits: MllpLimits,
        counts: MllpCounts,
        relieve: Callable[[], None],
    ) -> None:
        self.wire = wire
        self.proven = False
        self.busy = False
        self.ending = False
        self.held_bytes = 0
        self.last_message: float | None = None
        self._handle = handle
        self._limits = limits
        self._counts = counts
        self._relieve = relieve
        self._decoder = FrameDecoder(limits.frame_bytes)
        self._frame_began: float | None = None
        self._opened = 0.0

    async def run(self) -> None:
        """
        Converse until the peer is done.

        Raises: Cut, when it breaks a limit; OSError, when it is gone.
        """
        self._opened = asyncio.get_running_loop().time()
        while not self.ending:
            data = await self._read()
            if not data:
                # The peer is done: a frame that waited for what follows is whole.
                await self._take(self._settle())
                return
            try:
                events = self._decoder.feed(data)
            except TooLong:
                raise Cut("frame_too_long") from None
            if self._decoder.has_waiting and await self.wire.settled():
                events += self._settle()
            self._hold(self._decoder.pending_bytes)
            await self._take(events)
            self._note_frame_begin()

    def let_go(self) -> None:
        """Give back what its unfinished frame holds: the connection ends."""
        self._hold(0)

    def _hold(self, size_bytes: int) -> None:
        grown = size_bytes - self.held_bytes
        self.held_bytes = size_bytes
        self._counts.held_bytes += grown
        if grown > 0 and self._counts.held_bytes > self._limits.held_bytes:
            self._relieve()

    async def _read(self) -> bytes:
        if self._frame_began is not None:
            allowed, since, reason = self._frame_secs(), self._frame_began, "frame_deadline"
        elif self.last_message is not None:
            allowed, since, reason = self._limits.idle_secs, self.last_message, "idle"
        else:
            allowed, since, reason = self._limits.first_message_secs, self._opened, "no_message"
        try:
            async with asyncio.timeout_at(since + allowed):
                return await self.wire.read()
        except TimeoutError:
            raise Cut(reason) from None

    def _frame_secs(self) -> float:
        return self._limits.frame_secs + self._decoder.pending_bytes / _MIB

    def _note_frame_begin(self) -> None:
        """Start the clock of an unfinished frame; one that begins anew inside it does not set it back."""
        if not self._decoder.in_frame:
            self._frame_began = None
        elif self._frame_began is None:
            self._frame_began = asyncio.get_running_loop().time()

    def _settle(self) -> list[Frame | Skipped]:
        frame = self._decoder.settle()
        return [] if frame is None else [frame]

    async def _take(self, events: list[Frame | Skipped]) -> None:
        for event in events:
            if isinstance(event, Skipped):
                self._counts.skipped_bytes += event.count
                continue
            self._frame_began = None
            self._counts.frames += 1
            self.proven = self.busy = True
            try:
                answer = await self._handle(event)
                if answer:
                    await self._send(b"".join(wrap(one) for one in split_answers(answer)))
            finally:
                self.busy = False
            self.last_message = asyncio.get_running_loop().time()
            if self.ending:
                return

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._limits.send_secs):
                await self.wire.send(data)
        except TimeoutError:
            raise Cut("answer_not_read") from None
