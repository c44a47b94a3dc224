"""Hostile HTTP clients against the real listener: raw sockets, since a library would refuse to send most of this."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.errors import Misconfigured
from bridge.flows import manage_users
from bridge.sections.http import HttpSection
from bridge.sections.section import Tls
from bridge.store import audit
from bridge.web.server import HttpServer
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.faults.certificates import client_context, make_identity

HEADER_SECS = 1.0


@dataclass
class Door:
    """The listener, a token that opens it, and raw ways to knock."""

    port: int
    token: str

    def connect(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def send(self, data: bytes, timeout: float = 10) -> bytes:
        """Send raw bytes and return all that comes back until the other side closes, or nothing more comes."""
        with self.connect(timeout) as sock:
            try:
                sock.sendall(data)
                return drained(sock)
            except (ConnectionResetError, BrokenPipeError):
                return b""

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        said = {"Host": "x", "Connection": "close", "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in said.items())
        return self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def answers(self) -> bool:
        began = time.monotonic()
        return status(self.ask("GET", "/healthz")) == 200 and time.monotonic() - began < 3


def drained(sock: socket.socket) -> bytes:
    found = b""
    while True:
        try:
            part = sock.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return found
        if not part:
            return found
        found += part


def status(answer: bytes) -> int:
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else 0


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT)))


@pytest.fixture
def door(console: Console) -> Iterator[Door]:
    http = HttpSection(port=0, max_body_mb=2)
    server = HttpServer(console.app, http, header_secs=HEADER_SECS)
    server.start()
    token = manage_users.create_token(console.store, console.clock, "faults", Role.ADMIN, actor="system")
    yield Door(server.port, token)
    server.stop()


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: these faults never reach a database."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


def test_ten_gibibytes_that_are_only_announced_are_refused_at_once(door: Door) -> None:
    began = time.monotonic()
    answer = door.send(
        f"POST /api/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n"
        f"Content-Length: {10 << 30}\r\n\r\n{{".encode()
    )
    assert status(answer) == 413
    assert time.monotonic() - began < 2
    assert door.answers()


def test_an_endless_chunked_body_is_cut_at_the_ceiling(door: Door) -> None:
    sent = 0
    with door.connect() as sock:
        head = f"POST /api/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n"
        sock.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            while sent < 64 << 20:
                sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
        except OSError:
            pass
    assert sent < 32 << 20  # what the kernel's buffers swallow beyond 2 MiB
    assert door.answers()


def test_a_stranger_may_send_little_and_is_asked_who_he_is_first(door: Door) -> None:
    assert status(door.ask("POST", "/api/hl7", bytes(200_000))) == 401
    assert status(door.ask("POST", "/sign-in", bytes(200_000))) == 413
    assert door.answers()


def test_a_token_that_is_none_is_said_before_the_body_s_size(door: Door) -> None:
    head = f"POST /api/hl7 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer none\r\nContent-Length: {10 << 30}\r\n\r\n"
    answer = door.send(head.encode())
    assert status(answer) == 401
    assert b"www-authenticate: Bearer" in answer
    assert door.answers()


def test_a_chunked_body_arrives_whole(door: Door) -> None:
    body = json.dumps({"username": "nobody", "password": "x" * 40}).encode()
    head = "POST /sign-in HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:])) + b"0\r\n\r\n"
    assert status(door.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)) == 401


def test_headers_that_trickle_are_cut_and_hold_up_nobody(door: Door) -> None:
    slow = [door.connect() for _ in range(50)]
    for sock in slow:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert door.answers()
    limit = time.monotonic() + HEADER_SECS * 5
    left = set(slow)
    while left and time.monotonic() < limit:
        left = {sock for sock in left if still_open(sock)}
    assert not left
    assert door.answers()


def still_open(sock: socket.socket) -> bool:
    """Trickle one more line; a connection that was cut says so within a moment."""
    sock.settimeout(0.05)
    try:
        sock.sendall(b"X-a: b\r\n")
        return sock.recv(10) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_stalled_bodies_and_idle_connections_hold_up_nobody(door: Door) -> None:
    stalled = [door.connect() for _ in range(100)]
    for sock in stalled[:50]:
        head = f"POST /api/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.token}\r\n"
        sock.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())
    assert door.answers()
    for sock in stalled:
        sock.close()
    assert door.answers()


def test_two_lengths_are_refused(door: Door) -> None:
    answer = door.send(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 3
    )
    assert status(answer) == 400
    assert answer.count(b"HTTP/1.") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"GET\r\n\r\n",
        b"G" * 70_000 + b" / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_a_4xx_or_the_door(door: Door, data: bytes) -> None:
    answer = door.send(data, 3)
    assert status(answer) in range(400, 500) or answer == b""
    assert b"Traceback" not in answer
    assert door.answers()


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/static/../../app.py",
        "/static/..%252f..%252fetc/passwd",
        "/static/%00",
        "/static//etc/passwd",
        "/.git/config",
        "/static/%c0%ae%c0%ae/etc/passwd",
    ],
)
def test_no_path_leads_out(door: Door, path: str) -> None:
    answer = door.ask("GET", path, **door.bearer)
    assert status(answer) in range(300, 500)
    assert b"root:" not in answer


@pytest.mark.parametrize("variant", ["/{0}", "{0}/", "{0}/.", "{0}%2f", "{0};x=1", "{0}?_method=GET", "/static/..{0}"])
def test_no_spelling_of_a_path_opens_it(door: Door, variant: str) -> None:
    headers = {"X_Original_URL": "/api/exams", "X_Forwarded_For": "127.0.0.1", "X_Remote_User": "admin"}
    assert status(door.ask("GET", variant.format("/api/exams"), **headers)) != 200


def test_no_banner_and_no_trace(door: Door) -> None:
    assert b"\r\nserver:" not in door.ask("GET", "/sign-in").lower()
    assert status(door.ask("TRACE", "/", X_Secret="abc")) != 200
    assert status(door.ask("GET", "/metrics")) == 401


def test_a_header_with_an_underscore_is_nobodys(door: Door) -> None:
    head = (
        f"GET /api/exams HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX_Y: 1\r\nAuthorization: Bearer {door.token}\r\n"
    )
    assert status(door.send(f"{head}\r\n".encode())) == 200


def test_twenty_thousand_form_parts_are_cheap_to_refuse(door: Door) -> None:
    part = b'--xx\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n'
    body = b"".join(part % number for number in range(20_000)) + b"--xx--\r\n"
    began = time.monotonic()
    answer = door.ask("POST", "/sign-in", body, Content_Type="multipart/form-data; boundary=xx", **door.bearer)
    assert status(answer) in range(400, 500)
    assert time.monotonic() - began < 5


def test_a_proxy_of_ours_is_believed_and_nobody_else(console: Console) -> None:
    for proxies, expected in (((), b"127.0.0.1"), (("127.0.0.0/8",), b"203.0.113.9")):
        server = HttpServer(console.app, HttpSection(port=0, behind_proxy=proxies))
        server.start()
        door = Door(server.port, manage_users.create_token(console.store, console.clock, "p", Role.ADMIN, actor="x"))
        door.ask("GET", "/api/exams", X_Forwarded_For="1.2.3.4, 203.0.113.9", **door.bearer)
        server.stop()
        with console.store.read() as tx:
            assert audit.recent(tx, limit=1)[0].origin.encode() == expected


def test_tls_speaks_nothing_old_and_a_silent_client_holds_up_nobody(console: Console, tmp_path: Path) -> None:
    certificate, key = make_identity(tmp_path, "localhost")
    http = HttpSection(port=0, tls=Tls(certificate=certificate, key=key))
    server = HttpServer(console.app, http)
    server.start()
    silent = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(20)]
    with (
        socket.create_connection(("127.0.0.1", server.port), 5) as plain,
        client_context(certificate).wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = drained(sock)
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
    assert status(answer) == 200
    assert b"strict-transport-security" in answer
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        old.wrap_socket(plain)
    for sock_ in silent:
        sock_.close()
    server.stop()


def test_a_taken_port_is_said_so(door: Door, console: Console) -> None:
    with pytest.raises(Misconfigured, match="cannot listen"):
        HttpServer(console.app, HttpSection(port=door.port)).start()


def test_a_stop_lets_a_running_request_end(console: Console) -> None:
    server = HttpServer(console.app, HttpSection(port=0))
    server.start()
    door = Door(server.port, "")
    assert door.answers()
    server.stop()
    assert not server.is_alive
    with pytest.raises(OSError):
        door.connect(1)
