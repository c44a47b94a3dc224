"""The MLLP door: frames in, answers out, many messages on a connection, each answered in order, no peer trusted."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network

import structlog

from bridge.codecs.hl7.framing import Frame
from bridge.listeners.mllp_conversation import Conversation, Cut, Handle, MllpCounts, MllpLimits
from bridge.listeners.mllp_room import Connection, heaviest, room_for
from bridge.listeners.mllp_wire import Wire

__all__ = ["Handle", "MllpCounts", "MllpLimits", "MllpListener"]

_BACKLOG = 512
_BIND_RETRY_SECS = 0.2
_ACCEPT_PAUSE_SECS = 0.1
_CROWD = frozenset({"evicted", "refused"})
_DOOR_IS_BROKEN = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP})
_OUT_OF_SOCKETS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
log = structlog.get_logger(__name__)


class MllpListener:
    """
    Listens for HL7 senders until it is stopped.

    One message of a connection is in work at a time, and nothing more is read of it meanwhile: answers keep their order
    and a fast sender waits. tls: None for plain; a context with CERT_REQUIRED asks for the sender's certificate; another
    one counts for whoever connects from then on.
    on_cut: hears the reason and the address of every connection that was turned away or cut; it must not wait.
    """

    def __init__(
        self, host: str, port: int, handle: Handle, tls: ssl.SSLContext | None = None, limits: MllpLimits | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._handle = handle
        self.tls = tls
        self.limits = limits or MllpLimits()
        self._networks = [ip_network(network, strict=False) for network in self.limits.peers]
        self._connections: set[Connection] = set()
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self.counts = MllpCounts()
        self.on_cut: Callable[[str, str], None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, which for port 0 is known only after `start`."""
        return int(self._socket.getsockname()[1]) if self._socket else self._port

    @property
    def is_alive(self) -> bool:
        """Whether new senders are let in."""
        return self._accepting is not None and not self._accepting.done()

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    async def start(self) -> None:
        """
        Bind and begin to accept; an address that is still in use is tried again for a few seconds.

        Raises: OSError.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self.limits.bind_secs
        while True:
            try:
                self._socket = _bind(self._host, self._port)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE or loop.time() >= give_up:
                    raise
            await asyncio.sleep(_BIND_RETRY_SECS)
        self._accepting = loop.create_task(self._accept(self._socket))

    async def stop(self) -> None:
        """Stop accepting, let messages in work be answered, then close every connection."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
        for connection in list(self._connections):
            connection.conversation.ending = True
            if not connection.conversation.busy and connection.task is not None:
                connection.task.cancel()
        tasks = [connection.task for connection in self._connections if connection.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.limits.drain_secs)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def wait(self) -> None:
        """Return only by raising: when accepting ends by itself, the role must not live on half."""
        assert self._accepting is not None
        await self._accepting

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
                self._admit(accepted, _plain_address(str(address[0])))
            except OSError as error:
                if error.errno in _DOOR_IS_BROKEN:
                    raise
                if error.errno in _OUT_OF_SOCKETS:
                    log.error("mllp_accept_failed", reason=errno.errorcode.get(error.errno or 0, ""))
                    await asyncio.sleep(_ACCEPT_PAUSE_SECS)
                # Anything else is the peer's: it was gone before it was let in.
            # Accepting does not wait while more peers are queued: the others must get their turn all the same.
            await asyncio.sleep(0)

    def _admit(self, accepted: socket.socket, address: str) -> None:
        if not self._may_connect(address) or not self._make_room(address):
            self._count_cut("refused", address)
            accepted.close()
            return
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        loop = asyncio.get_running_loop()
        conversation = Conversation(Wire(), self._handle_from(address), self.limits, self.counts, self._relieve)
        connection = Connection(address, conversation, loop.time())
        self._connections.add(connection)
        self.counts.connections += 1
        connection.task = loop.create_task(self._serve(connection, accepted))
        # A task that is cancelled before its first step never reaches its own clean-up.
        connection.task.add_done_callback(lambda task: accepted.close() if task.cancelled() else None)

    def _handle_from(self, address: str) -> Callable[[Frame], Awaitable[bytes | None]]:
        return lambda frame: self._handle(frame, address)

    def _may_connect(self, address: str) -> bool:
        return not self._networks or any(ip_address(address) in network for network in self._networks)

    def _make_room(self, address: str) -> bool:
        """Close a connection where a cap is reached; say whether there is room for one more."""
        has_room, leaving = room_for(address, self._connections, self.limits)
        if leaving is not None:
            self._evict(leaving)
        return has_room

    def _relieve(self) -> None:
        """Close the heaviest connections until what unfinished frames hold is within bounds again."""
        while self.counts.held_bytes > self.limits.held_bytes:
            leaving = heaviest(self._connections)
            if leaving is None:
                return
            self._evict(leaving)

    def _evict(self, leaving: Connection) -> None:
        self._connections.discard(leaving)
        leaving.conversation.let_go()
        self._count_cut("evicted", leaving.address)
        if leaving.task is not None:
            leaving.task.cancel()

    async def _serve(self, connection: Connection, accepted: socket.socket) -> None:
        wire = connection.conversation.wire
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: wire,
                accepted,
                ssl=self.tls,
                ssl_handshake_timeout=self.limits.handshake_secs if self.tls else None,
            )
            await connection.conversation.run()
            wire.close()
        except Cut as cut:
            self._count_cut(str(cut), connection.address)
            wire.abort()
        except OSError:
            # Reset, a failed handshake (ssl.SSLError is an OSError), or silence where one was due: all the peer's.
            self._count_cut("peer_gone", connection.address)
            wire.abort()
        except asyncio.CancelledError:
            wire.abort()
            accepted.close()
        except Exception:
            # Our own fault: no answer is sent, so the sender keeps its message and sends it again.
            log.exception("mllp_handler_failed", peer=connection.address)
            self._count_cut("our_fault", connection.address)
            wire.abort()
        finally:
            connection.conversation.let_go()
            self._connections.discard(connection)

    def _count_cut(self, reason: str, address: str) -> None:
        count = self.counts.cut[reason] = self.counts.cut.get(reason, 0) + 1
        if self.on_cut is not None:
            self.on_cut(reason, address)
        # A crowd at the door must not fill the log: its first, second, fourth, eighth … is enough.
        if reason in _CROWD and count & (count - 1):
            return
        log.info("mllp_connection_cut", reason=reason, peer=address)


def _plain_address(address: str) -> str:
    """Return an IPv4 address that came in over IPv6 as what it is, so that networks and caps see one peer."""
    mapped = getattr(ip_address(address), "ipv4_mapped", None)
    return str(mapped) if mapped else address


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
