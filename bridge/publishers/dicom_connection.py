"""One association that we open: a blocking requestor for C-STORE, C-FIND and C-ECHO. Source: PS3.8 7.1, 9.3.

pynetdicom codes the association's PDUs. Its own requestor runs two polling threads for each association and holds a whole
object in memory; this one streams from the file and belongs to the thread that opened it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import Command, parse_command, values_of
from bridge.codecs.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from bridge.codecs.dicom.unpacked import Unpack
from bridge.errors import Malformed, Unavailable

_APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
_MAXIMUM_LENGTH: Final = 128 << 10
_SLACK_BYTES: Final = 256
_LARGEST_DATA_SET: Final = 4 << 20
_LARGEST_COMMAND: Final = 64 << 10
_LARGEST_ANSWER_PDU: Final = 1 << 20
_SMALLEST_MAXIMUM: Final = 128

_ASSOCIATE_AC: Final = 2
_ASSOCIATE_RJ: Final = 3
_P_DATA: Final = 4
_RELEASE_RP: Final = 6
_RELEASE_RQ_PDU: Final = struct.pack(">BxLL", 5, 4, 0)
_ABORT_PDU: Final = struct.pack(">BxL4x", 7, 4)
_RELEASE_SECS: Final = 5.0

_REJECTIONS: Final = {
    (1, 2): "application context not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


@dataclass(frozen=True, slots=True)
class Target:
    """
    A remote to call. tls: the context to call it with, None for a plain connection.

    unpack: decompresses what it takes in no other way, None where such things are not sent.
    """

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    unpack: Unpack | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect and shake hands, for the answer to the association request, for any other answer, for a send."""

    connect: float = 10
    associate: float = 30
    answer: float = 120
    send: float = 30


@dataclass(frozen=True, slots=True)
class Proposal:
    """One presentation context that we propose. as_scp: we are SCP in it, the other side SCU. Source: PS3.7 D.3.3.4."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """One presentation context that the other side took."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


