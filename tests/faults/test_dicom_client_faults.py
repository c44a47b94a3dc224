"""Our requestor against archives that lie, stall or break off: it always ends, with an error of our own family."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.codecs.dicom.commands import encode_command
from bridge.domain.study import OutgoingObject
from bridge.errors import BridgeError, Unavailable
from bridge.publishers.dicom_client import Target, Timeouts, echo, find_worklist, store_files
from tests.fakes.dicom_services import Room, running
from tests.fakes.dicom_wire import CT_IMAGE, IMPLICIT, Caller, an_object, element, item, p_data, pdu, pdv

QUICK = Timeouts(connect=1, associate=0.5, answer=0.5, send=0.5)


def accepting(maximum: int = 16384, contexts: int = 1) -> bytes:
    body = struct.pack(">HH", 1, 0) + b"LIAR".ljust(16) + b"BRIDGE".ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for number in range(contexts):
        body += item(0x21, bytes((2 * number + 1, 0, 0, 0)) + item(0x40, IMPLICIT.encode()))
    return pdu(2, body + item(0x50, item(0x51, struct.pack(">L", maximum)) + item(0x52, b"2.25.1")))


class Liar:
    """Accepts one connection, says *words* after the first bytes and then does *then*."""

    def __init__(self, words: bytes, then: Callable[[socket.socket], None] = lambda peer: None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.target = Target("LIAR", "127.0.0.1", self._listening.getsockname()[1])
        self._words, self._then = words, then
        self._thread = threading.Thread(target=self._speak, daemon=True)
        self._thread.start()

    def _speak(self) -> None:
        peer, _ = self._listening.accept()
        with peer:
            peer.settimeout(3)
            try:
                peer.recv(65536)
                peer.sendall(self._words)
                self._then(peer)
                while peer.recv(65536):
                    pass
            except OSError:
                return

    def __enter__(self) -> Liar:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self._thread.join(5)


def hang_up(peer: socket.socket) -> None:
    peer.shutdown(socket.SHUT_RDWR)


def said(status: int, *, data_set: bool = False, answered: int = 1) -> bytes:
    command = {0x0100: 0x8020, 0x0120: answered, 0x0800: 1 if data_set else 0x0101, 0x0900: status}
    return p_data(pdv(1, 3, encode_command(command)))


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        pdu(2, b""),
        pdu(2, bytes(80)),
        pdu(3, b""),
        pdu(3, bytes((0, 1, 1, 3))),
        pdu(7, bytes(4)),
        struct.pack(">BBL", 2, 0, 0xFFFFFFFF),
        accepting(maximum=7),
        accepting()[:60],
        accepting() + p_data(pdv(1, 3, b"\xff" * 40)),
        accepting() + struct.pack(">BBL", 4, 0, 64 << 20),
        accepting() + pdu(4, struct.pack(">L", 0)),
        accepting() + said(0)[:20],
        accepting() + said(0xA700),
        accepting() + said(0x0124),
    ],
)
def test_an_answer_that_is_none_ends_in_an_error_of_ours(words: bytes) -> None:
    with Liar(words) as liar, pytest.raises(BridgeError):
        echo(liar.target, "BRIDGE", QUICK)


def test_a_peer_that_hangs_up_at_once_is_unavailable() -> None:
    with Liar(b"", hang_up) as liar, pytest.raises(Unavailable):
        echo(liar.target, "BRIDGE", QUICK)


def test_answers_that_share_a_pdu_are_told_apart() -> None:
    pending, final = (said(code, data_set=code != 0)[6:] for code in (0xFF00, 0))
    item_of_one = element(0x10, 0x20, b"LIAR-1")
    together = pdu(4, (pending + pdv(1, 2, item_of_one)) * 2 + final)
    with Liar(accepting() + together) as liar:
        found = find_worklist(liar.target, "BRIDGE", {}, QUICK)
        assert [item.PatientID for item in found] == ["LIAR-1", "LIAR-1"]


def test_an_endless_answer_is_given_up() -> None:
    def endless(peer: socket.socket) -> None:
        peer.sendall(said(0xFF00, data_set=True))
        while True:
            peer.sendall(p_data(pdv(1, 0, bytes(16000))))

    with Liar(accepting(), endless) as liar, pytest.raises(Unavailable):
        find_worklist(liar.target, "BRIDGE", {}, QUICK)


def test_an_archive_that_goes_silent_leaves_the_objects_unanswered(tmp_path: Path) -> None:
    with running(tmp_path) as room:
        files = kept(room)
    with Liar(accepting()) as liar:
        results = store_files(liar.target, "BRIDGE", files, timeouts=QUICK)
        assert [(result.status, result.is_kept) for result in results] == [(None, False)] * 2


def test_an_answer_to_another_request_is_not_taken_for_ours(tmp_path: Path) -> None:
    with running(tmp_path) as room:
        files = kept(room)
    with Liar(accepting() + said(0, answered=77)) as liar:
        results = store_files(liar.target, "BRIDGE", files[:1], timeouts=QUICK)
        assert results[0].status is None


def kept(room: Room) -> list[OutgoingObject]:
    uids = ["1.2.826.0.1.3680043.10.58.1", "1.2.826.0.1.3680043.10.58.2"]
    with Caller(room.port) as modality:
        modality.associate([(CT_IMAGE, [IMPLICIT])])
        assert [modality.store(uid, an_object(uid)) for uid in uids] == [0, 0]
    return [OutgoingObject(room.services.kept[uid][1], CT_IMAGE, uid, IMPLICIT) for uid in uids]


def test_the_worklist_of_our_own_door_is_read(tmp_path: Path) -> None:
    with running(tmp_path) as room:
        target = Target("BRIDGE", "127.0.0.1", room.port)
        assert find_worklist(target, "MODALITY", {"Modality": "CT"}) == []
