"""A request's body as it arrives, read by the thread that answers: for what is too large to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bridge.errors import Malformed

Receive = Callable[[], Awaitable[dict[str, Any]]]

# What a caller may leave its thread waiting in all, and what each megabyte that came adds to it.
_WAIT_SECS: Final = 30.0
_SECS_PER_MB: Final = 8.0


class BodyStream:
    """
    Reads from *receive* on *loop* when somebody wants more, so that a caller is slowed to the pace of the disk.

    is_read: the body has come to its end. gone: done once the caller is. `read` is for one thread, which is not the loop's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive) -> None:
        self._loop = loop
        self._receive = receive
        self._left = b""
        self._waited_secs = 0.0
        self._length = 0
        self.is_read = False
        self.gone: asyncio.Future[None] = loop.create_future()

    def read(self, size: int = -1) -> bytes:
        """
        Return up to *size* bytes, b"" at the end; all that is left for -1.

        Raises: Malformed, if the caller goes away or is too slow.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 16), b""))
        while not self._left and not self.is_read:
            self._left = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
        found, self._left = self._left[:size], self._left[size:]
        return found

    async def _next(self) -> bytes:
        allowed = _WAIT_SECS + _SECS_PER_MB * (self._length >> 20) - self._waited_secs
        began = self._loop.time()
        try:
            async with asyncio.timeout(max(allowed, 0)):
                event = await self._receive()
        except TimeoutError:
            self.is_read = False
            raise Malformed("the body comes too slowly", code="too_slow") from None
        finally:
            self._waited_secs += self._loop.time() - began
        if event["type"] == "http.disconnect":
            if not self.gone.done():
                self.gone.set_result(None)
            raise Malformed("the body broke off", code="truncated")
        data: bytes = event.get("body", b"")
        self._length += len(data)
        self.is_read = not event.get("more_body", False)
        return data
