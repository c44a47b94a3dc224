"""One accepted socket: PDUs read whole, within a deadline and under a cap; nothing else touches the peer's bytes."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING, Final

from pynetdicom.transport import AssociationSocket

from bridge.codecs.dicom.commands import PDU_HEADER_BYTES
from bridge.listeners.dicom.ports import Limits

if TYPE_CHECKING:
    from pynetdicom.association import Association

P_DATA_TF: Final = 4
_PDU_TYPES = frozenset(range(1, 8))
# Senders count the values only, or the header too; neither is an attack.
_SLACK_BYTES = 256


class BadPdu(Exception):
    """The peer sent what is no PDU, or one that is too large. Source: PS3.8 9.2 (Evt19)."""


class SlowPdu(OSError):
    """A PDU began and did not end in time."""


class Wire(AssociationSocket):
    """
    A connected socket with one user.

    pynetdicom reads until a length is there that the peer chose, without a deadline; here the length is checked before
    memory is taken, and the deadline is for the PDU, since a byte now and then would outlive any time-out per read.
    """

    def __init__(
        self, association: Association, connected: socket.socket, limits: Limits, already_read: bytes = b""
    ) -> None:
        """already_read: what another process took off the socket, to be read again."""
        super().__init__(association, client_socket=connected)
        self._limits = limits
        self._already_read = already_read
        self._last_length = 0
        self._header = bytearray(PDU_HEADER_BYTES)
        self._body = bytearray()
        self._timeout = -1.0
        self.received_bytes = 0

    def read_pdu(self, patience_secs: float, *, associated: bool) -> tuple[int, memoryview]:
        """
        Return a PDU's type and its bytes behind the header; they are overwritten by the next read.

        patience_secs: how long its first byte may take. associated: which cap counts.
        Raises: TimeoutError, if nothing came; SlowPdu and other OSError, if it broke off; BadPdu.
        """
        header = memoryview(self._header)
        got = self._receive(header, patience_secs)
        deadline = time.monotonic() + self._limits.pdu_secs
        if got < PDU_HEADER_BYTES:
            self._fill(header[got:], deadline)
        kind, length = struct.unpack(">BxL", header)
        if kind not in _PDU_TYPES:
            raise BadPdu
        whole = associated and kind == P_DATA_TF
        if length > (self._limits.pdu_bytes + _SLACK_BYTES if whole else self._limits.unassociated_pdu_bytes):
            raise BadPdu
        if len(self._body) < length:
            # Grown to the size that this peer really uses, then used again: no allocation for each PDU.
            self._body = bytearray(length)
        body = memoryview(self._body)[:length]
        self._fill(body, deadline)
        self.received_bytes += PDU_HEADER_BYTES + length
        self._last_length = length
        return kind, body

    @property
    def last_pdu(self) -> bytes:
        """The PDU that was read last, header and all."""
        return bytes(self._header) + bytes(memoryview(self._body)[: self._last_length])

    def has_data(self) -> bool:
        """Say whether a read would find bytes now."""
        if self.socket is None:
            return False
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

    def send(self, bytestream: bytes | bytearray) -> None:
        """Send all of *bytestream*; a peer that does not read for send_secs has closed (Evt17)."""
        if self.socket is None:
            return
        try:
            self._set_timeout(self._limits.send_secs)
            self.socket.sendall(bytestream)
        except OSError:
            self.event_queue.put("Evt17")

    def discard(self, secs: float, most_bytes: int) -> None:
        """Read and forget until the peer closes, so that our last PDU is not lost to a reset; give up soon."""
        deadline, left = time.monotonic() + secs, most_bytes
        scrap = memoryview(bytearray(16 << 10))
        try:
            while left > 0 and self.socket is not None:
                left -= self._receive(scrap, max(deadline - time.monotonic(), 0.001))
        except OSError:
            return

    def _fill(self, view: memoryview, deadline: float) -> None:
        got = 0
        while got < len(view):
            left = deadline - time.monotonic()
            if left <= 0:
                raise SlowPdu
            try:
                got += self._receive(view[got:], left)
            except TimeoutError:
                raise SlowPdu from None

    def _receive(self, view: memoryview, secs: float) -> int:
        if self.socket is None:
            raise ConnectionError
        if self._already_read:
            got = min(len(view), len(self._already_read))
            view[:got], self._already_read = self._already_read[:got], self._already_read[got:]
            return got
        self._set_timeout(secs)
        got = self.socket.recv_into(view)
        if not got:
            raise ConnectionError
        return got

    def _set_timeout(self, secs: float) -> None:
        # Each settimeout is a system call; a deadline that moved by less than a second is the same one.
        if self.socket is not None and abs(secs - self._timeout) > min(1.0, secs / 4):
            self.socket.settimeout(secs)
            self._timeout = secs
