"""What is written is read back; what is anything at all is read or refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.ack import build_ack
from bridge.codecs.hl7.escapes import Delimiters, escape, unescape
from bridge.codecs.hl7.framing import Frame, FrameDecoder, wrap
from bridge.errors import BridgeError
from bridge.mapping.apply import apply
from tests.unit.mapping.senders import DEFAULTS, shipped

# Printable text; what a decoder strips or a reader refuses (controls, U+FFFD, lone surrogates) is tested by name elsewhere.
TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), exclude_characters="\ufffd"), max_size=40
).filter(lambda text: text != '""')
DELIMITERS = st.permutations("|^~\\&#*!?%").map(lambda chars: Delimiters(*chars[:5]))
HEADER = [
    "EHR",
    "MERCYW",
    "B",
    "H",
    "20260301",
    "",
    ["ADT", "A08"],
    "C1",
    "P",
    "2.5.1",
    "",
    "",
    "",
    "",
    "",
    "UNICODE UTF-8",
]
AT = datetime(2026, 3, 1, tzinfo=UTC)


@given(TEXT, DELIMITERS)
def test_any_text_survives_escaping(text: str, delimiters: Delimiters) -> None:
    written = escape(text, delimiters)

    assert not {delimiters.field, delimiters.component, delimiters.repetition, delimiters.subcomponent} & set(written)
    assert unescape(written, delimiters, "utf-8") == text


@given(st.lists(TEXT, max_size=12), DELIMITERS)
def test_written_fields_are_read_back_in_their_places(values: list[str], delimiters: Delimiters) -> None:
    raw = er7.build_segment("MSH", list(HEADER), delimiters) + er7.build_segment("ZXY", list(values), delimiters)
    segment = er7.parse(raw.encode()).segments[1]

    assert [segment.value(number + 1) for number in range(len(values))] == values


@given(st.lists(TEXT, min_size=1, max_size=8))
def test_components_are_read_back_in_their_places(values: list[str]) -> None:
    raw = er7.build_segment("MSH", list(HEADER)) + er7.build_segment("ZXY", [values])
    segment = er7.parse(raw.encode()).segments[1]

    assert [segment.value(1, number + 1) for number in range(len(values))] == values


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_and_answered(raw: bytes) -> None:
    envelope = er7.read_envelope(raw)
    error = None
    try:
        er7.parse(raw)
    except BridgeError as fault:
        error = fault

    assert b"MSA" in build_ack(envelope, error, control_id="A1", at=AT)


SEGMENT = st.sampled_from(["PID", "PV1", "ORC", "OBR", "IPC", "MRG", "ZDS", "NTE", "AUT", "IN1", "TQ1", "EVN", "XYZ"])
VALUE = st.one_of(
    st.sampled_from(
        ["", '""', "1", "7^^^M^MR", "NW", "CA", "20260301", "CT", "1.2.3", "A~B", "A&B^C", "\\T\\", "^^^", "X" * 20]
    ),
    st.text("|^~\\&AB1", max_size=12),
)


@settings(deadline=None)
@given(
    st.sampled_from(["ADT^A08", "ADT^A40", "ORM^O01", "OMI^O23"]),
    st.lists(st.tuples(SEGMENT, st.lists(VALUE, max_size=24)), max_size=8),
)
def test_any_segments_are_mapped_or_refused_by_name(kind: str, body: list[tuple[str, list[str]]]) -> None:
    segments = ["|".join([name, *values]) for name, values in body]
    raw = "\r".join([f"MSH|^~\\&|E|F|B|H|20260301||{kind}|C1|P|2.5.1", *segments])
    try:
        found = apply(er7.parse(raw.encode()), shipped().base, DEFAULTS)
    except BridgeError:
        return
    assert found.patient or found.merges
    for order in found.orders:
        assert order.order_control == "CA" or (order.study_instance_uid and order.steps)


# Frames: how the network cuts a stream changes nothing.

PIECE = st.one_of(
    st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\x1c\r", b"\x0bMSH", b"MSH|^~\\&|", b"\r\n", b"\x00", b"junk"]),
    st.binary(max_size=12).map(wrap),
)


def events(*chunks: bytes) -> list[object]:
    decoder = FrameDecoder()
    found: list[object] = [event for chunk in chunks for event in decoder.feed(chunk)]
    last = decoder.settle()
    return [*found, last] if last else found


@given(st.lists(PIECE, max_size=12).map(b"".join), st.data())
def test_frames_do_not_depend_on_how_the_stream_is_cut(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    def frames(found: list[object]) -> list[object]:
        return [event for event in found if isinstance(event, Frame)]

    assert frames(events(*chunks)) == frames(events(stream))
