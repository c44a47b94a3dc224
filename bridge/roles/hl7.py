"""The role hl7: MLLP listeners in front of the one writer."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import structlog

from bridge import safety
from bridge.codecs.hl7 import framing
from bridge.codecs.hl7.batch import is_batch
from bridge.codecs.hl7.framing import Frame
from bridge.errors import BridgeError, Misconfigured
from bridge.flows.note_refusals import Refusal, RefusalBook
from bridge.flows.receive_batch import receive_whole
from bridge.flows.receive_message import Received
from bridge.listeners.mllp import MllpLimits, MllpListener
from bridge.wiring import House, Role

log = structlog.get_logger(__name__)

_TLS = "hl7+tls"
_LOOK_SECS = 2.0
_OWN_FILES = 500
_LOOPBACK = ("127.0.0.0/8", "::1/128")
# Ends that need nobody: a sender that has gone, or that says nothing for long.
_ORDINARY = frozenset({"peer_gone", "idle"})


class Hl7Role:
    """MLLP listeners on one event loop of their own, in front of the one writer."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mllp", daemon=True)
        tls = house.settings.hl7.tls
        self._tls = safety.ServerTls(tls) if tls is not None else None
        self._renewing: Future[None] | None = None
        self._listeners = dict(self._make_listeners())
        self._book = RefusalBook(house.store, house.clock)
        for listener in self._listeners.values():
            listener.on_cut = self._note_cut
        house.receiver.on_not_stored = self._note_not_stored

    def start(self) -> None:
        _make_room_for(sum(listener.limits.connections for listener in self._listeners.values()))
        self._book.start()
        self._house.mapping_watch.start()
        self._house.message_queue.start()
        self._thread.start()
        for name, listener in self._listeners.items():
            try:
                self._run(listener.start())
            except OSError as fault:
                raise Misconfigured([f"{name}: cannot listen: {fault.strerror or fault}"]) from fault
        if self._tls is not None:
            renewing = self._renew(self._tls, self._listeners[_TLS])
            self._renewing = asyncio.run_coroutine_threadsafe(renewing, self._loop)

    def stop(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        for listener in self._listeners.values():
            self._run(listener.stop())
        self._house.message_queue.stop()
        self._house.mapping_watch.stop()
        self._book.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    @property
    def is_alive(self) -> bool:
        listening = all(listener.is_alive for listener in self._listeners.values())
        if self._renewing is not None and self._renewing.done():
            return False
        running = listening and self._thread.is_alive() and self._house.message_queue.is_alive
        return running and not self._house.store.is_failing

    @property
    def addresses(self) -> Mapping[str, str]:
        host = self._house.settings.hl7.host
        return {name: f"{host}:{listener.port}" for name, listener in self._listeners.items()}

    def _make_listeners(self) -> Iterable[tuple[str, MllpListener]]:
        hl7 = self._house.settings.hl7
        frame_bytes = hl7.max_message_mb << 20
        plain = MllpLimits(
            frame_bytes=frame_bytes, peers=(*_LOOPBACK, *hl7.plain_from) if hl7.plain_from else hl7.from_networks
        )
        if hl7.tls is None or hl7.tls.port is not None:
            yield "hl7", MllpListener(hl7.host, hl7.port, self._handle, None, plain)
        if hl7.tls is not None and self._tls is not None:
            port = hl7.port if hl7.tls.port is None else hl7.tls.port
            limits = MllpLimits(frame_bytes=frame_bytes, peers=hl7.from_networks)
            yield _TLS, MllpListener(hl7.host, port, self._handle, self._tls.context, limits)

    async def _renew(self, tls: safety.ServerTls, listener: MllpListener) -> None:
        """Take over certificates that were replaced, for whoever connects from then on."""
        while True:
            await asyncio.sleep(_LOOK_SECS)
            try:
                if tls.renew():
                    listener.tls = tls.context
                    log.info("tls_renewed", listener=_TLS)
            except Misconfigured as fault:
                log.error("tls_not_renewed", listener=_TLS, reason="; ".join(fault.faults))

    async def _handle(self, frame: Frame, peer: str) -> bytes:
        fault: BridgeError | None = None
        try:
            framing.check(frame)
        except BridgeError as doubt:
            fault = doubt
        received = Received(frame.payload, peer, fault)
        queue = self._house.message_queue
        if is_batch(frame.payload):
            return await self._loop.run_in_executor(None, receive_whole, queue, self._house.clock, received)
        return await queue.submit_from_loop(received)

    def _note_cut(self, reason: str, address: str) -> None:
        if reason not in _ORDINARY:
            self._book.note(Refusal("connection_cut", address, reason, "stranger"))

    def _note_not_stored(self, peer: str, sender: str, code: str) -> None:
        self._book.note(Refusal("message_not_stored", peer, code, f"sender:{sender[:80]}"))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)


def _make_room_for(connections: int) -> None:
    """Let this process hold so many connections beside its own files, as far as the system allows."""
    wanted = connections + _OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("few_open_files_allowed", allowed=allowed, wanted=wanted)


def make(house: House) -> Role:
    """Build the role over *house*."""
    return Hl7Role(house)
