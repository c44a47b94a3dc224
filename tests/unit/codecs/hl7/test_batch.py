"""Batches cut into their messages, and the batch of answers. Source: HL7 2.5.1 2.10.3, 2.14.2."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.codecs.hl7.ack import build_ack
from bridge.codecs.hl7.batch import MAX_PARTS, build_batch_answer, is_batch, messages_in, split, split_messages
from bridge.codecs.hl7.envelope import read_envelope
from bridge.errors import Malformed

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
FHS = b"FHS|^~\\&|EHR|MERCYW|BRIDGE|HOSP|20260301||||F1\r"
BHS = b"BHS|^~\\&|EHR|MERCYW|BRIDGE|HOSP|20260301||||B1\r"


def message(control_id: str, end: bytes = b"\r") -> bytes:
    return f"MSH|^~\\&|EHR|MERCYW|||2026||ADT^A08|{control_id}|P|2.5".encode() + end + b"PID|1||7" + end


A, B, C = message("A"), message("B"), message("C")


@pytest.mark.parametrize(
    ("raw", "shape"),
    [
        (BHS + A + B + b"BTS|2\r", [[A, B]]),
        (BHS + A + b"BTS|2\r".replace(b"2", b"1") + b"FTS|1\r", [[A]]),
        (FHS + BHS + A + b"BTS|1\r" + BHS + B + C + b"BTS|2\rFTS|2\r", [[A], [B, C]]),
        (FHS + BHS + A + b"BTS|1\r", [[A]]),
        (FHS + A + B + b"FTS|1\r", [[A, B]]),
        (FHS + A + b"BTS|1\rFTS|1\r", [[A]]),
        (BHS + b"BTS|0\r", [[]]),
        (FHS + b"FTS|0\r", []),
        (BHS + A + b"BTS\r", [[A]]),
        (BHS + A + b"BTS|01|all of it\r\x00\x00", [[A]]),
        (b"\xef\xbb\xbf" + BHS + A + b"BTS|1", [[A]]),
    ],
)
def test_a_whole_batch_is_cut_into_its_messages_as_sent(raw: bytes, shape: list[list[bytes]]) -> None:
    assert is_batch(raw)
    assert [batch.messages for batch in split(raw).batches] == shape


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r"])
def test_any_line_end_will_do(end: bytes) -> None:
    raw = BHS.replace(b"\r", end) + message("A", end) + b"BTS|1" + end

    assert split(raw).messages == [message("A", end)]


def test_a_batch_in_utf_16_is_cut_as_what_it_says() -> None:
    raw = (BHS + A + b"BTS|1\r").decode().encode("utf-16")

    assert is_batch(raw)
    assert split(raw).messages == [A]


def test_the_counts_are_read_in_the_batches_own_delimiters() -> None:
    assert split(b"BHS#*!?%#EHR\r" + A + b"BTS#1#all\r").messages == [A]
    with pytest.raises(Malformed):
        split(b"BHS#*!?%#EHR\r" + A + b"BTS#2#all\r")


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (BHS + A + b"BTS|2\r", "BTS-1"),
        (BHS + A + b"BTS|one\r", "BTS-1"),
        (BHS + A + b"BTS|-1\r", "BTS-1"),
        (FHS + BHS + A + b"BTS|1\rFTS|2\r", "FTS-1"),
        (BHS + A, "BTS"),
        (FHS + A, "BTS"),
        (FHS + BHS + A + b"FTS|1\r", "BTS"),
        (BHS + A + BHS + b"PID|1\r" + b"BTS|1\r", "BHS"),
        (FHS + BHS + A + FHS + b"BTS|1\rFTS|1\r", "FHS"),
        (BHS + A + b"BTS|1\r" + B, "MSH"),
        (BHS + A + b"BTS|1\rFTS|1\r" + BHS + b"BTS|0\r", "BHS"),
        (BHS + A + b"BTS|1\rNTE|1||more\r", "BTS"),
        (BHS + b"PID|1||7\r" + A + b"BTS|1\r", "BHS"),
        (A, "MSH"),
        (b"", "BHS"),
        (b"BHS|||\r" + A + b"BTS|1\r", "MSH-2"),
    ],
)
def test_what_is_not_whole_is_refused_whole_and_by_place(raw: bytes, where: str) -> None:
    with pytest.raises(Malformed) as refused:
        split(raw)
    assert refused.value.where == where


def test_a_batch_has_a_length_beyond_which_it_is_not_read() -> None:
    with pytest.raises(Malformed) as refused:
        split(BHS + b"MSH|\r" * MAX_PARTS + b"BTS\r")
    assert refused.value.code == "too_many"


def test_a_segment_of_another_name_does_not_cut() -> None:
    raw = BHS + A + b"MSHX|1\rBTSY|2\r" + b"BTS|1\r"

    assert split(raw).messages == [A + b"MSHX|1\rBTSY|2\r"]


def test_messages_behind_each_other_are_told_apart_without_a_batch() -> None:
    assert split_messages(A + B) == [A, B]


def answer(control_id: str) -> bytes:
    return build_ack(read_envelope(message(control_id)), None, control_id=f"R{control_id}", at=AT)


def test_the_answer_is_a_batch_that_names_the_one_it_answers() -> None:
    asked = split(BHS + A + B + b"BTS|2\r")
    found = build_batch_answer(asked, [answer("A"), answer("B")], control_id="OURS", at=AT)

    header, *_, last = found.decode().split("\r")[:-1]
    fields = header.split("|")
    assert (fields[0], fields[2:6], fields[10], fields[11]) == (
        "BHS",
        ["BRIDGE", "HOSP", "EHR", "MERCYW"],
        "OURS-1",
        "B1",
    )
    assert last == "BTS|2"
    assert messages_in(found) == [answer("A"), answer("B")]


def test_a_file_is_answered_by_a_file_batch_by_batch() -> None:
    asked = split(FHS + BHS + A + b"BTS|1\r" + BHS + B + C + b"BTS|2\rFTS|2\r")
    found = build_batch_answer(asked, [answer("A"), answer("B"), b""], control_id="OURS", at=AT)

    assert [[len(batch.messages)] for batch in split(found).batches] == [[1], [1]]
    assert split(found).header is not None
    assert found.split(b"\r")[0].endswith(b"|OURS|F1")
    assert messages_in(found) == [answer("A"), answer("B")]


def test_of_two_answers_to_one_message_the_batch_holds_the_last() -> None:
    raw = A.replace(b"|2.5", b"|2.5|||AL|AL")
    both = build_ack(read_envelope(raw), None, control_id="RA", at=AT)
    found = build_batch_answer(split(BHS + raw + b"BTS|1\r"), [both], control_id="OURS", at=AT)

    assert [one.split(b"\r")[1] for one in messages_in(found)] == [b"MSA|AA|A"]
    assert [one.split(b"\r")[1] for one in messages_in(both)] == [b"MSA|CA|A", b"MSA|AA|A"]
