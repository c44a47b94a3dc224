"""Another system's MLLP door on a real socket, which answers each message as its script says."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from bridge.codecs.hl7.framing import Frame, FrameDecoder, wrap

Script = Callable[["Exchange"], None]


def ack(code: str, control_id: str, error: str = "") -> bytes:
    """Return an answer, unframed."""
    header = "MSH|^~\\&|RIS|MERCY|BRIDGE||20260302102031||ACK|X|P|2.5.1\r"
    return f"{header}MSA|{code}|{control_id}\r{error}".encode()


@dataclass
class Exchange:
    """One message that came. number: which it is of all, from 1; wire: to answer on; earlier: control ids before it."""

    number: int
    raw: bytes
    wire: socket.socket
    earlier: list[str]
    ended: threading.Event

    @property
    def control_id(self) -> str:
        return self.raw.split(b"\r")[0].split(b"|")[9].decode()

    def say(self, *answers: bytes) -> None:
        """Send *answers*, framed, in one write."""
        self.wire.sendall(b"".join(wrap(answer) for answer in answers))

    def drip(self, data: bytes) -> None:
        """Send *data* byte by byte."""
        for byte in data:
            self.wire.sendall(bytes([byte]))


@dataclass
class Peer:
    """A running door. received: the messages in the order they came; connections: how many were opened."""

    port: int
    script: Script
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def control_ids(self) -> list[str]:
        return [raw.split(b"\r")[0].split(b"|")[9].decode() for raw in self.received]

    def field(self, segment: str, number: int) -> list[str]:
        """Return a field of every message that came, "" where it has none."""
        found = []
        for raw in self.received:
            fields = next((line.split("|") for line in raw.decode().split("\r") if line.startswith(segment)), [])
            found.append(fields[number] if number < len(fields) else "")
        return found


def accept(exchange: Exchange) -> None:
    """Take everything."""
    exchange.say(ack("AA", exchange.control_id))


@contextmanager
def open_peer(script: Script = accept, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Peer]:
    """Open a door that plays *script* for each message."""
    listener = socket.create_server(("127.0.0.1", port))
    peer = Peer(listener.getsockname()[1], script)
    threading.Thread(target=_serve, args=(peer, listener, tls), daemon=True).start()
    try:
        yield peer
    finally:
        peer.ended.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _serve(peer: Peer, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    while not peer.ended.is_set():
        try:
            wire, _ = listener.accept()
        except OSError:
            return
        peer.connections += 1
        threading.Thread(target=_converse, args=(peer, wire, tls), daemon=True).start()


def _converse(peer: Peer, wire: socket.socket, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError), wire:
        secured = tls.wrap_socket(wire, server_side=True) if tls is not None else wire
        with secured:
            _answer_all(peer, secured)


def _answer_all(peer: Peer, wire: socket.socket) -> None:
    decoder = FrameDecoder()
    while data := wire.recv(65536):
        for event in (*decoder.feed(data), decoder.settle()):
            if isinstance(event, Frame):
                earlier = peer.control_ids
                peer.received.append(event.payload)
                peer.script(Exchange(len(peer.received), event.payload, wire, earlier, peer.ended))
