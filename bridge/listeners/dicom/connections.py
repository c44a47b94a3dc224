"""Every open connection and what it may cost: strangers wait in few places, and the oldest gives way to the newest."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.listeners.dicom.ports import Limits

_LOOK_SECS = 0.02


@dataclass(eq=False, slots=True)
class Connection:
    """
    One accepted socket. established: its association counts against that cap, no longer among the waiting.

    is_busy: asked when the server stops; true while a message is being received or served.
    """

    request: socket.socket
    address: str
    since: float = field(default_factory=time.monotonic)
    established: bool = False
    evicted: bool = False
    is_busy: Callable[[], bool] = bool


class Connections:
    """
    The open connections of one server, whichever of its doors they came through.

    A connection that has not negotiated is cheap to make and holds a thread, so there are few for each address and few
    in all. When they are used up the oldest one goes, not the newcomer: whoever talks at once is always let in. An address
    that opens many at a stroke, as a gateway does, is given waiting_grace_secs to negotiate them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._open: set[Connection] = set()

    def enter(self, request: socket.socket, address: str) -> tuple[Connection, Connection | None]:
        """Register a connection; return it, and the one that had to give way, if any."""
        connection = Connection(request, address)
        with self._lock:
            leaving = self._crowded_out(address)
            self._open.add(connection)
        if leaving is not None:
            hang_up(leaving.request)
        return connection, leaving

    def establish(self, connection: Connection) -> bool:
        """Count *connection* as an association; False, if there are as many as there may be."""
        with self._lock:
            if sum(other.established for other in self._open) >= self._limits.associations:
                return False
            connection.established = True
            return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has been closed."""
        with self._lock:
            self._open.discard(connection)

    def end_all(self, secs: float) -> None:
        """End every connection: idle ones at once, busy ones when they are done or *secs* have passed."""
        deadline = time.monotonic() + secs
        while (left := self._snapshot()) and time.monotonic() < deadline:
            for connection in left:
                if not connection.is_busy():
                    hang_up(connection.request)
            time.sleep(_LOOK_SECS)
        for connection in left:
            hang_up(connection.request)

    def _snapshot(self) -> list[Connection]:
        with self._lock:
            return list(self._open)

    def _crowded_out(self, address: str) -> Connection | None:
        waiting = [other for other in self._open if not other.established and not other.evicted]
        counts = Counter(other.address for other in waiting)
        is_full = len(waiting) >= self._limits.waiting
        if not is_full and counts[address] < self._limits.waiting_per_address:
            return None
        crowded = counts.most_common(1)[0][0] if is_full else address
        oldest = min((other for other in waiting if other.address == crowded), key=lambda other: other.since)
        if not is_full and time.monotonic() - oldest.since < self._limits.waiting_grace_secs:
            return None
        oldest.evicted = True
        return oldest


def hang_up(request: socket.socket) -> None:
    """
    Make the owner of *request* see its end, from another thread.

    Below TLS, whose own shutdown would change the state that the owner is using.
    """
    with contextlib.suppress(OSError):
        socket.socket.shutdown(request, socket.SHUT_RDWR)
