"""The connection to a system that we tell things over MLLP: kept open, and in doubt closed."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.codecs.hl7.answer import Answer, read_answer
from bridge.codecs.hl7.framing import Frame, FrameDecoder, Skipped, check, wrap
from bridge.errors import BridgeError, Misconfigured, Unavailable
from bridge.outbox.retry import DESTINATION_DOWN

# The message went out, and nobody knows what became of it.
NO_ANSWER = "no_answer"

_CHUNK = 65536
_MAX_ANSWER_BYTES = 1024 * 1024
# Block-level answers of MLLP release 2, which may come before the acknowledgment. Source: HL7 MLLP R2 1.2.2.2.
_COMMITTED = b"\x06"
_NOT_COMMITTED = b"\x15"
# A server of TLS 1.3 says that it wants another certificate only after its handshake is over.
_REFUSAL_SECS = 0.3


@dataclass(frozen=True, slots=True)
class MllpTarget:
    """
    Where messages go.

    tls: makes the context of each new connection, so that a changed certificate is taken up; None for plain.
    server_name: whose certificate must be shown. timeout_secs: for connecting, and for each answer.
    """

    host: str
    port: int
    timeout_secs: float = 30.0
    tls: Callable[[], ssl.SSLContext] | None = None
    server_name: str = ""


class MllpLink:
    """
    One connection to one system, kept open, with one message on its way at a time. Thread-safe.

    Any doubt closes it: an answer that comes after its time comes on a connection that nobody reads any more, and one
    that names another message is never taken for this one's.
    """

    def __init__(self, target: MllpTarget) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._wire: socket.socket | None = None
        self._decoder = FrameDecoder(_MAX_ANSWER_BYTES)

    def exchange(self, payload: bytes, control_id: str, still_wanted: Callable[[], None]) -> Answer:
        """
        Send a message and return the answer that names it.

        still_wanted: called when everything is ready to send. Of two answers to one message that came together the
        application's outweighs the one that only took it in.
        Raises: Unavailable, code "destination_down" if nothing was sent, NO_ANSWER if nobody knows what became of it.
        """
        with self._lock:
            wire = self._open()
            still_wanted()
            try:
                return self._ask(wire, payload, control_id)
            except BaseException:
                self._close()
                raise

    def probe(self) -> None:
        """Connect, and see that the other side does not hang up at once. Raises: Unavailable."""
        with self._lock:
            wire = self._open()
            wire.settimeout(_REFUSAL_SECS)
            try:
                ended = not wire.recv(_CHUNK)
            except TimeoutError:
                return
            except OSError as error:
                raise _down(error) from None
            finally:
                self._close()
        if ended:
            raise Unavailable("the connection was closed at once", code=DESTINATION_DOWN)

    def close(self) -> None:
        """End the connection; the next message opens another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _open(self) -> socket.socket:
        if self._wire is not None and self._is_open(self._wire):
            return self._wire
        self._close()
        self._decoder = FrameDecoder(_MAX_ANSWER_BYTES)
        self._wire = self._connect()
        return self._wire

    def _connect(self) -> socket.socket:
        target = self._target
        plain: socket.socket | None = None
        try:
            plain = socket.create_connection((target.host, target.port), timeout=target.timeout_secs)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if target.tls is None:
                return plain
            return target.tls().wrap_socket(plain, server_hostname=target.server_name or target.host)
        except (OSError, Misconfigured) as error:
            if plain is not None:
                plain.close()
            raise _down(error) from None

    def _is_open(self, wire: socket.socket) -> bool:
        """Read away what came unasked: answers to earlier messages, or the end."""
        wire.settimeout(0)
        try:
            while data := wire.recv(_CHUNK):
                self._decoder.feed(data)
                self._decoder.settle()
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except (OSError, BridgeError):
            return False
        return False

    def _ask(self, wire: socket.socket, payload: bytes, control_id: str) -> Answer:
        give_up = time.monotonic() + self._target.timeout_secs
        try:
            wire.settimeout(self._target.timeout_secs)
            wire.sendall(wrap(payload))
            while True:
                wire.settimeout(max(0.001, give_up - time.monotonic()))
                data = wire.recv(_CHUNK)
                if not data:
                    raise Unavailable("the connection was closed without an answer", code=NO_ANSWER)
                ours = [answer for answer in self._answers(data) if answer.control_id == control_id]
                if ours:
                    return next((answer for answer in ours if answer.is_application_level), ours[-1])
                if time.monotonic() > give_up:
                    raise TimeoutError
        except TimeoutError:
            raise Unavailable(f"no answer within {self._target.timeout_secs:g} s", code=NO_ANSWER) from None
        except OSError as error:
            raise Unavailable(f"the connection broke: {_reason(error)}", code=NO_ANSWER) from None

    def _answers(self, data: bytes) -> Sequence[Answer]:
        try:
            events: list[Frame | Skipped] = [*self._decoder.feed(data)]
            settled = self._decoder.settle()
            frames = [one for one in [*events, settled] if isinstance(one, Frame)]
            payloads = [check(frame) for frame in frames]
            if _NOT_COMMITTED in payloads:
                raise Unavailable("the message was not taken in (NAK)", code=NO_ANSWER)
            return [read_answer(payload) for payload in payloads if payload != _COMMITTED]
        except Unavailable:
            raise
        except BridgeError as fault:
            raise Unavailable(f"an answer that cannot be read: {fault.detail}", code=NO_ANSWER) from None


def _down(error: Exception) -> Unavailable:
    if isinstance(error, TimeoutError):
        return Unavailable("no connection in time", code=DESTINATION_DOWN)
    return Unavailable(f"no connection: {_reason(error)}", code=DESTINATION_DOWN)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or 'handshake failed').replace('_', ' ').lower()}"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return str(error)
