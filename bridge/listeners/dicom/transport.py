"""The listening socket: who gets a thread, with TLS shaken hands in that thread. Source: PS3.8 9.1, PS3.15 B.12."""

from __future__ import annotations

import errno
import socket
import socketserver
import ssl
import threading
import time
from typing import Any, Final

from pynetdicom.ae import ApplicationEntity

from bridge.listeners.dicom.admission import Network, may_come_plain
from bridge.listeners.dicom.association import Door, carry
from bridge.listeners.dicom.connections import Connection

_BREATH_SECS: Final = 0.1
# How often the accepting thread looks whether it shall stop.
_STOP_LOOK_SECS: Final = 0.1
_NO_MORE_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A listening socket with a thread that accepts and one for each connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: Any, name: str) -> None:
        super().__init__(address, socketserver.BaseRequestHandler)
        self._thread = threading.Thread(target=self.serve_forever, args=(_STOP_LOOK_SECS,), name=name, daemon=True)

    @property
    def is_listening(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Accept connections from now on."""
        self._thread.start()

    def close(self) -> None:
        """Accept no more; associations that are open go on."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()


class DicomTransport(Listener):
    """
    One listening port.

    pynetdicom's own server shakes TLS hands in the thread that accepts, so one silent client stops everybody; it has a
    backlog of five, no cap before a thread exists, copies all contexts for each connection and prints what goes wrong.
    """

    allow_reuse_address = True

    def __init__(
        self,
        entity: ApplicationEntity,
        address: tuple[str, int],
        door: Door,
        tls_context: ssl.SSLContext | None,
        plain_from: tuple[Network, ...],
    ) -> None:
        self._entity = entity
        self._door = door
        self._tls_context = tls_context
        self._plain_from = plain_from
        self._by_request: dict[socket.socket, Connection] = {}
        self.request_queue_size = door.limits.backlog
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, f"dicom-{address[1]}")

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; nothing here waits for its peer."""
        try:
            accepted, address = self.socket.accept()
        except OSError as fault:
            if fault.errno in _NO_MORE_FILES:
                # The connection stays in the backlog and would wake us again at once.
                time.sleep(_BREATH_SECS)
            raise
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            accepted.settimeout(self._door.limits.handshake_secs)
            if self._tls_context is not None:
                accepted = self._tls_context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError):
            # ValueError: the peer has reset the connection before TLS could be put on it.
            accepted.close()
            raise OSError from None
        return accepted, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuse who may not come without TLS, before a thread is made."""
        address = str(client_address[0])
        if self._tls_context is not None or may_come_plain(address, self._plain_from):
            return True
        self._door.on_event("connection_refused", reason="plain", address=address)
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Register the connection and give it a thread."""
        connection, evicted = self._door.connections.enter(request, str(client_address[0]))
        self._by_request[request] = connection
        if evicted is not None:
            self._door.on_event("connection_evicted", address=evicted.address)
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            # No thread to be had.
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Carry one connection from handshake to close."""
        connection = self._by_request[request]
        try:
            carry(self._entity, self._door, connection, client_address)
        finally:
            self._forget(request)
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say that a connection could not be begun; the standard library prints the traceback."""
        self._door.on_event("connection_refused", reason="no_thread", address=str(client_address[0]))

    def _forget(self, request: Any) -> None:
        connection = self._by_request.pop(request, None)
        if connection is not None:
            self._door.connections.leave(connection)
