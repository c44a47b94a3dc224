"""Hostile and broken DICOM peers: each is cut off within its deadline, and the next good caller is served."""

from __future__ import annotations

import os
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import Unavailable
from bridge.listeners.dicom.ports import Limits
from tests.fakes.dicom_services import Room, running
from tests.fakes.dicom_wire import (
    CT_IMAGE,
    IMPLICIT,
    VERIFICATION,
    WORKLIST,
    Caller,
    an_object,
    associate_rq,
    echoes,
    item,
    p_data,
    pdu,
    pdv,
    role,
)

SHORT = Limits(
    pdu_secs=0.6,
    artim_secs=1.0,
    idle_secs=1.5,
    message_secs=1.0,
    send_secs=1.0,
    handshake_secs=0.6,
    linger_secs=0.2,
    stop_secs=2,
    associations=6,
    waiting_per_address=4,
    waiting=8,
    waiting_grace_secs=0,
    instance_bytes=4 << 20,
)
STORE = [(CT_IMAGE, [IMPLICIT])]
ECHO = [(VERIFICATION, [IMPLICIT])]
UID = "1.2.826.0.1.3680043.10.55.1"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with running(tmp_path, limits=SHORT) as door:
        yield door


def until(condition: Callable[[], bool], secs: float = 5) -> bool:
    deadline = time.monotonic() + secs
    while not condition():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


def spooled(room: Room) -> list[Path]:
    return list(room.spool.iterdir())


def reset(caller: Caller) -> None:
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.socket.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x01",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack(">BBL", 1, 0, 0xFFFFFFFF) + bytes(10),
        associate_rq(ECHO)[:40],
        struct.pack(">BBL", 4, 0, 64 << 20),
    ],
    ids=["nothing", "one byte", "http", "4 GiB announced", "half a request", "data before any association"],
)
def test_a_stranger_who_does_not_associate_is_dropped(room: Room, said: bytes) -> None:
    with Caller(room.port, 8) as stranger:
        stranger.send(said)
        assert stranger.is_closed()
    assert echoes(room.port)


@pytest.mark.parametrize(
    "said",
    [
        p_data(pdv(99, 3, b"\0" * 20)),
        p_data(pdv(1, 3, b"\xff" * 60)),
        pdu(4, struct.pack(">L", 0)),
        pdu(4, struct.pack(">L", 5000) + b"\1\3"),
        pdu(4, b""),
        p_data(pdv(1, 2, b"data without a command")),
        associate_rq(STORE),
        pdu(9, b"no such type"),
        p_data(pdv(1, 1, bytes(16000))) * 8,
        struct.pack(">BBL", 4, 0, 32 << 20) + bytes(1000),
        pdu(2, bytes(100)),
    ],
    ids=[
        "unknown context",
        "random command",
        "empty value",
        "value longer than its PDU",
        "no value",
        "data first",
        "a second request",
        "unknown PDU",
        "endless command",
        "PDU beyond what was negotiated",
        "an acceptance from the requestor",
    ],
)
def test_a_peer_that_breaks_the_protocol_is_aborted(room: Room, said: bytes) -> None:
    with Caller(room.port, 8) as peer:
        assert peer.associate(STORE) == 2
        peer.send(said)
        assert peer.is_closed()
    assert echoes(room.port)


def test_an_unknown_command_field_ends_the_association(room: Room) -> None:
    with Caller(room.port) as peer:
        peer.associate(STORE)
        peer.send(p_data(pdv(1, 3, peer.command(0x7777, CT_IMAGE, False))))
        assert peer.read_pdu()[0] == 7


def test_a_pdu_that_trickles_is_cut_though_each_byte_is_in_time(room: Room) -> None:
    with Caller(room.port) as peer:
        peer.associate(STORE)
        said = p_data(pdv(1, 3, peer.command(1, CT_IMAGE, True, x1000=UID)))
        started = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012  # which send fails depends on when the reset arrives
            for byte in said:
                peer.send(bytes((byte,)))
                threading.Event().wait(0.05)
        assert time.monotonic() - started < 4


