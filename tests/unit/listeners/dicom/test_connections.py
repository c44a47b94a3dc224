"""Strangers wait in few places, and the oldest gives way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bridge.listeners.dicom.connections import Connections
from bridge.listeners.dicom.ports import Limits

LIMITS = Limits(associations=2, waiting_per_address=3, waiting=5, waiting_grace_secs=0)


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    pairs = [socket.socketpair() for _ in range(10)]
    yield [ours for ours, _ in pairs]
    for pair in pairs:
        for end in pair:
            end.close()


def test_the_oldest_of_a_crowded_address_gives_way(sockets: list[socket.socket]) -> None:
    connections = Connections(LIMITS)
    first, *_ = [connections.enter(sockets[place], "192.0.2.1")[0] for place in range(3)]
    other, leaving = connections.enter(sockets[3], "192.0.2.2")
    assert leaving is None, "another address is not crowded"
    _, leaving = connections.enter(sockets[4], "192.0.2.1")
    assert leaving is first
    assert sockets[0].recv(1) == b"", "it sees its end"
    assert not other.evicted


def test_a_burst_from_one_address_has_a_moment_to_negotiate(sockets: list[socket.socket]) -> None:
    connections = Connections(replace(LIMITS, waiting_grace_secs=60))
    entered = [connections.enter(sockets[place], "192.0.2.1") for place in range(5)]
    assert [leaving for _, leaving in entered] == [None] * 5
    _, leaving = connections.enter(sockets[5], "192.0.2.1")
    assert leaving is entered[0][0], "in all there are only so many places, grace or not"


def test_when_all_places_are_taken_the_busiest_address_gives_one(sockets: list[socket.socket]) -> None:
    connections = Connections(LIMITS)
    busiest, *_ = [connections.enter(sockets[place], "192.0.2.1")[0] for place in range(3)]
    for place in (3, 4):
        connections.enter(sockets[place], f"192.0.2.{place}")
    _, leaving = connections.enter(sockets[5], "192.0.2.9")
    assert leaving is busiest


def test_an_association_takes_no_waiting_place_and_there_are_only_so_many(sockets: list[socket.socket]) -> None:
    connections = Connections(LIMITS)
    entered = [connections.enter(sockets[place], "192.0.2.1")[0] for place in range(3)]
    assert [connections.establish(connection) for connection in entered] == [True, True, False]
    assert connections.enter(sockets[3], "192.0.2.1")[1] is None
    connections.leave(entered[0])
    assert connections.establish(entered[2])


def test_stopping_ends_idle_connections_at_once_and_busy_ones_at_last(sockets: list[socket.socket]) -> None:
    connections = Connections(LIMITS)
    idle, _ = connections.enter(sockets[0], "192.0.2.1")
    busy, _ = connections.enter(sockets[1], "192.0.2.1")
    sockets[1].setblocking(False)
    looks: list[bool] = []

    def is_busy() -> bool:
        with pytest.raises(BlockingIOError):
            sockets[1].recv(1)
        looks.append(True)
        return True

    busy.is_busy = is_busy
    connections.end_all(0.1)
    assert looks, "it was asked, and left alone meanwhile"
    assert sockets[0].recv(1) == b""
    assert sockets[1].recv(1) == b""
    connections.leave(idle)
