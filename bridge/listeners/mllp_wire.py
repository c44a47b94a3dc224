"""One accepted TCP or TLS connection as bytes in and bytes out, with back-pressure both ways."""

from __future__ import annotations

import asyncio

_READ_AHEAD_BYTES = 256 * 1024


class Wire(asyncio.Protocol):
    """
    What has arrived and was not taken yet, and a way to send.

    Reading from the socket pauses while more than a fixed amount waits here, so that a peer cannot send faster than it is
    served. asyncio's own streams do not tell whether bytes wait, and that decides where a frame ends (see `settled`).
    """

    def __init__(self) -> None:
        self._arrived = bytearray()
        self._ended = False
        self._reader: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        if len(self._arrived) > _READ_AHEAD_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake()
        # A sender may close its half and still wait for the answer; TLS has no half-closed state.
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._wake()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def read(self) -> bytes:
        """Return what has arrived, waiting for something; b"" once the peer is done."""
        if not self._arrived and not self._ended:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = bytes(self._arrived)
        self._arrived.clear()
        if self._transport is not None and not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()
        return data

    async def settled(self) -> bool:
        """Let the loop take in what the network has delivered already, and say whether nothing more was there."""
        for _ in range(2):
            # The first turn polls the socket, the second runs what it found.
            await asyncio.sleep(0)
        return not self._arrived

    async def send(self, data: bytes) -> None:
        """Send *data*; return when the peer has taken enough of it. Raises: ConnectionError, if it is gone."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the peer is gone")
        self._transport.write(data)
        await self._writable.wait()

    def close(self) -> None:
        """Close after what was sent has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
