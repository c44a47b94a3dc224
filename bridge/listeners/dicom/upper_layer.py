"""pynetdicom's upper layer without its thread: events are worked off where they arise. Source: PS3.8 9.2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import P_DATA_TF as PDataPdu
from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT

from bridge.listeners.dicom.wire import P_DATA_TF, BadPdu, Wire

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.pdu_primitives import A_ASSOCIATE, _PDUPrimitiveType

_AWAITING_REQUEST: Final = "Sta2"
_ESTABLISHED: Final = "Sta6"
_RELEASE_ASKED: Final = "Sta8"
_AWAITING_CLOSE: Final = "Sta13"
# A-ABORT by the service provider: invalid PDU parameter value. Source: PS3.8 9.3.8.
_ABORT: Final = b"\7\0\0\0\0\4\0\0\2\6"
# What a peer may still send us while it is being shown the door.
_LINGER_BYTES = 64 << 10


class PeerGone(Exception):
    """The association ended while we had something to say; whoever was at work stops."""


class UpperLayer(DULServiceProvider):
    """
    The state machine, driven by the thread that owns the association.

    pynetdicom runs it in a thread that wakes each millisecond and talks to the association through queues. Here `send_pdu`
    and `next_data` run the machine to rest before they return, and the provider thread is never started.
    """

    socket: Wire

    def __init__(self, association: Association) -> None:
        super().__init__(association)

    @property
    def is_established(self) -> bool:
        return self.state_machine.current_state == _ESTABLISHED

    @property
    def is_awaiting_request(self) -> bool:
        return self.state_machine.current_state == _AWAITING_REQUEST

    @property
    def was_aborted(self) -> bool:
        """Say whether the peer or we ended it by an A-ABORT; otherwise the connection broke."""
        waiting = self.peek_next_pdu()
        return isinstance(waiting, A_ABORT) or (isinstance(waiting, A_P_ABORT) and waiting.provider_reason != 0)

    @property
    def is_release_asked(self) -> bool:
        return self.state_machine.current_state == _RELEASE_ASKED

    def run_events(self) -> None:
        """Work off every event that waits. Source: PS3.8 table 9-10."""
        while not self._kill_thread and not self.event_queue.empty():
            self.state_machine.do_action(self.event_queue.get_nowait())

    def send_pdu(self, primitive: _PDUPrimitiveType) -> None:
        """Hand *primitive* to the machine, which sends its PDU before this returns."""
        if self._kill_thread:
            return
        self.to_provider_queue.put(primitive)
        self._process_recv_primitive()
        self.run_events()

    def send_data(self, data: bytes | bytearray) -> None:
        """
        Send whole P-DATA-TFs. They change no state, so they pass the machine by.

        Raises: PeerGone.
        """
        if not (self.is_established or self.is_release_asked):
            raise PeerGone
        self.socket.send(data)
        self.run_events()
        if not (self.is_established or self.is_release_asked):
            raise PeerGone

    def next_data(self, patience_secs: float) -> memoryview | None:
        """
        Read one PDU; return the values of a P-DATA-TF, None if it was another one or the connection ended.

        The bytes are overwritten by the next call.
        Raises: TimeoutError, if no PDU began within *patience_secs*; PeerGone, if one could not be worked with.
        """
        established = self.is_established
        try:
            kind, body = self.socket.read_pdu(patience_secs, associated=established)
            if kind == P_DATA_TF and established:
                return body
            self._take(kind, body)
        except TimeoutError:
            raise
        except OSError:
            self.event_queue.put("Evt17")
        except BadPdu:
            self.event_queue.put("Evt19")
        try:
            self.run_events()
        except Exception as fault:
            # Some values are looked at by the machine only, and it stops for good when it does not like them.
            self.socket.send(_ABORT)
            raise PeerGone from fault
        return None

    def _take(self, kind: int, body: memoryview) -> None:
        if kind == P_DATA_TF:
            # Not expected now: the machine only needs to know that one came.
            self._recv_pdu.put(PDataPdu())
            self.event_queue.put("Evt10")
            return
        try:
            pdu, event = self._decode_pdu(bytearray((kind, 0)) + len(body).to_bytes(4, "big") + body)
        except Exception as fault:  # Anything may come out of a decoder that is fed by strangers.
            raise BadPdu from fault
        self._recv_pdu.put(pdu)
        self.event_queue.put(event)

    def take_request(self) -> A_ASSOCIATE | None:
        """Return the association request that has arrived, None while there is none."""
        return None if self.to_user_queue.empty() else cast("A_ASSOCIATE", self.to_user_queue.get_nowait())

    def violate(self) -> None:
        """Abort: the peer broke the protocol above the PDUs. Source: PS3.8 9.2 (AA-8)."""
        self.event_queue.put("Evt19")
        self.run_events()

    def linger(self, secs: float) -> None:
        """Give the peer a moment to close first, then close."""
        if self.state_machine.current_state == _AWAITING_CLOSE or self._kill_thread:
            self.socket.discard(secs, _LINGER_BYTES)
        self.socket.close()
        self.run_events()
