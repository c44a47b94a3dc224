"""A sender of HL7 messages, as another system's would be: for `imaging-bridge send hl7` and for tests."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable

from bridge.codecs.hl7.ack import is_first_of_two
from bridge.codecs.hl7.envelope import read_envelope
from bridge.codecs.hl7.framing import Frame, FrameDecoder, wrap
from bridge.errors import Unavailable

_CHUNK = 65536
_BOTH = ("AL", "SU")


def send_frames(
    host: str, port: int, payloads: Iterable[bytes], tls: ssl.SSLContext | None = None, timeout_secs: float = 30.0
) -> list[bytes]:
    """
    Send messages one after the other over one connection and return their answers, unframed, in order.

    Each waits for its answer before the next is sent; where it asks for two (MSH-15, MSH-16) they stand behind each other,
    where it asks for none there is b"". tls: a client's context, None for plain; the name is checked if the
    context says so. timeout_secs: for connecting, and for each answer.
    Raises: Unavailable, when the other side is not there, is silent, or closes; what was answered before is lost with it.
    """
    try:
        with socket.create_connection((host, port), timeout=timeout_secs) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = tls.wrap_socket(plain, server_hostname=host) if tls else plain
            try:
                return [_exchange(wire, payload, timeout_secs) for payload in payloads]
            finally:
                wire.close()
    except TimeoutError:
        raise Unavailable(f"no answer within {timeout_secs:g} s", code="timeout") from None
    except OSError as error:
        raise Unavailable(f"connection failed: {error.strerror or error}", code="connection_failed") from None


def _exchange(wire: socket.socket, payload: bytes, timeout_secs: float) -> bytes:
    wire.settimeout(timeout_secs)
    wire.sendall(wrap(payload))
    asked = read_envelope(payload)
    if not asked.is_batch and {asked.field(15).strip(), asked.field(16).strip()} == {"NE"}:
        return b""
    decoder, found = FrameDecoder(), b""
    give_up = time.monotonic() + timeout_secs
    while True:
        wire.settimeout(max(0.001, give_up - time.monotonic()))
        data = wire.recv(_CHUNK)
        if not data:
            raise Unavailable("the connection was closed without an answer", code="connection_closed")
        events = [*decoder.feed(data), decoder.settle()]
        found += b"".join(event.payload for event in events if isinstance(event, Frame))
        if found and not (asked.field(16).strip() in _BOTH and is_first_of_two(found)):
            return found
