"""
A POST to an address that somebody else named: never to where only we can reach, never redirected, bounded in time and bytes.

The name is looked up once, every address behind it is judged, and the connection is made to the very address that was
judged, so that a name which says something else a moment later leads nowhere. Source: OWASP ASVS 5.0 V1.3.6 (SSRF),
RFC 9110 15.4.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

import httpx2

from bridge.clock import Clock
from bridge.domain.endpoints import check_endpoint, is_permitted
from bridge.errors import BridgeError, Unavailable
from bridge.publishers.http_answer import Answer, Limits, exchange, retry_after

_LIMITS_BYTES = 64 << 10
_ANSWER_SECS = 10.0
_GRACE_SECS = 1.0

Lookup = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Reach:
    """Which addresses may be called. private: networks that are ours and may be called all the same."""

    private: tuple[str, ...] = ()


class OutsidePost:
    """Posts to addresses of others. Thread-safe. lookup: a host's addresses, the system's resolver unless given."""

    def __init__(self, clock: Clock, reach: Reach, lookup: Lookup | None = None) -> None:
        self._clock = clock
        self._reach = reach
        self._lookup = lookup or _resolve
        # A connection is nobody else's: over TLS it was judged for one name.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._http = httpx2.Client(timeout=_ANSWER_SECS, follow_redirects=False, trust_env=False, limits=limits)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], answer_secs: float = 0) -> Answer:
        """
        Post *body*, and return an answer of 2xx. answer_secs: how long it is waited for, 10 s unless given or more.

        Raises: Unavailable, whatever went wrong: the next try may find it mended.
        """
        secs = min(answer_secs or _ANSWER_SECS, _ANSWER_SECS)
        request = self._request(url, body, headers, secs)
        with _Deadline(secs + _GRACE_SECS) as deadline:
            request.extensions["trace"] = deadline.watch
            answer = exchange(self._http, request, Limits(_LIMITS_BYTES, secs))
        if 200 <= answer.status < 300:
            return answer
        what = "a redirect, which is not followed" if 300 <= answer.status < 400 else str(answer.status)
        asked = retry_after(answer, self._clock)
        raise Unavailable(f"the endpoint answers {what}", code=f"http_{answer.status}", retry_after_secs=asked)

    def _request(self, url: str, body: bytes, headers: Mapping[str, str], secs: float) -> httpx2.Request:
        try:
            parts = check_endpoint(url, self._reach.private)
        except BridgeError as fault:
            raise Unavailable(fault.detail, code=fault.code) from None
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = self._address(host, port, parts.scheme)
        extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
        return self._http.build_request(
            "POST",
            _with_host(parts, address, port),
            content=body,
            headers={"User-Agent": "imaging-bridge", "Accept-Encoding": "identity", **headers, "Host": parts.netloc},
            extensions=extensions | {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), secs)},
        )

    def _address(self, host: str, port: int, scheme: str) -> str:
        try:
            found = self._lookup(host, port)
        except OSError:
            found = ()
        if not found:
            raise Unavailable("the endpoint's name leads nowhere", code="unknown_host")
        if not all(is_permitted(one, scheme, self._reach.private) for one in found):
            raise Unavailable("the endpoint lies where only we can reach", code="private_address")
        return found[0]


class _Deadline:
    """Cuts the connection of one request that takes longer than *secs* in all: a read's own limit starts anew with each byte."""

    def __init__(self, secs: float) -> None:
        self._timer = threading.Timer(secs, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._copy: socket.socket | None = None
        self._is_over = False

    def watch(self, name: str, info: Mapping[str, Any]) -> None:
        """Take the connection that the request is made over, once there is one."""
        if name != "connection.connect_tcp.complete":
            return
        made: socket.socket = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._copy = made.dup()
        if self._is_over:
            self._cut()

    def _cut(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._is_over = True
            if self._copy is not None:
                self._copy.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._copy is not None:
                self._copy.close()


def _resolve(host: str, port: int) -> Sequence[str]:
    return [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _with_host(parts: SplitResult, address: str, port: int) -> str:
    literal = f"[{address}]" if ipaddress.ip_address(address.partition("%")[0]).version == 6 else address
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{literal}:{port}{parts.path or '/'}{query}"
