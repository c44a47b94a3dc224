"""The HTTP listener: uvicorn in a thread, with a deadline for headers and the handshake off the accept path."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from typing import Any

import h11
import uvicorn
from flask import Flask
from uvicorn.protocols.http.h11_impl import H11Protocol

from bridge.errors import Misconfigured, Unavailable
from bridge.sections.http import HttpSection
from bridge.sections.section import Tls
from bridge.web.gateway import Gateway

_HEADER_BYTES = 32 << 10
_CONNECTIONS_MAX = 800
_STARTED_SECS = 15.0
_STOP_SECS = 10


class HttpServer:
    """
    The web role's listener: start, stop, and the port it really has. header_secs: how long a request's head may take.

    Raises on start: Misconfigured, if the address is taken or the certificate cannot be used.
    """

    def __init__(self, app: Flask, http: HttpSection, *, header_secs: float = 10.0) -> None:
        self._http = http
        self._header_secs = header_secs
        self._gateway = Gateway(app, max_body_bytes=http.max_body_mb << 20, proxies=http.behind_proxy)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.port = http.port

    def start(self) -> None:
        """Bind, serve in a thread of its own, and return once requests are answered."""
        listening = _bind(self._http.host, self._http.port)
        self.port = listening.getsockname()[1]
        config = _config(self._gateway, self._http, self._header_secs)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="http", daemon=True)
        self._thread.start()
        ended = threading.Event()
        for _ in range(int(_STARTED_SECS / 0.02)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            ended.wait(0.02)
        raise Unavailable("the HTTP listener did not start", code="http_start")

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Close the listener, let running requests end, then close what is left."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(_STOP_SECS + 5)
        self._gateway.close()


class _Protocol(H11Protocol):
    """
    uvicorn's HTTP/1.1, with a deadline from the first byte (or the connection) to the end of the headers.

    uvicorn cuts idle keep-alive connections only after a first answer, and a header that trickles in never.
    """

    header_secs = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._expect_header()

    def data_received(self, data: bytes) -> None:
        if self.conn.their_state is h11.IDLE:
            self._expect_header()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._header_came()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_came()
        super().connection_lost(exc)

    def _expect_header(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.header_secs, self.transport.abort)

    def _header_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _config(gateway: Gateway, http: HttpSection, header_secs: float) -> uvicorn.Config:
    protocol = type("_TimedProtocol", (_Protocol,), {"header_secs": header_secs})
    config = uvicorn.Config(
        gateway,
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,  # paths and queries may hold identifiers
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_STOP_SECS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        **_certificate(http.tls),
    )
    try:
        config.load()
    except (OSError, ssl.SSLError):
        raise Misconfigured(["http.tls: certificate or key cannot be used"]) from None
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        config.ssl.options |= ssl.OP_NO_RENEGOTIATION
    return config


def _certificate(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    files: dict[str, Any] = {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)}
    if tls.client_ca is not None:
        asked = ssl.CERT_REQUIRED if tls.client_certificates == "required" else ssl.CERT_OPTIONAL
        files |= {"ssl_ca_certs": str(tls.client_ca), "ssl_cert_reqs": asked}
    return files


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as fault:
        raise Misconfigured([f"http: cannot listen on {host}:{port}: {fault.strerror or 'no such address'}"]) from None
    listening.setblocking(False)
    return listening
