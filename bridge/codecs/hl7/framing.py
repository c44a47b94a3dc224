"""MLLP frames without I/O: bytes in, whole messages out. Source: HL7 MLLP Transport Specification R1, 2.5.1 appendix C."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import Malformed

START = b"\x0b"
END = b"\x1c\x0d"
DEFAULT_MAX_BYTES = 16 * 1024 * 1024
_RESTART = b"\x0bMSH"
_PADDING = b"\r\n\x00 \t"


@dataclass(frozen=True, slots=True)
class Frame:
    """
    What stood between a start and an end block.

    doubtful: bytes that start no frame came right behind it, so its end may have been data and the rest cut off.
    """

    payload: bytes
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """Bytes outside any frame. truncated: they were the beginning of a frame that another one interrupted."""

    count: int
    truncated: bool = False


class TooLong(Malformed):
    """A frame passed the ceiling; nothing that follows on this connection can be understood."""

    code = "frame_too_long"


def wrap(message: bytes) -> bytes:
    """Return *message* as one MLLP frame."""
    return START + message + END


def check(frame: Frame) -> bytes:
    """
    Return the message in *frame*.

    Raises: Malformed, if more bytes followed its end block at once: taking it would take a message cut in half.
    """
    if frame.doubtful:
        raise Malformed(
            "bytes that start no frame follow the end of this one", code="cut_frame", source="HL7 2.5.1 App. C"
        )
    return frame.payload


class FrameDecoder:
    """
    Cut a byte stream into frames, in time linear in its length.

    A frame whose end is the end of what has arrived is kept back until more arrives or `settle` says that nothing did:
    only the next byte tells whether the end block was one. 0x1C without 0x0D is data; so is 0x0B, except before MSH,
    where it starts the next frame and the one before it is dropped as truncated.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._in_frame = False
        self._waiting: bytes | None = None

    @property
    def in_frame(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._in_frame

    @property
    def pending_bytes(self) -> int:
        """How much of an unfinished frame has arrived."""
        return len(self._buffer) if self._in_frame else 0

    @property
    def has_waiting(self) -> bool:
        """Whether a whole frame waits for `settle`."""
        return self._waiting is not None

    def feed(self, data: bytes) -> list[Frame | Skipped]:
        """
        Take what arrived and return what it completed, in order.

        Raises: TooLong, once an unfinished frame is longer than the ceiling.
        """
        self._buffer += data
        events: list[Frame | Skipped] = []
        while self._buffer:
            if not self._in_frame:
                if not self._find_start(events):
                    break
            elif not self._find_end(events):
                break
        return events

    def settle(self) -> Frame | None:
        """Return the frame that waited to see what follows it: nothing did."""
        waiting, self._waiting = self._waiting, None
        return None if waiting is None else Frame(waiting)

    def _find_start(self, events: list[Frame | Skipped]) -> bool:
        at = self._buffer.find(START)
        between = bytes(self._buffer if at < 0 else self._buffer[:at])
        noise = len(between.strip(_PADDING))
        if self._waiting is not None and (noise or at >= 0):
            events.append(Frame(self._waiting, doubtful=bool(noise)))
            self._waiting = None
        if noise:
            events.append(Skipped(len(between)))
        if at < 0:
            self._buffer.clear()
            return False
        del self._buffer[: at + 1]
        self._in_frame, self._scanned = True, 0
        return True

    def _find_end(self, events: list[Frame | Skipped]) -> bool:
        end = self._buffer.find(END, max(0, self._scanned - 1))
        limit = len(self._buffer) if end < 0 else end
        restart = self._buffer.rfind(_RESTART, max(0, self._scanned - len(_RESTART) + 1), limit)
        if restart >= 0:
            events.append(Skipped(restart, truncated=True))
            del self._buffer[: restart + 1]
            end, limit = end - restart - 1 if end >= 0 else -1, limit - restart - 1
        if limit > self._max_bytes:
            raise TooLong(f"frame longer than {self._max_bytes} bytes")
        self._scanned = limit
        if end < 0:
            return False
        self._waiting = bytes(self._buffer[:end])
        del self._buffer[: end + len(END)]
        self._in_frame = False
        return True
