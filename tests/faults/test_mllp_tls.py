"""MLLP over TLS: who may speak, and what a peer that does not finish its handshake costs."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import Unavailable
from bridge.listeners.mllp import MllpLimits
from bridge.publishers.mllp_client import send_frames
from tests.faults.certificates import client_context, make_identity, server_context
from tests.faults.mllp_door import Door, frame, is_closed, open_door, until, update

Identity = tuple[Path, Path]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("tls"), "bridge")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("tls"), "sender")


@pytest.fixture
def door(ours: Identity) -> Iterator[Door]:
    with open_door(MllpLimits(handshake_secs=0.6, unproven_per_address=5), server_context(ours)) as opened:
        yield opened


def speaks(door: Door, context: ssl.SSLContext, control_id: str = "TLS1") -> bool:
    answer = send_frames("127.0.0.1", door.port, [update(control_id)], context, timeout_secs=10)[0]
    return f"MSA|AA|{control_id}".encode() in answer


def test_a_message_over_tls_is_answered(door: Door, ours: Identity) -> None:
    assert speaks(door, client_context(ours[0]))


def test_a_large_message_over_tls_is_answered(door: Door, ours: Identity) -> None:
    payload = update("BIG", b"NTE|1||" + b"x" * 3_000_000 + b"\r")

    assert b"MSA|AA|BIG" in send_frames("127.0.0.1", door.port, [payload], client_context(ours[0]))[0]


def test_clients_that_never_shake_hands_lock_nobody_out(door: Door, ours: Identity) -> None:
    silent = [door.connect() for _ in range(20)]
    began = time.monotonic()

    assert speaks(door, client_context(ours[0]))
    assert time.monotonic() - began < 5
    assert all(is_closed(wire, 5) for wire in silent)
    for wire in silent:
        wire.close()


def test_plain_text_to_the_tls_port_is_cut(door: Door, ours: Identity) -> None:
    with door.connect() as wire:
        wire.sendall(frame(update("PLAIN")))

        assert is_closed(wire, 5)
    assert door.received == []
    assert speaks(door, client_context(ours[0]))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_an_old_protocol_version_is_refused(door: Door, ours: Identity) -> None:
    context = client_context(ours[0])
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(Unavailable):
        speaks(door, context)
    assert door.received == []


def test_a_sender_without_the_certificate_that_is_asked_for_is_refused(ours: Identity, theirs: Identity) -> None:
    with open_door(tls=server_context(ours, client_ca=theirs[0])) as door:
        with pytest.raises(Unavailable):
            speaks(door, client_context(ours[0]))
        with pytest.raises(Unavailable):
            speaks(door, client_context(ours[0], ours))
        assert door.received == []
        assert until(lambda: door.listener.open_connections == 0)

        assert speaks(door, client_context(ours[0], theirs))


def test_a_sender_that_does_not_know_us_says_so(door: Door, theirs: Identity) -> None:
    with pytest.raises(Unavailable) as refused:
        speaks(door, client_context(theirs[0]))
    assert refused.value.code == "connection_failed"


def test_nobody_there_is_unavailable(door: Door) -> None:
    port = door.port
    door.stop()

    with pytest.raises(Unavailable):
        send_frames("127.0.0.1", port, [b"MSH"], timeout_secs=2)