def test_an_object_over_the_cap_is_cut_and_leaves_nothing(room: Room) -> None:
    block = p_data(pdv(1, 0, bytes(15000)))
    sent = 0
    with Caller(room.port) as peer:
        peer.associate(STORE)
        peer.send(p_data(pdv(1, 3, peer.command(1, CT_IMAGE, True, x1000=UID))))
        with pytest.raises(OSError):  # noqa: PT012
            while sent < 64 << 20:
                peer.send(block)
                sent += 15000
    assert until(lambda: not spooled(room))
    assert not room.services.kept


@pytest.mark.parametrize("how", ["reset", "abort", "close", "silence"])
def test_an_object_that_breaks_off_leaves_nothing(room: Room, how: str) -> None:
    with Caller(room.port) as peer:
        peer.associate(STORE)
        command = peer.command(1, CT_IMAGE, True, x1000=UID)
        peer.send(p_data(pdv(1, 3, command)) + p_data(pdv(1, 0, an_object(UID, 9000)[:5000])))
        assert until(lambda: len(spooled(room)) == 1)
        if how == "reset":
            reset(peer)
        elif how == "abort":
            peer.send(pdu(7, bytes(4)))
        elif how == "close":
            peer.socket.close()
        assert until(lambda: not spooled(room))
    assert not room.services.kept
    assert echoes(room.port)


@pytest.mark.parametrize("uid", ["../../../../tmp/evil", "/etc/passwd", "..", "1.2.3\0/../x", "1.2.3;id", "", "1" * 65])
def test_what_is_no_uid_never_becomes_a_file(room: Room, uid: str) -> None:
    with Caller(room.port) as peer:
        peer.associate(STORE)
        assert peer.store(uid, an_object("1.2.3")) in (0x0117, 0xA900)
        assert peer.store(UID, an_object(UID)) == 0, "the association goes on"
    assert not spooled(room)


def test_what_was_stored_is_told_once_and_what_was_refused_each_time(room: Room) -> None:
    with Caller(room.port) as caller:
        caller.associate(STORE)
        assert [caller.store(f"{UID}.9{n}", an_object(f"{UID}.9{n}")) for n in range(3)] == [0, 0, 0]
        refused = caller.store("not.a.uid", an_object(f"{UID}.93"))
        caller.release()
    assert until(lambda: bool(room.events.of("association_closed")))
    (closed,) = room.events.of("association_closed")
    assert closed["stored"] == 3
    assert [event["status"] for event in room.events.of("instance_received")] == [refused]


def test_garbage_and_cut_objects_are_refused(room: Room) -> None:
    whole = an_object(UID)
    cut = whole[:-72] + struct.pack("<HHL", 0x7FE0, 0x10, 65536) + bytes(64)
    with Caller(room.port) as peer:
        peer.associate(STORE)
        assert peer.store(UID, random.Random(7).randbytes(3000)) == 0xC000
        assert peer.store(UID, cut) == 0xC000
        assert peer.store(UID, an_object("1.2.3.4")) == 0xA900
        assert peer.store(UID, whole) == 0
        assert peer.store(UID, an_object(UID, 128)) == 0x0110
        assert peer.store(UID, whole) == 0
    assert not spooled(room)


def test_half_open_connections_do_not_keep_a_modality_out(room: Room) -> None:
    held = [Caller(room.port) for _ in range(SHORT.waiting * 3)]
    for stranger in held:
        stranger.send(struct.pack(">BBL", 1, 0, 1000) + bytes(10))
    assert echoes(room.port)
    assert room.events.of("connection_evicted")
    for stranger in held:
        stranger.socket.close()


def test_beyond_the_limit_an_association_is_rejected_for_now(room: Room) -> None:
    held = []
    for _ in range(SHORT.associations):
        held.append(Caller(room.port))
        assert held[-1].associate(ECHO) == 2
    with Caller(room.port) as late:
        late.send(associate_rq(ECHO))
        kind, body = late.read_pdu()
        assert (kind, body[1:]) == (3, bytes((2, 3, 2)))
    for caller in held:
        caller.release()
        caller.socket.close()
    assert until(lambda: echoes(room.port))


