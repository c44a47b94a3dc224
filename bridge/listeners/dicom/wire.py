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
_FIRST_BUFFER_BYTES = 4 << 10
_PDU_HEAD = struct.Struct(">BxL")
_TIMEVAL = struct.Struct("ll")


class BadPdu(Exception):
    """The peer sent what is no PDU, or one that is too large. Source: PS3.8 9.2 (Evt19)."""


class SlowPdu(OSError):
    """A PDU began and did not end in time."""


class Wire(AssociationSocket):
    """
    A connected socket with one user.

    pynetdicom reads until a length is there that the peer chose, without a deadline; here the length is checked before
    memory is taken, and the deadline is for the PDU, since a byte now and then would outlive any time-out per read. Once
    associated, a read takes what has come of the PDUs that follow too, and the kernel gathers what is missing of one:
    whoever waits in it holds up no other association, and each return from it does.
    """

    def __init__(
        self, association: Association, connected: socket.socket, limits: Limits, already_read: bytes = b""
    ) -> None:
        """already_read: what another process took off the socket, to be read again."""
        super().__init__(association, client_socket=connected)
        self._limits = limits
        # Bytes of the buffer that were read and not returned: the PDU that was returned last lies before them.
        self._buffer = bytearray(already_read.ljust(_FIRST_BUFFER_BYTES, b"\0"))
        self._start, self._end = 0, len(already_read)
        self._last = (0, 0)
        self._timeout = -1.0
        self._is_secured = isinstance(connected, ssl.SSLSocket)
        self.received_bytes = 0
        if not self._is_secured:
            # Time-outs are the kernel's: Python's own would poll before each call.
            connected.settimeout(None)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(limits.send_secs))

    def read_pdu(self, patience_secs: float, *, associated: bool) -> tuple[int, memoryview]:
        """
        Return a PDU's type and its bytes behind the header; they are overwritten by the next read.

        patience_secs: how long its first byte may take. associated: which cap counts.
        Raises: TimeoutError, if nothing came; SlowPdu and other OSError, if it broke off; BadPdu.
        """
        if self._start == self._end:
            self._start = self._end = 0
            self._receive(PDU_HEADER_BYTES, patience_secs, ahead=associated)
        deadline = time.monotonic() + self._limits.pdu_secs
        self._fill(PDU_HEADER_BYTES, deadline, ahead=associated)
        kind, length = _PDU_HEAD.unpack_from(self._buffer, self._start)
        if kind not in _PDU_TYPES:
            raise BadPdu
        whole = associated and kind == P_DATA_TF
        if length > (self._limits.pdu_bytes + _SLACK_BYTES if whole else self._limits.unassociated_pdu_bytes):
            raise BadPdu
        self._fill(PDU_HEADER_BYTES + length, deadline)
        began, self._start = self._start, self._start + PDU_HEADER_BYTES + length
        self._last = (began, self._start)
        self.received_bytes += PDU_HEADER_BYTES + length
        return kind, memoryview(self._buffer)[began + PDU_HEADER_BYTES : self._start]

    @property
    def last_pdu(self) -> bytes:
        """The PDU that was read last, header and all."""
        began, ended = self._last
        return bytes(memoryview(self._buffer)[began:ended])

    def has_data(self) -> bool:
        """Say whether a read would find bytes now."""
        if self.socket is None:
            return False
        if self._start < self._end or (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()):
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

    def send(self, bytestream: bytes | bytearray) -> None:
        """Send all of *bytestream*; a peer that does not read for send_secs has closed (Evt17)."""
        if self.socket is None:
            return
        try:
            if self._is_secured:
                self._set_timeout(self._limits.send_secs)
                self.socket.sendall(bytestream)
            else:
                self._send_plain(self.socket, memoryview(bytestream))
        except OSError:
            self.event_queue.put("Evt17")

    def discard(self, secs: float, most_bytes: int) -> None:
        """Read and forget until the peer closes, so that our last PDU is not lost to a reset; give up soon."""
        deadline, left = time.monotonic() + secs, most_bytes
        try:
            while left > 0 and self.socket is not None:
                self._start = self._end = 0
                self._receive(_FIRST_BUFFER_BYTES, max(deadline - time.monotonic(), 0.001))
                left -= self._end
        except OSError:
            return

    def _send_plain(self, connected: socket.socket, left: memoryview) -> None:
        deadline = time.monotonic() + self._limits.send_secs
        while left:
            if time.monotonic() > deadline:
                raise TimeoutError
            left = left[connected.send(left) :]

    def _fill(self, wanted: int, deadline: float, *, ahead: bool = False) -> None:
        """Have *wanted* bytes that were not returned. Raises: SlowPdu."""
        while self._end - self._start < wanted:
            left = deadline - time.monotonic()
            if left <= 0:
                raise SlowPdu
            try:
                self._receive(wanted, left, ahead=ahead, gathered=not ahead)
            except TimeoutError:
                raise SlowPdu from None

    def _receive(self, wanted: int, secs: float, *, ahead: bool = False, gathered: bool = False) -> None:
        """
        Read some of what is missing to *wanted* bytes.

        ahead: and of what follows. gathered: all of it, unless the time runs out before.
        Raises: TimeoutError, if nothing came.
        """
        if self.socket is None:
            raise ConnectionError
        self._make_room(wanted)
        end = len(self._buffer) if ahead else self._start + wanted
        self._set_timeout(secs)
        with memoryview(self._buffer)[self._end : end] as view:
            try:
                got = self.socket.recv_into(view, 0, socket.MSG_WAITALL if gathered and not self._is_secured else 0)
            except BlockingIOError:
                raise TimeoutError from None
        if not got:
            raise ConnectionError
        self._end += got

    def _make_room(self, wanted: int) -> None:
        """Let *wanted* bytes fit, in no more memory than this peer really uses."""
        if self._start + wanted <= len(self._buffer):
            return
        unread = self._buffer[self._start : self._end]
        if wanted > len(self._buffer):
            self._buffer = bytearray(wanted + _FIRST_BUFFER_BYTES)
        self._buffer[: len(unread)] = unread
        self._start, self._end = 0, len(unread)

    def _set_timeout(self, secs: float) -> None:
        # Each change is a system call; a deadline that moved by less than a second is the same one.
        if self.socket is None or abs(secs - self._timeout) <= min(1.0, secs / 4):
            return
        if self._is_secured:
            self.socket.settimeout(secs)
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(secs))
        self._timeout = secs


def _timeval(secs: float) -> bytes:
    """Return a duration as the kernel takes it; never 0, which would be for ever."""
    micros = max(int(secs * 1_000_000), 1000)
    return _TIMEVAL.pack(micros // 1_000_000, micros % 1_000_000)
