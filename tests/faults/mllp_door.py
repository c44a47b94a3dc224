"""An MLLP listener on a free port with a receiver that reads, maps and answers, but stores nothing."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bridge.codecs.hl7 import er7, framing
from bridge.codecs.hl7.ack import build_ack
from bridge.errors import BridgeError
from bridge.listeners.mllp import MllpLimits, MllpListener
from bridge.mapping.apply import apply
from tests.unit.mapping.senders import DEFAULTS, shipped

START, END = b"\x0b", b"\x1c\r"


class Door:
    """A running listener, and what reached its receiver."""

    def __init__(self, limits: MllpLimits, tls: ssl.SSLContext | None, port: int) -> None:
        self.received: list[bytes] = []
        self.hold = threading.Event()
        self.hold.set()
        self.break_on: bytes | None = None
        self.padding = b""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.listener = MllpListener("127.0.0.1", port, self._receive, tls, limits)
        try:
            self._run(self.listener.start())
        except OSError:
            self.close()
            raise
        self.port = self.listener.port

    async def _receive(self, frame: framing.Frame, peer: str) -> bytes:
        assert peer == "127.0.0.1"
        self.received.append(frame.payload)
        if self.break_on is not None and self.break_on in frame.payload:
            raise RuntimeError("a bug of ours")
        while not self.hold.is_set():
            await asyncio.sleep(0.005)
        envelope, error = er7.read_envelope(frame.payload), None
        try:
            apply(er7.parse(framing.check(frame)), shipped().base, DEFAULTS)
        except BridgeError as fault:
            error = fault
        return build_ack(envelope, error, control_id="A1", at=datetime(2026, 3, 1, tzinfo=UTC)) + self.padding

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)  # type: ignore[arg-type]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def stop(self) -> None:
        self._run(self.listener.stop())

    def close(self) -> None:
        self.hold.set()
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def open_door(limits: MllpLimits | None = None, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Door]:
    door = Door(limits or MllpLimits(), tls, port)
    try:
        yield door
    finally:
        door.close()


def update(control_id: str, extra: bytes = b"") -> bytes:
    header = f"MSH|^~\\&|SENDER|MERCYW|BRIDGE|HOSP|20260301120000||ADT^A08^ADT_A01|{control_id}|P|2.5.1\r"
    return (
        header.encode() + b"EVN|A08|20260301120000\rPID|1||77^^^MERCY^MR||FAULTLESS^JANE||19700101|F\rPV1|1|O\r" + extra
    )


def frame(message: bytes) -> bytes:
    return START + message + END


def answers(wire: socket.socket, count: int = 1, timeout_secs: float = 10.0) -> list[tuple[str, str]]:
    """Return (MSA-1, MSA-2) of the answers that come, until there are *count* or the peer is done."""
    decoder, found = framing.FrameDecoder(), []
    give_up = time.monotonic() + timeout_secs
    while len(found) < count and time.monotonic() < give_up:
        wire.settimeout(max(0.01, give_up - time.monotonic()))
        try:
            data = wire.recv(65536)
        except OSError:
            break
        if not data:
            break
        whole = [*decoder.feed(data), decoder.settle()]
        for event in whole:
            if isinstance(event, framing.Frame):
                msa = er7.parse(event.payload).first("MSA")
                assert msa is not None
                found.append((msa.field(1) or "", msa.field(2) or ""))
    return found


def is_closed(wire: socket.socket, within_secs: float = 10.0) -> bool:
    """Whether the peer closes, or resets, within that time."""
    wire.settimeout(within_secs)
    try:
        while wire.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def until(condition: Callable[[], bool], within_secs: float = 10.0) -> bool:
    give_up = time.monotonic() + within_secs
    while not condition():
        if time.monotonic() > give_up:
            return False
        threading.Event().wait(0.005)
    return True
