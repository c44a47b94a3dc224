"""Messages out of files, logs and clipboards."""

from __future__ import annotations

import pytest

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.pasted import MAX_MESSAGES, messages_in

ONE = b"MSH|^~\\&|A|B|||20260101||ADT^A08|%d|P|2.5\rPID|1||7||DOE^J\r"


def control_ids(raw: bytes) -> list[str]:
    return [er7.parse(message).envelope.control_id for message in messages_in(raw)]


@pytest.mark.parametrize(
    "raw",
    [
        ONE % 1 + ONE % 2,
        (ONE % 1 + ONE % 2).replace(b"\r", b"\n"),
        (ONE % 1 + ONE % 2).replace(b"\r", b"\r\n"),
        b"\x0b" + ONE % 1 + b"\x1c\r\x0b" + ONE % 2 + b"\x1c\r",
        b"\xef\xbb\xbf" + ONE % 1 + b"\r\n\r\n\xef\xbb\xbf" + ONE % 2,
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ONE % 1 + ONE % 2 + b"BTS|2\rFTS|1\r",
        b"received from 10.0.0.1:\n" + ONE % 1 + b"\n  " + ONE % 2,
        b"2026-01-01 09:14:02,113 INFO [recv] <VT>" + ONE % 1 + b"2026-01-01 09:14:03 INFO [recv] " + ONE % 2,
        (ONE % 1 + ONE % 2).decode().encode("utf-16"),
    ],
    ids=["behind one another", "LF", "CRLF", "frames", "marks", "batch", "log", "log lines", "UTF-16"],
)
def test_every_message_is_found(raw: bytes) -> None:
    assert control_ids(raw) == ["1", "2"]


@pytest.mark.parametrize("raw", [b"", b"hello", b"PID|1||7\r", b"MSHELL|x"])
def test_what_holds_no_message_comes_back_whole(raw: bytes) -> None:
    assert messages_in(raw) == [raw]


def test_no_more_than_a_person_reads_are_taken() -> None:
    assert len(messages_in(b"".join(ONE % n for n in range(MAX_MESSAGES + 5)))) == MAX_MESSAGES


def test_a_word_that_begins_like_a_header_inside_a_text_is_text() -> None:
    found = messages_in(ONE % 1 + b"NTE|1||the MSH|is old\rNTE|2||sent MSH|^~\\&|A\r")

    assert len(found) == 1
    assert found[0].endswith(b"the MSH|is old\rNTE|2||sent MSH|^~\\&|A\r")
