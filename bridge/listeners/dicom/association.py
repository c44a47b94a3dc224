"""One association from its first byte to its last, in one thread. Source: PS3.8 7, 9.2."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.transport import AddressInformation

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import Command
from bridge.codecs.dicom.status import (
    NORMALIZED,
    SOP_CLASS_NOT_SUPPORTED,
    UNRECOGNIZED_OPERATION,
    Outcome,
    Service,
)
from bridge.listeners.dicom.admission import Admission, Caller, Rejection
from bridge.listeners.dicom.catalogue import Offered
from bridge.listeners.dicom.connections import Connection, Connections
from bridge.listeners.dicom.exchange import Exchange, origin
from bridge.listeners.dicom.messages import Assembler, Context, Message, Sink
from bridge.listeners.dicom.negotiation import negotiate
from bridge.listeners.dicom.ports import Limits, OnEvent
from bridge.listeners.dicom.upper_layer import PeerGone, UpperLayer
from bridge.listeners.dicom.wire import Wire

Operation = Callable[[Exchange, Message], None]

_PERMANENT: Final = 1
_TRANSIENT: Final = 2
_SERVICE_USER: Final = 1
_PRESENTATION: Final = 3
_LOCAL_LIMIT_EXCEEDED: Final = 2
_NO_REASON: Final = 1
_APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
_APPLICATION_CONTEXT_NOT_SUPPORTED: Final = 2
# A header of six bytes and room for something behind it.
_SMALLEST_MAXIMUM: Final = 128

_KNOWN_FIELDS = frozenset({0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150})


class OpenSpool(Protocol):
    """Says where the object of a C-STORE-RQ goes."""

    def __call__(self, context: Context, command: Command, caller: Caller, name: str) -> Sink: ...


class HandOn(Protocol):
    """Lets another process carry an association; returns when it is over, False if nobody took it."""

    def __call__(self, connected: socket.socket, address: tuple[str, int], request: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class Door:
    """What all associations of one server share. hand_on: None where all are carried here; heavy: what is handed on."""

    admission: Admission
    services: Offered
    operations: Mapping[tuple[Service, int], Operation]
    open_spool: OpenSpool
    limits: Limits
    on_event: OnEvent
    new_id: Callable[[], str]
    connections: Connections
    hand_on: HandOn | None = None
    heavy: frozenset[Service] = frozenset()


class InboundAssociation(Association):
    """
    pynetdicom's acceptor, carried by the thread that accepted the connection.

    pynetdicom gives each association two threads that wake a thousand times a second and hand each message over; `converse`
    replaces them. Its request dispatch is not used either: it logs identifiers and what handlers raise.
    """

    dul: UpperLayer

    def __init__(
        self,
        entity: ApplicationEntity,
        door: Door,
        connection: Connection,
        address: tuple[str, int],
        already_read: bytes = b"",
    ) -> None:
        super().__init__(entity, MODE_ACCEPTOR)
        self._door = door
        self._connection = connection
        self.association_id = door.new_id()
        self.dul = UpperLayer(self)
        self.set_socket(Wire(self, connection.request, door.limits, already_read))
        self.acceptor.maximum_length = door.limits.pdu_bytes
        self.acceptor.ae_title = entity.ae_title
        self.acceptor.implementation_class_uid = entity.implementation_class_uid
        self.acceptor.implementation_version_name = entity.implementation_version_name
        self.requestor.address_info = AddressInformation(address[0], address[1])

    def converse(self) -> None:
        """Negotiate, serve until the peer leaves, close."""
        try:
            self.dul.run_events()
            request = self._await_request()
            caller = self._admit(request) if request is not None else None
            if request is not None and caller is not None:
                self._associate(request, caller)
        finally:
            self.dul.linger(self._door.limits.linger_secs)

    def _await_request(self) -> A_ASSOCIATE | None:
        deadline = time.monotonic() + self._door.limits.artim_secs
        while self.dul.is_awaiting_request:
            try:
                self.dul.next_data(max(deadline - time.monotonic(), 0.001))
            except TimeoutError:
                break
        request = self.dul.take_request()
        return request if isinstance(request, A_ASSOCIATE) else None

    def _admit(self, request: A_ASSOCIATE) -> Caller | None:
        self.requestor.primitive = request
        called, calling = str(request.called_ae_title).strip(), str(request.calling_ae_title).strip()
        address = self.requestor.address
        verdict = self._door.admission.admit(called, calling, address, self.association_id)
        if isinstance(verdict, Rejection):
            self.acse.send_reject(_PERMANENT, _SERVICE_USER, verdict.diagnostic)
            self._report_rejection(verdict.reason, called, calling)
            return None
        if str(request.application_context_name) != _APPLICATION_CONTEXT:
            self.acse.send_reject(_PERMANENT, _SERVICE_USER, _APPLICATION_CONTEXT_NOT_SUPPORTED)
            self._report_rejection("application_context", called, calling)
            return None
        if 0 < (self.requestor.maximum_length or 0) < _SMALLEST_MAXIMUM:
            self.acse.send_reject(_PERMANENT, _SERVICE_USER, _NO_REASON)
            self._report_rejection("maximum_length", called, calling)
            return None
        return verdict

    def _associate(self, request: A_ASSOCIATE, caller: Caller) -> None:
        if not self._door.connections.establish(self._connection):
            self.acse.send_reject(_TRANSIENT, _PRESENTATION, _LOCAL_LIMIT_EXCEEDED)
            self._report_rejection("too_many_associations", str(request.called_ae_title), caller.ae_title)
            return
        if self._is_handed_on(request):
            return
        contexts = self._negotiate(request, caller)
        if not self.dul.is_established:
            return
        self.is_established = True
        exchange = Exchange(self.dul, caller, self._door.limits, self._door.on_event)
        exchange.open(
            Assembler(contexts, self._door.limits, lambda cx, command: self._open_spool(exchange, cx, command)),
            contexts,
            self.requestor.maximum_length or 0,
        )
        self._connection.is_busy = lambda: exchange.is_busy
        exchange.report("association_opened", contexts=len(contexts))
        if self._wants_worklist() and all(one.service != Service.WORKLIST for one in contexts.values()):
            reason = "context" if Service.WORKLIST in caller.rights else "role"
            exchange.report("worklist_refused", called=str(request.called_ae_title).strip(), reason=reason)
        started, ended = time.monotonic(), "lost"
        try:
            ended = self._serve(exchange)
        finally:
            exchange.close()
            self.is_established = False
            exchange.report(
                "association_closed",
                ended=ended,
                secs=round(time.monotonic() - started, 3),
                received_bytes=self.dul.socket.received_bytes,
                stored=exchange.stored.instances,
                longest_store_secs=round(exchange.stored.longest_secs, 6),
            )

    def _is_handed_on(self, request: A_ASSOCIATE) -> bool:
        """Let another process carry what moves images, if one is there; return whether it has."""
        hand_on, services = self._door.hand_on, self._door.services
        proposed = {services.get(str(cx.abstract_syntax)) for cx in request.presentation_context_definition_list}
        if hand_on is None or not proposed & self._door.heavy:
            return False
        self._connection.is_busy = lambda: True
        address = (self.requestor.address, self.requestor.port or 0)
        if hand_on(self._connection.request, address, self.dul.socket.last_pdu):
            return True
        self._connection.is_busy = bool
        return False

    def _negotiate(self, request: A_ASSOCIATE, caller: Caller) -> dict[int, Context]:
        asked = {
            str(uid): (bool(item.scu_role), bool(item.scp_role)) for uid, item in self.requestor.role_selection.items()
        }
        proposed = request.presentation_context_definition_list
        negotiated = negotiate(proposed, asked, self._door.services, caller.rights)
        self._accepted_cx = {int(cx.context_id or 0): cx for cx in negotiated.results if cx.result == 0}
        self._rejected_cx = [cx for cx in negotiated.results if cx.result != 0]
        for item in negotiated.roles:
            self.acceptor.add_negotiation_item(item)
        self.acse.send_accept()
        return negotiated.contexts

    def _serve(self, exchange: Exchange) -> str:
        """Answer requests one after another; return how the association ended."""
        try:
            while (request := exchange.next_message()) is not None:
                exchange.forget_cancellations()
                self._dispatch(exchange, request)
                exchange.flush()
        except TimeoutError:
            self.acse.send_abort(0x02)
            return "idle"
        except PeerGone:
            # Perhaps it asked to be released while an answer was on its way.
            pass
        if self.dul.is_release_asked:
            self.acse.send_release(is_response=True)
            self.is_released = True
            return "released"
        return "aborted" if self.dul.was_aborted else "lost"

    def _dispatch(self, exchange: Exchange, request: Message) -> None:
        context, command = request.context, request.command
        operation = self._door.operations.get((context.service, command.command_field))
        named = command.text(commands.AFFECTED_SOP_CLASS_UID) or command.text(commands.REQUESTED_SOP_CLASS_UID)
        if operation is not None and command.command_field == commands.C_STORE_RQ:
            operation(exchange, request)
        elif command.command_field not in _KNOWN_FIELDS:
            exchange.report("association_violated", code="unknown_command", reason="no such command field")
            self.dul.violate()
        elif operation is None or not (context.serves or command.command_field == commands.N_EVENT_REPORT_RQ):
            exchange.respond(request, Outcome(UNRECOGNIZED_OPERATION, "not an operation of this context"))
        elif named and named != context.abstract_syntax and context.service not in NORMALIZED:
            exchange.respond(request, Outcome(SOP_CLASS_NOT_SUPPORTED, "the SOP class is not the context's"))
        else:
            operation(exchange, request)

    def _open_spool(self, exchange: Exchange, context: Context, command: Command) -> Sink:
        return self._door.open_spool(context, command, exchange.caller, self._door.new_id())

    def _report_rejection(self, reason: str, called: str, calling: str) -> None:
        self._door.on_event(
            "association_rejected",
            reason=reason,
            called=_printable(called),
            calling=_printable(calling),
            address=self.requestor.address,
            worklist=self._wants_worklist(),
        )

    def _wants_worklist(self) -> bool:
        """Say whether the worklist is among what the peer proposes."""
        request = self.requestor.primitive
        proposed = request.presentation_context_definition_list if isinstance(request, A_ASSOCIATE) else []
        return any(self._door.services.get(str(one.abstract_syntax)) == Service.WORKLIST for one in proposed)


def carry(
    entity: ApplicationEntity,
    door: Door,
    connection: Connection,
    address: tuple[str, int],
    already_read: bytes = b"",
) -> None:
    """
    Carry one connection to its end, in this thread; what goes wrong is told, never raised.

    already_read: what another process took off the socket.
    """
    try:
        if isinstance(connection.request, ssl.SSLSocket):
            connection.request.do_handshake()
        InboundAssociation(entity, door, connection, address, already_read).converse()
    except (OSError, PeerGone) as fault:
        # The peer's own affair: it hung up, could not do TLS with us, or asked for an association in no known way.
        door.on_event("connection_lost", address=connection.address, error=type(fault).__name__)
    except Exception as fault:  # noqa: BLE001  # One connection's fault must not print its data or end the others.
        door.on_event("handler_failed", service="association", error=type(fault).__name__, where=origin(fault))


def _printable(title: str) -> str:
    """Return a title that a stranger chose as something a log line can hold."""
    return "".join(char if 0x20 <= ord(char) < 0x7F else "?" for char in title[:16])


def echo(exchange: Exchange, request: Message) -> None:
    """Answer a C-ECHO-RQ. Source: PS3.7 9.1.5."""
    exchange.respond(request, Outcome())
