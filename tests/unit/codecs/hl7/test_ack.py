"""Answers: every class of error at this edge, in both forms of ERR and both modes. Source: HL7 2.5.1 2.9, table 0357."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.codecs.hl7.ack import answer_code, answer_codes, build_ack, split_answers, verdict_of
from bridge.codecs.hl7.er7 import parse, read_envelope
from bridge.codecs.hl7.framing import FrameDecoder, wrap
from bridge.domain.message import Notice
from bridge.errors import BridgeError, Conflict, Incomplete, Malformed, Refused, Unavailable, Unsupported

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def header(version: str = "2.5.1", accept: str = "", application: str = "", charset: str = "") -> bytes:
    return (
        f"MSH|^~\\&|EHR|MERCYW|BRIDGE|HOSP|20260301||ADT^A08^ADT_A01|C1|P|{version}|||{accept}|{application}||{charset}\r"
    ).encode("latin-1")


def answer(raw: bytes, error: BaseException | None = None, *notices: Notice) -> list[list[str]]:
    ack = build_ack(read_envelope(raw), error, notices, control_id="A1", at=AT)
    return [segment.split("|") for segment in ack.decode().rstrip("\r").split("\r")]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, ("AA", "0", "")),
        (Malformed("x", where="ORC-7.4"), ("AE", "102", "ORC-7.4")),
        (Malformed("x", code="segment_sequence", where="PID[2]"), ("AE", "100", "PID[2]")),
        (Malformed("x", code="cut_frame"), ("AE", "100", "")),
        (Malformed("x", code="too_long", where="OBR-18"), ("AE", "104", "OBR-18")),
        (Unsupported("x"), ("AR", "200", "MSH-9.1")),
        (Unsupported("x", code="unsupported_event", where="MSH-9.2"), ("AR", "201", "MSH-9.2")),
        (Unsupported("x", code="unsupported_processing_id", where="MSH-11"), ("AR", "202", "MSH-11")),
        (Unsupported("x", code="unsupported_version", where="MSH-12"), ("AR", "203", "MSH-12")),
        (Incomplete("x", code="missing", where="PID-3"), ("AE", "101", "PID-3")),
        (Incomplete("x", code="not_in_table", where="ORC-1"), ("AE", "103", "ORC-1")),
        (Conflict("x", where="PID-3"), ("AE", "204", "PID-3")),
        (Conflict("x", code="duplicate_key", where="MRG-1"), ("AE", "205", "MRG-1")),
        (Conflict("x", code="record_locked", where="ORC-1"), ("AE", "206", "ORC-1")),
        (Refused("x"), ("AR", "103", "MSH-4")),
        (Unavailable("x"), ("AR", "207", "")),
        (KeyError("our own bug"), ("AR", "207", "")),
        (BridgeError("none of the classes"), ("AR", "207", "")),
    ],
)
def test_every_error_has_one_answer(error: BaseException | None, expected: tuple[str, str, str]) -> None:
    assert tuple(verdict_of(error)) == expected


def test_a_success_echoes_the_control_id_and_swaps_the_parties() -> None:
    msh, msa = answer(header())

    assert msh[2:6] == ["BRIDGE", "HOSP", "EHR", "MERCYW"]
    assert msh[6:] == ["20260301120000+0000", "", "ACK^A08^ACK", "A1", "P", "2.5.1"]
    assert msa == ["MSA", "AA", "C1"]


def test_an_error_names_its_place_in_the_newer_form() -> None:
    _, msa, err = answer(header(), Incomplete("no number", code="missing", where="PID[2]-3[2].4.2"))

    assert msa[:3] == ["MSA", "AE", "C1"]
    assert err[2:5] == ["PID^2^3^2^4^2", "101^Required field missing^HL70357", "E"]
    assert err[8] == "PID[2]-3[2].4.2: no number"


@pytest.mark.parametrize("version", ["2.3.1", "2.3", "2.4", "2.2"])
def test_an_error_names_its_place_in_the_older_form(version: str) -> None:
    _, _, err = answer(header(version), Incomplete("no number", code="missing", where="PID-3"))

    assert err == ["ERR", "PID^1^3^101&Required field missing&HL70357"]


def test_a_notice_stands_beside_a_success() -> None:
    _, msa, err = answer(header(), None, Notice("W", "the same control id with other content", "MSH-10"))

    assert msa == ["MSA", "AA", "C1", "the same control id with other content"]
    assert err[2:5] == ["MSH^1^10^1", "0^Message accepted^HL70357", "W"]


def test_the_older_form_has_no_severity_so_a_notice_is_text_only() -> None:
    segments = answer(header("2.3.1"), None, Notice("W", "stale", "EVN-2"))

    assert segments[1:] == [["MSA", "AA", "C1", "stale"]]


@pytest.mark.parametrize(
    ("accept", "application", "error", "codes"),
    [
        ("", "", None, ["AA"]),
        ("AL", "NE", None, ["CA"]),
        ("AL", "NE", Malformed("x"), ["CE"]),
        ("AL", "AL", None, ["CA", "AA"]),
        ("SU", "SU", None, ["CA", "AA"]),
        ("AL", "ER", None, ["CA"]),
        ("AL", "AL", Unsupported("x"), ["CR"]),
        ("NE", "AL", None, ["AA"]),
        ("ER", "AL", None, ["AA"]),
        ("NE", "AL", Unsupported("x"), ["AR"]),
        ("NE", "NE", None, []),
        ("NE", "NE", Malformed("x"), []),
        ("ER", "NE", None, []),
        ("ER", "NE", Malformed("x"), ["CE"]),
        ("SU", "ER", Malformed("x"), ["AE"]),
        ("SU", "ER", None, ["CA"]),
        ("", "SU", None, ["AA"]),
    ],
)
def test_enhanced_mode_gets_the_answers_it_asks_for(
    accept: str, application: str, error: BaseException | None, codes: list[str]
) -> None:
    envelope = read_envelope(header(accept=accept, application=application))
    sent = [parse(one) for one in split_answers(build_ack(envelope, error, control_id="A" * 20, at=AT))]

    assert [one.segments[1].text.split("|")[1:3] for one in sent] == [[code, "C1"] for code in codes]
    assert len({one.envelope.control_id for one in sent}) == len(codes)
    assert answer_code(envelope, error) == (codes[-1] if codes else "")


def test_of_two_answers_only_the_second_tells_what_was_let_through() -> None:
    envelope = read_envelope(header(accept="AL", application="AL"))
    first, second = split_answers(build_ack(envelope, None, [Notice("W", "stale", "EVN-2")], control_id="A", at=AT))

    assert b"ERR" not in first
    assert b"ERR||EVN^1^2^1|0^Message accepted^HL70357|W" in second


def test_a_sender_in_original_mode_gets_one_answer_whatever_its_header_says() -> None:
    envelope = read_envelope(header(accept="NE", application="NE")).in_original_mode()

    assert answer_codes(envelope, None) == ("AA",)


def test_the_answer_speaks_the_senders_character_set() -> None:
    raw = header(charset="8859/1").replace(b"EHR", b"K\xd6LN")
    ack = build_ack(read_envelope(raw), None, control_id="A1", at=AT)

    assert b"|K\xd6LN|" in ack
    assert ack.split(b"\r")[0].endswith(b"|8859/1")


@pytest.mark.parametrize(
    "raw", [header(charset="KLINGON"), header(charset="UNICODE UTF-8").replace(b"EHR", b"K\xd6LN")]
)
def test_a_character_set_that_did_not_read_the_message_is_not_answered_in(raw: bytes) -> None:
    ack = build_ack(read_envelope(raw), Incomplete("x", code="not_in_table", where="MSH-18"), control_id="A1", at=AT)

    assert parse(ack).envelope.field(18) == ""


def test_the_answer_speaks_the_senders_delimiters() -> None:
    raw = b"MSH#*!?%#EHR#MERCYW#B#H#2026##ADT*A08#C1#P#2.5.1\r"
    ack = build_ack(read_envelope(raw), Incomplete("no number", where="PID-3"), control_id="A1", at=AT)

    assert parse(ack).envelope.message_type == "ACK^A08"
    assert b"MSA#AE#C1#" in ack
    assert b"PID*1*3*1" in ack


@pytest.mark.parametrize("raw", [b"", b"garbage\x0b\x1c\r", b"MSH|^^^^|A|B|C|D|E||F|C7|P|2.5\r"])
def test_what_cannot_be_read_is_answered_all_the_same(raw: bytes) -> None:
    envelope = read_envelope(raw)
    assert envelope.fault is not None
    ack = build_ack(envelope, envelope.fault, control_id="A1", at=AT)

    assert b"\rMSA|AE|" in ack


def test_what_is_echoed_cannot_end_our_frame() -> None:
    raw = header().replace(b"|EHR|", b"|E\x1c\x0bR|").replace(b"2.5.1|||||\r", b"2.5.1||||||\x1c\r")
    ack = build_ack(read_envelope(raw), Malformed("x"), control_id="A1", at=AT)
    decoder = FrameDecoder()

    assert decoder.feed(wrap(ack)) == []
    frame = decoder.settle()
    assert frame is not None
    assert frame.payload == ack


def test_our_own_bug_says_nothing_of_itself() -> None:
    ack = build_ack(read_envelope(header()), ValueError("DOE^JOHN 19700101"), control_id="A1", at=AT)

    assert b"DOE" not in ack
    assert b"MSA|AR|C1|internal error" in ack


def test_an_unserved_version_is_answered_in_ours() -> None:
    msh, _, err = answer(header("9.9"), Unsupported("x", code="unsupported_version", where="MSH-12"))

    assert msh[11] == "2.5.1"
    assert err[3].startswith("203^")