def test_many_associations_opened_at_a_stroke_are_all_served(tmp_path: Path) -> None:
    with running(tmp_path) as room:
        callers = [Caller(room.port) for _ in range(50)]
        for caller in callers:
            caller.send(associate_rq(ECHO))
        assert [caller.read_pdu()[0] for caller in callers] == [2] * 50
        assert all(caller.echo() == 0 for caller in callers)
        for caller in callers:
            caller.socket.close()


def test_a_flood_of_resets_is_survived(room: Room) -> None:
    for count in range(100):
        stranger = Caller(room.port)
        if count % 2:
            stranger.send(b"\x01\x00\x00")
        reset(stranger)
    assert until(lambda: echoes(room.port))


def test_a_silent_association_is_aborted(room: Room) -> None:
    with Caller(room.port) as peer:
        peer.associate(ECHO)
        assert peer.read_pdu()[0] == 7
    assert until(lambda: [end["ended"] for end in room.events.of("association_closed")] == ["idle"])


def test_a_handler_may_take_longer_than_every_timeout(room: Room) -> None:
    room.services.before_receive = lambda: time.sleep(SHORT.idle_secs + SHORT.send_secs)
    with Caller(room.port) as peer:
        peer.associate(STORE)
        assert peer.store(UID, an_object(UID)) == 0
        assert peer.release()


def test_a_peer_that_does_not_read_its_answers_is_dropped(room: Room) -> None:
    room.services.worklist = [bytes(60_000)] * 400
    with Caller(room.port) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.associate([(WORKLIST, [IMPLICIT])])
        peer.send(p_data(pdv(1, 3, peer.command(0x20, WORKLIST, True))) + p_data(pdv(1, 2, b"")))
        assert until(lambda: bool(room.events.of("association_closed")), 8)
    assert echoes(room.port)


def test_a_full_disk_is_answered_before_the_object_is_taken(room: Room) -> None:
    def full() -> None:
        raise Unavailable("the disk is full", code="disk_full")

    room.services.room = full
    with Caller(room.port) as peer:
        peer.associate(STORE)
        assert peer.store(UID, an_object(UID)) == 0xA700
        room.services.room = lambda: None
        assert peer.store(UID, an_object(UID)) == 0


def test_a_spool_that_cannot_be_written_refuses_the_object_only(room: Room) -> None:
    os.rename(room.spool, room.spool.with_name("away"))
    with Caller(room.port) as peer:
        peer.associate(STORE)
        assert peer.store(UID, an_object(UID)) == 0xA700
        assert peer.release()


def test_our_own_fault_is_answered_and_named_without_its_text(room: Room) -> None:
    def broken() -> None:
        raise RuntimeError("Larch^Ada was here")

    room.services.before_receive = broken
    with Caller(room.port) as peer:
        peer.associate(STORE)
        assert peer.store(UID, an_object(UID)) == 0xC000
        assert peer.release()
    (fault,) = room.events.of("handler_failed")
    assert fault["error"] == "RuntimeError"
    assert "Larch" not in str(room.events.seen)


def test_altered_association_requests_harm_nobody(room: Room) -> None:
    chance = random.Random(20261121)
    more = role(CT_IMAGE, 1, 1) + item(0x58, b"\x01\x01\0\2ab\0\0") + item(0x53, b"\0\1\0\1")
    good = associate_rq([(CT_IMAGE, [IMPLICIT]), (WORKLIST, [IMPLICIT])], more=more)
    for _ in range(300):
        altered = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            altered[chance.randrange(6, len(altered))] = chance.randrange(256)
        with Caller(room.port) as stranger:
            stranger.send(bytes(altered))
            assert stranger.read_pdu()[0] in (0, 2, 3, 7)
    assert not room.events.of("handler_failed")
    assert echoes(room.port)


