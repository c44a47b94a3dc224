"""MLLP frames, byte for byte. Source: HL7 2.5.1 appendix C."""

from __future__ import annotations

import pytest

from bridge.codecs.hl7.framing import Frame, FrameDecoder, Skipped, TooLong, check, wrap
from bridge.errors import Malformed

MESSAGE = b"MSH|^~\\&|A\rPID|1\r"


def frames_of(*chunks: bytes, max_bytes: int = 10_000) -> list[Frame | Skipped]:
    decoder = FrameDecoder(max_bytes)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    last = decoder.settle()
    return [*events, last] if last else events


def test_a_frame_gives_its_payload() -> None:
    assert frames_of(wrap(MESSAGE)) == [Frame(MESSAGE)]


def test_a_frame_may_arrive_byte_by_byte() -> None:
    assert frames_of(*(bytes([byte]) for byte in wrap(MESSAGE))) == [Frame(MESSAGE)]


def test_frames_on_end_come_out_in_order() -> None:
    assert frames_of(wrap(b"MSH1") + wrap(b"MSH2")) == [Frame(b"MSH1"), Frame(b"MSH2")]


def test_a_whole_frame_waits_until_it_is_known_what_follows() -> None:
    decoder = FrameDecoder()

    assert decoder.feed(wrap(MESSAGE)) == []
    assert decoder.has_waiting
    assert decoder.settle() == Frame(MESSAGE)
    assert decoder.settle() is None


def test_bytes_right_behind_a_frame_make_it_doubtful() -> None:
    cut = b"MSH|^~\\&|A\rPID|1||1||FA\x1c\rULT^TEST\r"

    found = frames_of(wrap(cut))

    assert found[0] == Frame(b"MSH|^~\\&|A\rPID|1||1||FA", doubtful=True)
    assert [type(event) for event in found] == [Frame, Skipped]


def test_a_doubtful_frame_is_refused_whole() -> None:
    with pytest.raises(Malformed) as refused:
        check(Frame(MESSAGE, doubtful=True))
    assert refused.value.code == "cut_frame"
    assert check(Frame(MESSAGE)) == MESSAGE


@pytest.mark.parametrize("padding", [b"\r\n", b"\n", b"\x00\x00", b"  ", b"\r\n\x00 "])
def test_padding_between_frames_is_no_doubt(padding: bytes) -> None:
    assert frames_of(wrap(b"MSH1") + padding, wrap(b"MSH2")) == [Frame(b"MSH1"), Frame(b"MSH2")]


def test_noise_behind_padding_is_a_doubt_all_the_same() -> None:
    assert frames_of(wrap(MESSAGE) + b"\r\nPV1|1\r")[0] == Frame(MESSAGE, doubtful=True)


def test_bytes_before_a_frame_are_skipped_and_counted() -> None:
    assert frames_of(b"noise" + wrap(MESSAGE)) == [Skipped(5), Frame(MESSAGE)]


def test_an_end_block_without_its_carriage_return_is_data() -> None:
    assert frames_of(wrap(b"MSH|a\x1cb")) == [Frame(b"MSH|a\x1cb")]


def test_a_start_block_before_a_header_begins_anew() -> None:
    found = frames_of(b"\x0bMSH|half a mess" + wrap(MESSAGE))

    assert found == [Skipped(15, truncated=True), Frame(MESSAGE)]


@pytest.mark.parametrize("split", range(1, 8))
def test_a_new_start_is_seen_across_chunks(split: int) -> None:
    stream = b"\x0bMSH|" + wrap(MESSAGE)

    assert frames_of(stream[: 5 + split], stream[5 + split :])[-1] == Frame(MESSAGE)


def test_a_start_block_elsewhere_stays_in_the_message() -> None:
    assert frames_of(wrap(b"MSH|a\x0bb")) == [Frame(b"MSH|a\x0bb")]


def test_an_empty_frame_is_a_frame() -> None:
    assert frames_of(wrap(b"")) == [Frame(b"")]


def test_a_frame_beyond_the_ceiling_ends_the_stream() -> None:
    with pytest.raises(TooLong):
        frames_of(b"\x0b" + b"A" * 101, max_bytes=100)


def test_a_frame_at_the_ceiling_passes() -> None:
    assert frames_of(wrap(b"A" * 100), max_bytes=100) == [Frame(b"A" * 100)]


def test_what_an_unfinished_frame_holds_is_told() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\x0bMSH|")

    assert decoder.in_frame
    assert decoder.pending_bytes == 4
