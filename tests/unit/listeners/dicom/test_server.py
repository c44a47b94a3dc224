"""Start and stop of the door."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from bridge.errors import Misconfigured
from tests.fakes.dicom_services import PEERS, Peer, running
from tests.fakes.dicom_wire import echoes


def test_a_port_that_is_about_to_be_free_is_waited_for(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    leaving = threading.Timer(0.4, taken.close)
    leaving.start()
    with running(tmp_path, port=port) as room:
        assert room.port == port
        assert echoes(port)
    leaving.join()


def test_an_address_that_is_not_ours_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"dicom: 192\.0\.2\.1"), running(tmp_path, host="192.0.2.1"):
        pass


def test_a_tls_port_without_a_certificate_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="without a certificate"), running(tmp_path, tls_port=0):
        pass


def test_a_stopped_door_can_be_opened_again_on_its_port(tmp_path: Path) -> None:
    with running(tmp_path) as room:
        port = room.port
        assert room.server.is_listening
    assert not room.server.is_listening
    with running(tmp_path, port=port):
        assert echoes(port)


def test_leftovers_of_a_crash_are_swept_and_fresh_files_are_left(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    old, fresh, other = spool / "old.part", spool / "fresh.part", spool / "theirs.upload"
    for path in (old, fresh, other):
        path.write_bytes(b"x")
    for path in (old, other):
        os.utime(path, (1, 1))
    with running(tmp_path):
        assert sorted(path.name for path in spool.iterdir()) == ["fresh.part", "theirs.upload"]


def test_a_peer_that_has_no_address_is_told_at_the_start(tmp_path: Path) -> None:
    lost = Peer("LOST", "no-such-host.invalid", 104, ("modality",))
    with running(tmp_path, peers=(*PEERS, lost)) as room:
        assert room.events.of("peer_unresolved") == [{"peer": "LOST"}]