class Requestor:
    """
    An open association; a context manager that releases it, or aborts it when the block ends in an exception.

    Raises: Unavailable from every call, once the other side is gone or silent.
    """

    def __init__(
        self, target: Target, calling_ae_title: str, proposals: Sequence[Proposal], timeouts: Timeouts | None = None
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._message_id = 0
        self.accepted: tuple[Accepted, ...] = ()
        self.fragment_bytes = _MAXIMUM_LENGTH
        self._values: Iterator[tuple[int, int, memoryview]] = iter(())
        self._socket = _connect(target, self._timeouts.connect)
        try:
            self._associate(target, calling_ae_title, proposals)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if fault is None:
                self._release()
            else:
                self._socket.settimeout(_RELEASE_SECS)
                self._socket.sendall(_ABORT_PDU)
        except (OSError, Unavailable):
            # The association is over either way; what was promised was answered before.
            return
        finally:
            self._socket.close()

    def next_message_id(self) -> int:
        """Return a message id that no open request has."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def send(self, data: bytes | bytearray) -> None:
        """Send whole P-DATA-TFs."""
        with _as_unavailable():
            self._socket.settimeout(self._timeouts.send)
            self._socket.sendall(data)

    def receive(self, secs: float | None = None) -> tuple[Command, bytes]:
        """Return the next message and its data set, b"" if it has none. secs: how long to wait, None for as usual."""
        reply = _Reply()
        deadline = time.monotonic() + (self._timeouts.answer if secs is None else secs)
        with _as_unavailable():
            while not reply.is_whole:
                reply.take(*self._next_fragment(deadline))
        return reply.command, bytes(reply.data_set)

    def _next_fragment(self, deadline: float) -> tuple[int, memoryview]:
        """Return the next value's control bits and fragment; one PDU may hold the end of a message and the next one."""
        value = next(self._values, None)
        while value is None:
            kind, body = self._read_pdu(deadline)
            if kind != _P_DATA:
                raise ConnectionAbortedError
            self._values = values_of(memoryview(body))
            value = next(self._values, None)
        return value[1], value[2]

    def _associate(self, target: Target, calling_ae_title: str, proposals: Sequence[Proposal]) -> None:
        request = _request(target, calling_ae_title, proposals)
        with _as_unavailable():
            self._socket.settimeout(self._timeouts.send)
            self._socket.sendall(request)
            kind, body = self._read_pdu(time.monotonic() + self._timeouts.associate)
        if kind == _ASSOCIATE_RJ:
            raise _rejection(body)
        if kind != _ASSOCIATE_AC:
            raise Unavailable("the association request was aborted", code="association_aborted")
        self._take_acceptance(body, proposals)

    def _take_acceptance(self, body: bytearray, proposals: Sequence[Proposal]) -> None:
        pdu = A_ASSOCIATE_AC()
        try:
            pdu.decode(_whole(_ASSOCIATE_AC, body))
            answer = pdu.to_primitive()
            accepted = [cx for cx in answer.presentation_context_definition_results_list if cx.result == 0]
            maximum = answer.maximum_length_received or 0
        except Exception as fault:  # Anything may come out of a decoder that is fed by another's bytes.
            raise Unavailable("the association answer cannot be read", code="bad_peer") from fault
        proposed = {2 * place + 1: proposal for place, proposal in enumerate(proposals)}
        self.accepted = tuple(
            Accepted(cx.context_id, proposed[cx.context_id].abstract_syntax, str(cx.transfer_syntax[0]))
            for cx in accepted
            if cx.context_id in proposed and cx.transfer_syntax
        )
        if 0 < maximum < _SMALLEST_MAXIMUM:
            raise Unavailable("the other side takes no usable PDU size", code="bad_peer")
        self.fragment_bytes = min(maximum or _MAXIMUM_LENGTH, _MAXIMUM_LENGTH) - commands.PDV_HEADER_BYTES

    def _release(self) -> None:
        self._socket.settimeout(self._timeouts.send)
        self._socket.sendall(_RELEASE_RQ_PDU)
        deadline = time.monotonic() + _RELEASE_SECS
        with _as_unavailable():
            while self._read_pdu(deadline)[0] != _RELEASE_RP:
                pass

    def _read_pdu(self, deadline: float) -> tuple[int, bytearray]:
        header = self._read(6, deadline)
        kind, length = struct.unpack(">BxL", header)
        if length > (_MAXIMUM_LENGTH + _SLACK_BYTES if kind == _P_DATA else _LARGEST_ANSWER_PDU):
            raise Malformed("a PDU that is too large")
        return kind, self._read(length, deadline)

    def _read(self, wanted: int, deadline: float) -> bytearray:
        data = bytearray(wanted)
        view, got = memoryview(data), 0
        while got < wanted:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            more = self._socket.recv_into(view[got:])
            if not more:
                raise ConnectionResetError
            got += more
        return data


class _Reply:
    """One message as its fragments come in."""

    def __init__(self) -> None:
        self.data_set = bytearray()
        self.is_whole = False
        self._encoded = bytearray()
        self._command: Command | None = None

    @property
    def command(self) -> Command:
        """The command set, once the message is whole."""
        if self._command is None:
            raise Malformed("a data set without its command set", source="PS3.7 6.3")
        return self._command

    def take(self, control: int, fragment: memoryview) -> None:
        """Append a fragment. Raises: Malformed, once there is more than an answer may hold."""
        is_command, is_last = bool(control & commands.IS_COMMAND), bool(control & commands.IS_LAST)
        kind, most = (self._encoded, _LARGEST_COMMAND) if is_command else (self.data_set, _LARGEST_DATA_SET)
        kind += fragment
        if len(kind) > most:
            raise Malformed("an answer that is too large")
        if is_command and is_last:
            self._command = parse_command(self._encoded)
        self.is_whole = is_last and (not is_command or not self.command.has_data_set)


@contextlib.contextmanager
def _as_unavailable() -> Iterator[None]:
    """Say the other side's failures in our own family: whatever it does, trying again later is all one can do."""
    try:
        yield
    except TimeoutError as fault:
        raise Unavailable("the other side does not answer", code="no_answer") from fault
    except OSError as fault:
        raise Unavailable("the association was lost", code="association_lost") from fault
    except Malformed as fault:
        raise Unavailable("the other side does not keep to the protocol", code="bad_peer") from fault


def _connect(target: Target, secs: float) -> socket.socket:
    try:
        plain = socket.create_connection((target.host, target.port), secs)
    except OSError as fault:
        raise Unavailable(f"{target.ae_title} cannot be reached", code="unreachable") from fault
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if target.tls is None:
            return plain
        return target.tls.wrap_socket(plain, server_hostname=target.host)
    except OSError as fault:
        plain.close()
        raise Unavailable(f"no TLS with {target.ae_title}", code="tls_failed") from fault


def _request(target: Target, calling_ae_title: str, proposals: Sequence[Proposal]) -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(_APPLICATION_CONTEXT)
    primitive.calling_ae_title = calling_ae_title
    primitive.called_ae_title = target.ae_title
    # Not on the wire; the primitive wants to have them.
    primitive.calling_presentation_address = AddressInformation("127.0.0.1", 0)
    primitive.called_presentation_address = AddressInformation("127.0.0.1", 0)
    contexts = []
    for place, proposal in enumerate(proposals):
        context = PresentationContext()
        context.context_id = 2 * place + 1
        context.abstract_syntax = UID(proposal.abstract_syntax)
        context.transfer_syntax = [UID(syntax) for syntax in proposal.transfer_syntaxes]
        contexts.append(context)
    primitive.presentation_context_definition_list = contexts
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = _MAXIMUM_LENGTH
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    primitive.user_information = [maximum, implementation, version, *_roles(proposals)]
    return bytes(A_ASSOCIATE_RQ(primitive).encode())


def _roles(proposals: Sequence[Proposal]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    found = []
    for proposal in proposals:
        if proposal.as_scp:
            item = SCP_SCU_RoleSelectionNegotiation()
            item.sop_class_uid = UID(proposal.abstract_syntax)
            item.scu_role, item.scp_role = False, True
            found.append(item)
    return found


def _rejection(body: bytearray) -> Unavailable:
    pdu = A_ASSOCIATE_RJ()
    try:
        pdu.decode(_whole(_ASSOCIATE_RJ, body))
        why = _REJECTIONS.get((pdu.source or 0, pdu.reason_diagnostic or 0), "no reason given")
    except Exception as fault:  # Anything may come out of a decoder that is fed by another's bytes.
        raise Unavailable("the association answer cannot be read", code="bad_peer") from fault
    return Unavailable(f"the association was rejected: {why}", code="association_rejected")


def _whole(kind: int, body: bytearray) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + bytes(body)
