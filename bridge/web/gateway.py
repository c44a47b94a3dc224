"""From uvicorn to Flask: the body is read, capped and timed by the event loop; a thread sees only complete requests.

The one exception are objects that are stored: they are far too large to wait for, so threads of their own read them as
they come, and nothing is read before it is known who asks.

a2wsgi was tried and left: it hands a thread out before the body is there (ten stalled uploads stop the console), drops
chunked bodies (no `wsgi.input_terminated`), and a client that stops reading holds its thread for ever.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from bridge.web.body_stream import BodyStream

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# In the environ of a request whose body was cut off as too large: who asks is looked at first, then it is refused.
BODY_CUT = "bridge.body_cut"
_IN_MEMORY_BYTES = 256 << 10
_STRANGER_BYTES = 64 << 10
_BODY_SECS = 30.0
_SECS_PER_MB = 1.0
_SEND_SECS = 30.0
_WORKERS = 12
_STORING_WORKERS = 4
_WAITING_MAX = 400
_TOO_LARGE = 413
_STORED_AT = "/dicom-web/studies"


class _Cut(Exception):
    """The request ends here, with this status and no view."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Gateway:
    """
    An ASGI application around a WSGI one.

    max_body_bytes: a larger body is answered while it is still coming, 413 to whom the view would answer. proxies: networks whose X-Forwarded-* count.
    """

    def __init__(self, app: Any, *, max_body_bytes: int, proxies: Sequence[str] = ()) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._proxies = [ipaddress.ip_network(network, strict=False) for network in proxies]
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="web")
        self._storing = ThreadPoolExecutor(_STORING_WORKERS, thread_name_prefix="store")
        self._waiting = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            if self._waiting >= _WAITING_MAX:
                raise _Cut(503)
            if _stores(scope):
                await self._answer_streamed(scope, receive, send)
            else:
                await self._read_and_answer(scope, receive, send)
        except _Cut as cut:
            if cut.status != _TOO_LARGE:
                await _send_short(send, cut.status)
                return
            environ = self._environ(scope, io.BytesIO(), 0) | {BODY_CUT: True}
            await self._answer(environ, receive, send)
        except ConnectionError:
            return

    async def _read_and_answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as body:
            length = await self._read_body(scope, receive, body)
            await self._answer(self._environ(scope, body, length), receive, send)

    async def _answer_streamed(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        _check_lengths(dict(scope["headers"]))
        body = BodyStream(loop, receive)
        environ = self._environ(scope, body, 0)
        self._waiting += 1
        try:
            await loop.run_in_executor(self._storing, _run, self._app, environ, _Sender(loop, send, body.gone))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for the threads to end what they are doing."""
        self._storing.shutdown(wait=True, cancel_futures=True)
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _read_body(self, scope: dict[str, Any], receive: Receive, body: IO[bytes]) -> int:
        headers = dict(scope["headers"])
        limit = self._max_body_bytes
        if b"authorization" not in headers and b"cookie" not in headers:
            limit = min(limit, _STRANGER_BYTES)
        _check_lengths(headers)
        announced = headers.get(b"content-length", b"0")
        if int(announced) > limit:
            raise _Cut(_TOO_LARGE)
        length = 0
        async with asyncio.timeout(_BODY_SECS) as deadline:
            began = asyncio.get_running_loop().time()
            try:
                while True:
                    event = await receive()
                    if event["type"] == "http.disconnect":
                        raise ConnectionError
                    length += len(event.get("body", b""))
                    if length > limit:
                        raise _Cut(_TOO_LARGE)
                    body.write(event.get("body", b""))
                    deadline.reschedule(began + _BODY_SECS + _SECS_PER_MB * (length >> 20))
                    if not event.get("more_body", False):
                        break
            except asyncio.CancelledError:
                if not deadline.expired():
                    raise
                raise _Cut(408) from None
        body.seek(0)
        return length

    def _environ(self, scope: dict[str, Any], body: IO[bytes] | BodyStream, length: int) -> dict[str, Any]:
        server = scope.get("server") or ("127.0.0.1", 0)
        client = scope.get("client") or ("", 0)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": scope["method"],
            "SCRIPT_NAME": "",
            "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin-1"),
            "QUERY_STRING": scope["query_string"].decode("latin-1"),
            "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1] or 0),
            "REMOTE_ADDR": client[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": scope.get("scheme", "http"),
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for raw_name, raw_value in scope["headers"]:
            _add_header(environ, raw_name.decode("latin-1"), raw_value.decode("latin-1"))
        environ["CONTENT_LENGTH"] = str(length)
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        self._believe_proxy(environ)
        return environ

    def _believe_proxy(self, environ: dict[str, Any]) -> None:
        """Take address and scheme from X-Forwarded-*, if a proxy of ours says so; drop them from anybody else."""
        forwarded = environ.pop("HTTP_X_FORWARDED_FOR", "")
        scheme = environ.pop("HTTP_X_FORWARDED_PROTO", "")
        try:
            peer = ipaddress.ip_address(environ["REMOTE_ADDR"])
        except ValueError:
            return
        if not any(peer in network for network in self._proxies):
            return
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        # The last entry is the one that our proxy wrote; those before it are the client's word.
        last = forwarded.rpartition(",")[2].strip()
        if last:
            environ["REMOTE_ADDR"] = last

    async def _answer(self, environ: dict[str, Any], receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        gone = loop.create_task(_wait_for_end(receive))
        self._waiting += 1
        try:
            await loop.run_in_executor(self._threads, _run, self._app, environ, _Sender(loop, send, gone))
        finally:
            self._waiting -= 1
            gone.cancel()


class _Sender:
    """Send events from a thread; a client that reads nothing for half a minute is given up."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Send, gone: asyncio.Future[None]) -> None:
        self._loop = loop
        self._send = send
        self._gone = gone

    def __call__(self, event: dict[str, Any]) -> None:
        if self._gone.done():
            raise ConnectionError("the client is gone")
        try:
            asyncio.run_coroutine_threadsafe(self._timed(event), self._loop).result()
        except TimeoutError:
            raise ConnectionError("the client reads nothing") from None

    async def _timed(self, event: dict[str, Any]) -> None:
        async with asyncio.timeout(_SEND_SECS):
            await self._send(event)


def _stores(scope: dict[str, Any]) -> bool:
    """Say whether a request brings objects to be stored. Source: PS3.18 10.5."""
    path = str(scope["path"]).rstrip("/")
    is_there: bool = path == _STORED_AT or path.startswith(f"{_STORED_AT}/")
    return is_there and scope["method"] == "POST"


def _check_lengths(headers: dict[bytes, bytes]) -> None:
    """Refuse two lengths: whoever stands before us may believe the other one. Source: RFC 9112 6.3."""
    if b"transfer-encoding" in headers and b"content-length" in headers:
        raise _Cut(400)


async def _wait_for_end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _run(app: Any, environ: dict[str, Any], send: _Sender) -> None:
    """Run one request on a thread and send its answer chunk by chunk."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        head[:] = [int(status[:3]), [(name.lower().encode("latin-1"), v.encode("latin-1")) for name, v in headers]]
        body = environ["wsgi.input"]
        if BODY_CUT in environ or (isinstance(body, BodyStream) and not body.is_read):
            head[1].append((b"connection", b"close"))  # what is left of the body is not read
        return lambda _: None

    chunks: Iterable[bytes] = app(environ, start_response)
    try:
        send({"type": "http.response.start", "status": head[0], "headers": head[1]})
        for chunk in chunks:
            send({"type": "http.response.body", "body": chunk, "more_body": True})
        send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _add_header(environ: dict[str, Any], name: str, value: str) -> None:
    if "_" in name:
        return  # would overwrite the header that is spelled with a hyphen
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    separator = "; " if key == "HTTP_COOKIE" else ","
    environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value


async def _send_short(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