def test_hundreds_of_short_associations_end_clean(tmp_path: Path) -> None:
    """Open, perhaps one message, then release, abort, close or reset: from several sides at once."""
    faults: list[BaseException] = []

    def visit(port: int, seed: int) -> None:
        chance = random.Random(seed)
        try:
            for count in range(60):
                with Caller(port) as peer:
                    assert peer.associate([*STORE, *ECHO]) == 2
                    uid = f"1.2.826.0.1.3680043.10.55.{seed}.{count}"
                    if chance.random() < 0.5:
                        assert peer.store(uid, an_object(uid, 500)) == 0
                    if chance.random() < 0.5:
                        assert peer.echo(3) == 0
                    ending = chance.choice(("release", "abort", "close", "reset"))
                    if ending == "release":
                        assert peer.release()
                    elif ending == "abort":
                        peer.send(pdu(7, bytes(4)))
                    elif ending == "reset":
                        reset(peer)
        except BaseException as fault:
            faults.append(fault)

    with running(tmp_path, limits=replace(SHORT, associations=20, waiting_per_address=20, waiting=20)) as room:
        idle = threading.active_count()
        callers = [threading.Thread(target=visit, args=(room.port, seed)) for seed in range(5)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
        assert not faults
        assert until(lambda: len(room.events.of("association_closed")) == 300)
        assert not room.events.of("handler_failed")
        assert not spooled(room)
        assert until(lambda: threading.active_count() <= idle, secs=20)


def test_requests_sent_without_waiting_are_answered_in_order(room: Room) -> None:
    with Caller(room.port) as peer:
        peer.associate(ECHO)
        peer.send(b"".join(p_data(pdv(1, 3, peer.command(0x30, VERIFICATION, False))) for _ in range(5)))
        answered = [peer.answer()[0] for _ in range(5)]
        assert [command.number(0x0120) for command in answered if command] == [1, 2, 3, 4, 5]


def test_a_message_in_many_small_values_is_one_message(room: Room) -> None:
    data = an_object(UID)
    with Caller(room.port) as peer:
        peer.associate(STORE)
        command = peer.command(1, CT_IMAGE, True, x1000=UID)
        values = [pdv(1, 3 if at + 7 >= len(command) else 1, command[at : at + 7]) for at in range(0, len(command), 7)]
        values += [pdv(1, 2 if at + 11 >= len(data) else 0, data[at : at + 11]) for at in range(0, len(data), 11)]
        peer.send(b"".join(p_data(*values[at : at + 3]) for at in range(0, len(values), 3)))
        assert peer.status() == 0


def test_stop_waits_for_what_is_being_served(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        entered.set()
        go_on.wait(5)

    with running(tmp_path, limits=SHORT) as room, Caller(room.port) as peer:
        room.services.before_receive = slow
        peer.associate(STORE)
        data = an_object(UID)
        peer.send(p_data(pdv(1, 3, peer.command(1, CT_IMAGE, True, x1000=UID))) + p_data(pdv(1, 2, data)))
        assert entered.wait(5)
        stopping = threading.Thread(target=room.server.stop)
        stopping.start()
        go_on.set()
        assert peer.status() == 0
        stopping.join(5)
        assert not stopping.is_alive()


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        subprocess = pytest.importorskip("subprocess")
        pem = tmp_path / "door.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-keyout", str(pem), "-out", str(tmp_path / "cert.pem")],
            check=True, capture_output=True,
        )  # fmt: skip
        pem.write_text(pem.read_text() + (tmp_path / "cert.pem").read_text())
        return pem

    @pytest.fixture
    def tls_room(self, tmp_path: Path, certificate: Path) -> Iterator[Room]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with running(tmp_path, limits=SHORT, tls_port=0, tls_context=context) as door:
            yield door

    def secured(self, port: int) -> Caller:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        caller = Caller(port)
        caller.socket = context.wrap_socket(caller.socket)
        return caller

    def test_objects_arrive_over_tls(self, tls_room: Room) -> None:
        with self.secured(tls_room.server.ports[1]) as peer:
            assert peer.associate(STORE) == 2
            assert peer.store(UID, an_object(UID, 300_000)) == 0
            assert peer.release()

    def test_clients_that_never_shake_hands_keep_nobody_out(self, tls_room: Room) -> None:
        port = tls_room.server.ports[1]
        silent = [Caller(port) for _ in range(3)]
        with self.secured(port) as peer:
            assert peer.associate(ECHO) == 2
            assert peer.echo() == 0
        assert all(caller.is_closed() for caller in silent)

    def test_garbage_on_the_tls_port_is_dropped(self, tls_room: Room) -> None:
        with Caller(tls_room.server.ports[1]) as stranger:
            stranger.send(associate_rq(ECHO))
            assert stranger.is_closed()
        assert echoes(tls_room.port)
