"""Associations that move images are carried by another process; here both sides run as threads, over a real UNIX socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.listeners.dicom.ports import Limits
from tests.fakes.dicom_services import Room, running
from tests.fakes.dicom_wire import CT_IMAGE, IMPLICIT, VERIFICATION, WORKLIST, Caller, an_object, element, p_data, pdv
from tests.faults.certificates import client_context, make_identity, server_context

STORES = [(CT_IMAGE, [IMPLICIT])]
LOOKS = [(WORKLIST, [IMPLICIT]), (VERIFICATION, [IMPLICIT])]


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return tmp_path / "images.sock"


@pytest.fixture
def images(tmp_path: Path, line: Path) -> Iterator[Room]:
    """The side that carries what moves images."""
    with running(tmp_path / "images", takes_over_at=line) as room:
        yield room


@pytest.fixture
def door(tmp_path: Path, line: Path) -> Iterator[Room]:
    """The side that listens at the port."""
    with running(tmp_path / "door", hands_on_to=(line,)) as room:
        yield room


def test_an_association_that_stores_is_carried_by_the_other_process(images: Room, door: Room) -> None:
    with Caller(door.port) as device:
        assert device.associate(STORES) == 2
        assert device.store("2.25.1", an_object("2.25.1")) == 0
        assert device.release()
    assert list(images.services.kept) == ["2.25.1"]
    assert not door.services.kept


def test_the_worklist_is_answered_at_the_door(images: Room, door: Room) -> None:
    door.services.worklist.append(element(0x10, 0x20, b"D1"))
    with Caller(door.port) as device:
        assert device.associate(LOOKS) == 2
        device.send(find(device))
        command, identifier = device.answer()
        assert command is not None
        assert command.number(0x0900) == 0xFF00
        assert identifier == element(0x10, 0x20, b"D1")
    assert not images.events.of("association_opened")


def test_where_a_peer_came_from_is_known_to_the_other_process(images: Room, door: Room) -> None:
    with Caller(door.port) as device:
        assert device.associate(STORES, calling="REFERRER") == 2
        assert device.release()
    (opened,) = images.events.of("association_opened")
    assert (opened["peer"], opened["address"]) == ("REFERRER", "127.0.0.1")


def test_a_stranger_is_sent_away_at_the_door(images: Room, door: Room) -> None:
    with Caller(door.port) as stranger:
        assert stranger.associate(STORES, calling="NOBODY") == 3
    assert not images.events.seen


def test_the_door_carries_images_itself_while_the_other_process_is_away(door: Room) -> None:
    with Caller(door.port) as device:
        assert device.associate(STORES) == 2
        assert device.store("2.25.1", an_object("2.25.1")) == 0
    assert list(door.services.kept) == ["2.25.1"]


def test_two_that_store_at_once_are_carried_by_two_processes(tmp_path: Path, line: Path, images: Room) -> None:
    other_line = tmp_path / "other.sock"
    with (
        running(tmp_path / "other", takes_over_at=other_line) as other,
        running(tmp_path / "door", hands_on_to=(line, other_line)) as door,
        Caller(door.port) as one,
        Caller(door.port) as two,
    ):
        for device, uid in ((one, "2.25.1"), (two, "2.25.2")):
            assert device.associate(STORES) == 2
            assert device.store(uid, an_object(uid)) == 0
        assert [len(images.services.kept), len(other.services.kept)] == [1, 1]
        assert one.release()
        assert two.release()


def test_who_is_away_leaves_all_associations_to_the_other(tmp_path: Path, line: Path, images: Room) -> None:
    nobody = tmp_path / "nobody.sock"
    with running(tmp_path / "door", hands_on_to=(nobody, line)) as door:
        for uid in ("2.25.1", "2.25.2"):
            with Caller(door.port) as device:
                assert device.associate(STORES) == 2
                assert device.store(uid, an_object(uid)) == 0
                assert device.release()
        assert not door.services.kept
    assert sorted(images.services.kept) == ["2.25.1", "2.25.2"]


def test_a_line_that_a_crash_left_behind_is_taken_again(tmp_path: Path, line: Path, door: Room) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(line))
    with running(tmp_path / "images", takes_over_at=line) as images:
        with Caller(door.port) as device:
            assert device.associate(STORES) == 2
            assert device.store("2.25.1", an_object("2.25.1")) == 0
        assert list(images.services.kept) == ["2.25.1"]
    assert not line.exists()


def test_associations_carried_elsewhere_count_against_the_cap(tmp_path: Path, line: Path, images: Room) -> None:
    with (
        running(tmp_path / "door", hands_on_to=(line,), limits=Limits(associations=1)) as door,
        Caller(door.port) as one,
    ):
        assert one.associate(STORES) == 2
        with Caller(door.port) as another:
            assert another.associate(LOOKS) == 3
        assert one.release()


def test_an_object_under_way_is_finished_before_both_stop(tmp_path: Path, line: Path) -> None:
    came, go_on, stopped = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        came.set()
        assert go_on.wait(10)

    with running(tmp_path / "images", takes_over_at=line) as images:
        images.services.before_receive = wait
        with running(tmp_path / "door", hands_on_to=(line,)) as door, Caller(door.port) as device:
            assert device.associate(STORES) == 2
            answers: list[int | None] = []
            storing = threading.Thread(target=lambda: answers.append(device.store("2.25.1", an_object("2.25.1"))))
            storing.start()
            assert came.wait(10)
            stopping = threading.Thread(target=lambda: (door.server.stop(), stopped.set()))
            stopping.start()
            assert not stopped.wait(0.2)
            go_on.set()
            storing.join(10)
            assert answers == [0]
            assert device.release()
            stopping.join(10)


def test_an_association_under_tls_is_relayed(tmp_path: Path, line: Path, images: Room) -> None:
    identity = make_identity(tmp_path, "bridge")
    large = an_object("2.25.1", pixels=500_000)
    with (
        running(tmp_path / "door", hands_on_to=(line,), tls_port=0, tls_context=server_context(identity)) as door,
        Caller(door.server.ports[1]) as device,
    ):
        device.socket = client_context(identity[0]).wrap_socket(device.socket, server_hostname="127.0.0.1")
        assert device.associate(STORES) == 2
        assert device.store("2.25.1", large) == 0
        assert device.store("2.25.2", an_object("2.25.2")) == 0
        assert device.release()
    assert sorted(images.services.kept) == ["2.25.1", "2.25.2"]


def test_what_is_no_handed_on_connection_is_dropped(images: Room, door: Room, line: Path) -> None:
    for garbage in (b"", b"\1\0\4\0\0\0\1", b"\0\0\1\0\0\0\1xy", b"\0\xff\xff\xff\xff\xff\xff"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(line))
            stranger.sendall(garbage)
            stranger.shutdown(socket.SHUT_WR)
            # A reset, where not all was read that came.
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(1) == b""
    with Caller(door.port) as device:
        assert device.associate(STORES) == 2


def find(device: Caller) -> bytes:
    """Return a C-FIND-RQ with one key as P-DATA-TFs."""
    command = device.command(0x20, WORKLIST, True)
    return p_data(pdv(1, 3, command)) + p_data(pdv(1, 2, element(0x10, 0x20, b"")))
