"""Associations that move images are carried by processes of their own: a stream of them does not stall the worklist.

One interpreter runs one thread at a time, so four devices that store would make a query wait for each of them, several
times over, and each other no less: there are two such processes, and each association goes to the one that carries
fewer. The process at the door reads the association request and hands the connection on over a UNIX socket: the
socket itself where it is plain; of one under TLS, whose keys cannot move to another process, the bytes in both directions.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pynetdicom.ae import ApplicationEntity

from bridge.codecs.dicom.status import Service
from bridge.listeners.dicom.association import Door, carry
from bridge.listeners.dicom.ports import Limits
from bridge.listeners.dicom.transport import Listener

# What takes a core for as long as it lasts; queries and performed steps are answered at the door.
HEAVY: Final = frozenset({Service.STORAGE, Service.GET, Service.MOVE})

# Whether a socket comes along; lengths of the peer's address and of its association request.
_HEAD = struct.Struct(">?HL")
_HEAD_SECS: Final = 5.0
_RELAYED_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Received:
    """A connection that was handed on: its socket, where it came from, and the association request that it began with."""

    connected: socket.socket
    address: tuple[str, int]
    request: bytes


class Handover:
    """The door's side. paths: where the other processes listen, if they run."""

    def __init__(self, paths: Sequence[Path], limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._carried = dict.fromkeys(paths, 0)

    def hand_on(self, connected: socket.socket, address: tuple[str, int], request: bytes) -> bool:
        """
        Let another process carry an association; return when it is over, False at once if nobody takes it.

        connected: the peer's socket; it stays open here, so that this process can end it. request: the A-ASSOCIATE-RQ as
        it came, header and all.
        """
        refused: set[Path] = set()
        while (path := self._count_in(refused)) is not None:
            try:
                if self._hand_to(path, connected, address, request):
                    return True
            finally:
                self._count_out(path)
            refused.add(path)
        return False

    def _count_in(self, refused: Collection[Path]) -> Path | None:
        """Return whoever carries fewest of those that have not *refused*, with one more."""
        with self._lock:
            path = min(
                (one for one in self._carried if one not in refused), key=self._carried.__getitem__, default=None
            )
            if path is not None:
                self._carried[path] += 1
        return path

    def _count_out(self, path: Path) -> None:
        with self._lock:
            self._carried[path] -= 1

    def _hand_to(self, path: Path, connected: socket.socket, address: tuple[str, int], request: bytes) -> bool:
        is_secured = isinstance(connected, ssl.SSLSocket)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            try:
                line.settimeout(_HEAD_SECS)
                line.connect(str(path))
                _send(line, None if is_secured else connected, address, request)
            except OSError:
                return False
            if is_secured:
                _relay(connected, line, self._limits.send_secs)
            else:
                line.settimeout(None)
                with contextlib.suppress(OSError):
                    line.recv(1)
        return True


class TakeoverTransport(Listener):
    """The other process's side: it listens at *path* and carries what is handed on as if it had come to a port."""

    address_family = socket.AF_UNIX

    def __init__(self, entity: ApplicationEntity, path: Path, door: Door) -> None:
        self._entity = entity
        self._door = door
        self._path = path
        self.request_queue_size = door.limits.backlog
        # Whoever listened here before us is gone: one node has one data folder.
        path.unlink(missing_ok=True)
        super().__init__(str(path), "dicom-takeover")
        path.chmod(0o600)

    @property
    def port(self) -> int:
        """0: it has none."""
        return 0

    def close(self) -> None:
        """Take no more; associations that are open go on."""
        super().close()
        self._path.unlink(missing_ok=True)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Carry one association; the line it came on closes with it, which tells the door."""
        try:
            received = _receive(request)
        except (OSError, ValueError):
            self.shutdown_request(request)
            return
        connection, _ = self._door.connections.enter(received.connected, received.address[0])
        try:
            carry(self._entity, self._door, connection, received.address, received.request)
        finally:
            self._door.connections.leave(connection)
            received.connected.close()
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say that an association could not be begun; the standard library prints the traceback."""
        self._door.on_event("connection_refused", reason="no_thread", address="")


def _send(line: socket.socket, passed: socket.socket | None, address: tuple[str, int], request: bytes) -> None:
    origin = f"{address[0]} {address[1]}".encode()
    head = _HEAD.pack(passed is not None, len(origin), len(request))
    socket.send_fds(line, [head], [passed.fileno()] if passed is not None else [])
    line.sendall(origin + request)


def _receive(line: socket.socket) -> Received:
    """Raises: OSError, ValueError, if what comes is not what the door sends."""
    line.settimeout(_HEAD_SECS)
    head, passed, _, _ = socket.recv_fds(line, _HEAD.size, 1)
    connected = socket.socket(fileno=passed[0]) if passed else line
    try:
        has_socket, origin_length, request_length = _HEAD.unpack(head)
        if has_socket != bool(passed):
            raise ValueError("no socket came along")
        text, _, port = _exactly(line, origin_length).decode().rpartition(" ")
        return Received(connected, (text, int(port)), _exactly(line, request_length))
    except (OSError, ValueError, struct.error) as fault:
        connected.close()
        raise ValueError("not a connection that was handed on") from fault


def _exactly(line: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        more = line.recv(count - len(data))
        if not more:
            raise ConnectionError
        data += more
    return bytes(data)


def _relay(outer: socket.socket, inner: socket.socket, send_secs: float) -> None:
    """Carry bytes both ways until either side ends, or does not read for *send_secs*."""
    scrap = memoryview(bytearray(_RELAYED_BYTES))
    poll = select.poll()
    for side in (outer, inner):
        side.settimeout(send_secs)
        poll.register(side, select.POLLIN)
    with contextlib.suppress(OSError):
        while True:
            ready = {outer.fileno()} if _holds_more(outer) else {fd for fd, _ in poll.poll()}
            for source, target in ((outer, inner), (inner, outer)):
                if source.fileno() not in ready:
                    continue
                got, is_over = _gathered(source, scrap)
                source.settimeout(send_secs)
                target.sendall(scrap[:got])
                if is_over:
                    return


def _gathered(side: socket.socket, scrap: memoryview) -> tuple[int, bool]:
    """
    Read what is there now, waiting for nothing; return how much, and whether *side* has ended.

    TLS comes in records of 16 KiB: each by itself would wake the other process for a tenth of a fragment.
    """
    at = 0
    side.settimeout(0)
    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        while at < len(scrap):
            got = side.recv_into(scrap[at:])
            if not got:
                return at, True
            at += got
    return at, False


def _holds_more(side: socket.socket) -> bool:
    return isinstance(side, ssl.SSLSocket) and side.pending() > 0
