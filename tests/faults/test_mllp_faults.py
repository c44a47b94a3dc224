"""Broken and hostile HL7 senders: each costs us little, each whole message is answered, and the next good one works."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bridge.listeners.mllp import MllpLimits
from bridge.publishers.mllp_client import send_frames
from tests.faults.mllp_door import Door, answers, frame, is_closed, open_door, until, update

QUICK = MllpLimits(
    frame_bytes=200_000, frame_secs=0.6, first_message_secs=0.6, idle_secs=1.5, send_secs=0.6, unproven_per_address=5
)


@pytest.fixture
def door() -> Iterator[Door]:
    with open_door(QUICK) as opened:
        yield opened


def exchange(door: Door, payload: bytes) -> list[tuple[str, str]]:
    with door.connect() as wire:
        wire.sendall(frame(payload))
        return answers(wire)


def assert_well(door: Door) -> None:
    began = time.monotonic()
    assert exchange(door, update("WELL")) == [("AA", "WELL")]
    assert time.monotonic() - began < 5


# What is in order.


def test_pipelined_messages_are_answered_in_order(door: Door) -> None:
    with door.connect() as wire:
        wire.sendall(b"".join(frame(update(f"M{n}")) for n in range(50)))

        assert answers(wire, 50) == [("AA", f"M{n}") for n in range(50)]


def test_a_connection_carries_many_messages(door: Door) -> None:
    with door.connect() as wire:
        for n in range(20):
            wire.sendall(frame(update(f"M{n}")))
            assert answers(wire) == [("AA", f"M{n}")]


def test_a_message_may_come_byte_by_byte(door: Door) -> None:
    with door.connect() as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(update("BYTES")):
            wire.sendall(bytes([byte]))

        assert answers(wire) == [("AA", "BYTES")]


def test_a_sender_that_is_done_sending_still_gets_its_answer(door: Door) -> None:
    with door.connect() as wire:
        wire.sendall(frame(update("LAST")))
        wire.shutdown(socket.SHUT_WR)

        assert answers(wire) == [("AA", "LAST")]
        assert is_closed(wire)


def test_our_own_client_sends_and_gets_its_answers(door: Door) -> None:
    found = send_frames("127.0.0.1", door.port, [update("S1"), update("S2")])

    assert [b"|AA|S1" in found[0], b"|AA|S2" in found[1]] == [True, True]


# What is not.


def test_noise_before_a_message_is_skipped_and_counted(door: Door) -> None:
    with door.connect() as wire:
        wire.sendall(b"\r\n\x00noise" + frame(update("NOISE")))

        assert answers(wire) == [("AA", "NOISE")]
    assert door.listener.counts.skipped_bytes == 8


def test_a_web_browser_is_not_answered(door: Door) -> None:
    with door.connect() as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        assert answers(wire, timeout_secs=5) == []
    assert door.listener.counts.cut == {"no_message": 1}
    assert_well(door)


@pytest.mark.parametrize(
    ("begun", "reason"),
    [(b"", "no_message"), (b"\x0bMSH|", "frame_deadline"), (frame(update("OK")) + b"\x0bMSH", "frame_deadline")],
)
def test_a_stalled_peer_is_cut(door: Door, begun: bytes, reason: str) -> None:
    with door.connect() as wire:
        wire.sendall(begun)

        assert is_closed(wire, 5)
    assert until(lambda: reason in door.listener.counts.cut)
    assert_well(door)


def test_a_peer_that_trickles_is_cut_as_well(door: Door) -> None:
    with door.connect() as wire:
        wire.sendall(b"\x0bMSH")
        give_up = time.monotonic() + 5
        try:
            while time.monotonic() < give_up:
                wire.sendall(b"\x0bMSH|")
                is_closed(wire, 0.1)
        except OSError:
            pass

        assert time.monotonic() < give_up
    assert_well(door)


def test_a_known_peer_may_be_idle_for_longer_but_not_for_ever(door: Door) -> None:
    with door.connect() as wire:
        wire.sendall(frame(update("IDLE")))
        assert answers(wire) == [("AA", "IDLE")]
        assert not is_closed(wire, 0.9)
        assert is_closed(wire, 5)
    assert door.listener.counts.cut == {"idle": 1}


def test_a_peer_that_vanishes_midway_leaves_nothing(door: Door) -> None:
    for _ in range(20):
        wire = door.connect()
        wire.sendall(b"\x0b" + update("HALF")[:60])
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()

    assert until(lambda: door.listener.open_connections == 0)
    assert door.received == []
    assert_well(door)


def test_an_answer_that_nobody_waits_for_harms_nobody(door: Door) -> None:
    door.hold.clear()
    wire = door.connect()
    wire.sendall(frame(update("GONE")))
    assert until(lambda: len(door.received) == 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()
    door.hold.set()

    assert until(lambda: door.listener.open_connections == 0)
    assert_well(door)


def test_a_peer_that_never_reads_its_answers_is_cut(door: Door) -> None:
    door.padding = b"NTE|1||" + b"x" * 200_000 + b"\r"
    with door.connect() as wire:
        wire.settimeout(5)
        wire.sendall(b"".join(frame(update(f"M{n}")) for n in range(200)))

        assert until(lambda: "answer_not_read" in door.listener.counts.cut)
    door.padding = b""
    assert_well(door)


def test_a_frame_beyond_the_ceiling_is_cut_off(door: Door) -> None:
    with door.connect() as wire:
        wire.settimeout(5)
        with pytest.raises(OSError):  # noqa: PT012
            wire.sendall(b"\x0b" + update("BIG"))
            for _ in range(1000):
                wire.sendall(b"A" * 65536)
    assert door.received == []
    assert until(lambda: "frame_too_long" in door.listener.counts.cut)
    assert_well(door)


def test_a_large_message_within_the_ceiling_is_answered(door: Door) -> None:
    payload = update("LARGE", b"OBX|1|ED|PDF^Report||^AP^PDF^Base64^" + b"QUJD" * 45_000 + b"||||||F\r")

    assert exchange(door, payload) == [("AA", "LARGE")]


def test_a_crowd_of_silent_connections_gives_way(door: Door) -> None:
    crowd = [door.connect() for _ in range(60)]
    try:
        assert_well(door)
        assert until(lambda: door.listener.open_connections <= QUICK.unproven_per_address + 1)
        assert door.listener.counts.cut["evicted"] >= 50
    finally:
        for wire in crowd:
            wire.close()


def test_a_connection_that_has_spoken_is_not_put_out_by_a_crowd(door: Door) -> None:
    with door.connect() as known:
        known.sendall(frame(update("FIRST")))
        assert answers(known) == [("AA", "FIRST")]
        crowd = [door.connect() for _ in range(30)]
        known.sendall(frame(update("SECOND")))

        assert answers(known) == [("AA", "SECOND")]
        for wire in crowd:
            wire.close()


def test_slow_senders_do_not_hold_up_others(door: Door) -> None:
    slow = [door.connect() for _ in range(5)]
    for wire in slow:
        wire.sendall(b"\x0bMSH")
    assert_well(door)
    for wire in slow:
        wire.close()


def test_beyond_all_connections_the_longest_silent_of_the_biggest_crowd_gives_way() -> None:
    with open_door(MllpLimits(connections=3, idle_secs=30)) as door:
        known = [door.connect() for _ in range(3)]
        for number in (1, 0, 2):
            known[number].sendall(frame(update(f"K{number}")))
            assert answers(known[number]) == [("AA", f"K{number}")]

        assert_well(door)
        assert is_closed(known[1], 5)
        assert not is_closed(known[0], 0.1)
        for wire in known:
            wire.close()


def test_where_everybody_is_at_work_a_newcomer_is_refused() -> None:
    with open_door(MllpLimits(connections=1)) as door, door.connect() as busy:
        door.hold.clear()
        busy.sendall(frame(update("BUSY")))
        assert until(lambda: len(door.received) == 1)
        with door.connect() as late:
            assert is_closed(late, 5)
        door.hold.set()

        assert answers(busy) == [("AA", "BUSY")]
        assert door.listener.counts.cut == {"refused": 1}


def test_unfinished_frames_together_stay_within_bounds() -> None:
    with open_door(MllpLimits(held_bytes=1_000_000)) as door:
        hoarders = [door.connect() for _ in range(10)]
        for wire in hoarders:
            wire.sendall(b"\x0bMSH|" + b"A" * 300_000)
        assert until(lambda: door.listener.counts.cut.get("evicted", 0) >= 7)
        assert door.listener.counts.held_bytes <= 1_000_000
        assert_well(door)
        for wire in hoarders:
            wire.close()
        assert until(lambda: door.listener.counts.held_bytes == 0)


def test_only_the_named_networks_may_connect() -> None:
    with open_door(MllpLimits(peers=("10.0.0.0/8",))) as door, door.connect() as wire:
        assert is_closed(wire, 5)
    with open_door(MllpLimits(peers=("127.0.0.0/8",))) as door:
        assert_well(door)


# Whole messages that must not be taken.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"FAULTLESS", b"FAULT\x00\x1b[2JLESS"), "AE"),
        ((b"FAULTLESS", b"FAULT\x0bLESS"), "AE"),
        ((b"FAULTLESS", b"F" * 300 + b"\xff\xd6"), "AA"),
        ((b"19700101", b"1" * 100_000 + b"+"), "AE"),
        ((b"77^^^MERCY^MR", b"~".join(b"%d^^^H^MR" % n for n in range(15_000))), "AE"),
        ((b"77^^^MERCY^MR", b""), "AE"),
        ((b"PV1|1|O\r", b"PID|2||88\r"), "AE"),
        ((b"PV1|1|O\r", update("SECOND")), "AE"),
        ((b"|2.5.1\r", b"|2.5.1||||||KLINGON\r"), "AE"),
        ((b"|2.5.1\r", b"|9.9\r"), "AR"),
        ((b"ADT^A08^ADT_A01", b"ZZZ^Z99"), "AR"),
        ((b"ADT^A08^ADT_A01", b"ADT^A60"), "AR"),
        ((b"EVN|A08", b"not a segment"), "AE"),
        ((b"PV1|1|O\r", b"NTE|1||" + b"\\" * 100_001 + b"\r"), "AA"),
        ((b"\r", b"\n"), "AA"),
    ],
    ids=lambda value: (
        None if isinstance(value, str) else value[1][:12].decode("latin-1").encode("unicode_escape").decode()
    ),
)
def test_a_whole_message_is_answered_by_its_control_id(door: Door, change: tuple[bytes, bytes], code: str) -> None:
    assert exchange(door, update("ASKED").replace(*change)) == [(code, "ASKED")]
    assert_well(door)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"\r", b"\n"),
        lambda raw: raw.replace(b"\r", b"\r\n"),
        lambda raw: raw.replace(b"\r", b"\r\r"),
        lambda raw: raw.replace(b"\r", b"\r\n\r\n"),
        lambda raw: raw.rstrip(b"\r"),
        lambda raw: raw.replace(b"\r", b"\n").rstrip(b"\n"),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: b"\r\n" + raw,
        lambda raw: raw + b"\x00" * 64,
        lambda raw: b"\x00\x00" + raw + b"\r\n\r\n",
    ],
    ids=[
        "LF",
        "CRLF",
        "CRCR",
        "blank lines",
        "no end",
        "LF, no end",
        "mark",
        "line first",
        "NULs behind",
        "NULs around",
    ],
)
def test_line_ends_marks_and_padding_of_every_kind_are_read(door: Door, change: Callable[[bytes], bytes]) -> None:
    assert exchange(door, change(update("ENDS"))) == [("AA", "ENDS")]


def test_a_message_with_ten_thousand_segments_holds_nobody_up(door: Door) -> None:
    body = b"".join(b"OBX|%d|ST|c^d||v||||||F\r" % n for n in range(6000))
    with door.connect() as wire:
        wire.sendall(frame(update("MANY", body)))
        assert_well(door)

        assert answers(wire) == [("AA", "MANY")]


def test_a_message_cut_by_an_end_block_in_its_text_is_refused_once(door: Door) -> None:
    with door.connect() as wire:
        wire.sendall(frame(update("CUT").replace(b"FAULTLESS", b"FAULT\x1c\rLESS")))

        assert answers(wire, 2, timeout_secs=1) == [("AE", "CUT")]


def test_an_empty_frame_is_refused(door: Door) -> None:
    assert exchange(door, b"") == [("AE", "")]


def test_a_batch_is_answered(door: Door) -> None:
    assert exchange(door, b"FHS|^~\\&|A\rBHS|^~\\&|A|||||||B1\r" + update("IN") + b"BTS|1\rFTS|1\r")[0][0] == "AR"


# Ourselves.


def test_a_bug_of_ours_is_no_answer_and_harms_nobody_else(door: Door) -> None:
    door.break_on = b"|BUG|"
    with door.connect() as wire:
        wire.sendall(frame(update("BUG")))
        assert answers(wire) == []
    assert until(lambda: door.listener.counts.cut == {"our_fault": 1})
    assert_well(door)


def test_stopping_answers_what_is_in_work_and_closes_the_rest() -> None:
    with open_door() as door:
        idle = door.connect()
        with door.connect() as wire:
            door.hold.clear()
            wire.sendall(frame(update("DRAIN")))
            assert until(lambda: len(door.received) == 1)
            door._loop.call_later(0.2, door.hold.set)
            door.stop()

            assert answers(wire) == [("AA", "DRAIN")]
        assert is_closed(idle)
        idle.close()
        with pytest.raises(OSError):
            door.connect()


def test_an_address_still_in_use_is_tried_again_for_a_while() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError), open_door(MllpLimits(bind_secs=0.3), port=port):
            pass
        releaser = threading.Timer(0.4, taken.close)
        releaser.start()
        with open_door(MllpLimits(bind_secs=10), port=port) as door:
            assert door.port == port
            assert door.listener.is_alive
            assert_well(door)
        assert not door.listener.is_alive
