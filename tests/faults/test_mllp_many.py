"""A thousand senders that are mostly silent, and megabytes of rubbish: the product stays as quick and as small as it was."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cast import PLAIN, adt, order
from tests.faults.mllp_door import answers, frame, is_closed
from tests.faults.running_clinic import WITHIN_SECS
from tests.product.running import Product

SENDERS = 1000
_MIB = 1 << 20


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("many"), {"hl7": "port = 0\nmax_message_mb = 4"})
    # As a service is commonly started: the soft limit is what the product has to raise by itself.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
    try:
        running.start("--roles", "hl7")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield running
    running.stop()


@pytest.fixture
def room_for_sockets() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = SENDERS + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"this system allows {hard} open files, and {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(product: Product, source: str = "127.0.0.1") -> socket.socket:
    host, _, port = product.addresses["hl7"].rpartition(":")
    return socket.create_connection((host, int(port)), WITHIN_SECS, (source, 0))


def resident_bytes(product: Product) -> int:
    """Return what the product's process holds in memory."""
    for line in Path(f"/proc/{product.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def takes_an_order(product: Product, accession: str) -> bool:
    with connect(product) as wire:
        wire.sendall(frame(order(PLAIN, accession)))
        return [code for code, _ in answers(wire, timeout_secs=WITHIN_SECS)] == ["AA"]


@pytest.mark.usefixtures("room_for_sockets")
def test_a_thousand_idle_senders_stay_connected_and_are_answered_when_they_speak(product: Product) -> None:
    with ExitStack() as open_wires:
        wires: list[socket.socket] = []
        for number in range(SENDERS):
            wire = open_wires.enter_context(connect(product))
            wire.sendall(frame(adt(PLAIN, control_id=f"HELLO{number}")))
            assert answers(wire, timeout_secs=WITHIN_SECS) == [("AA", f"HELLO{number}")]
            wires.append(wire)

        assert takes_an_order(product, "M1")
        assert not any(is_closed(wire, 0.001) for wire in wires[::50])
        for number in (0, SENDERS // 2, SENDERS - 1):
            wires[number].sendall(frame(adt(PLAIN, control_id=f"AGAIN{number}")))
            assert answers(wires[number], timeout_secs=WITHIN_SECS) == [("AA", f"AGAIN{number}")]


def rubbish() -> list[bytes]:
    """Return frames and streams of 4 MiB that nothing can be made of, each in another way."""
    head = adt(PLAIN)
    return [
        b"\x0b" + head + b"NTE|1||" + b"\\" * (3 * _MIB) + b"\r\x1c\r",
        b"\x0b" + head + b"OBX|" * (3 * _MIB // 4) + b"\x1c\r",
        b"\x0b" + head + b"NTE\r" * (3 * _MIB // 4) + b"\x1c\r",
        b"\x0b" + head.replace(b"PID|1||", b"PID|1||" + b"7^^^M~" * (3 * _MIB // 6)) + b"\x1c\r",
        b"\x0b" + b"\xff\x00\x1c" * _MIB + b"\x1c\r",
        b"\x0b" + head.replace(b"|19580312|", b"|" + b"1" * (3 * _MIB) + b"|") + b"\x1c\r",
        b"noise without a frame " * (3 * _MIB // 22),
        b"\x0bMSH|" * (3 * _MIB // 5),
        b"\x0bBHS|^~\\&|A\r" + b"MSH|\r" * 300 + b"BTS|300\r\x1c\r",
    ]


def send_rubbish(product: Product) -> None:
    for part in rubbish():
        with connect(product) as wire:
            wire.settimeout(WITHIN_SECS * 3)
            try:
                wire.sendall(part)
                wire.shutdown(socket.SHUT_WR)
                while wire.recv(65536):
                    pass
            except ConnectionError:
                pass


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_what_was_refused(product: Product) -> None:
    # What the first of each kind needs (tables, buffers of the allocator) stays; the rounds after it must add nothing.
    for _ in range(2):
        send_rubbish(product)
    before = resident_bytes(product)
    for _ in range(4):
        send_rubbish(product)

    assert resident_bytes(product) - before < 48 * _MIB
    assert takes_an_order(product, "M2")
