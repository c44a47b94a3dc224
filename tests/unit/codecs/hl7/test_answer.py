"""Answers to our messages, as real systems give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs.hl7.answer import read_answer
from bridge.errors import BridgeError

HEADER = b"MSH|^~\\&|RIS|MERCY|BRIDGE||20260302||ACK^O01^ACK|X1|P|2.5.1\r"


@pytest.mark.parametrize(
    ("raw", "code", "about"),
    [
        (HEADER + b"MSA|AA|C1\r", "AA", "C1"),
        (HEADER + b"MSA|AA|C1", "AA", "C1"),
        (HEADER.replace(b"\r", b"\r\n") + b"MSA|CA|C1\r\n", "CA", "C1"),
        (b"\xef\xbb\xbf" + HEADER + b"MSA|ae| C1 |text\r", "AE", "C1"),
        (HEADER.replace(b"|", b"$") + b"MSA$AR$C1\r", "AR", "C1"),
    ],
)
def test_an_answer_names_its_message(raw: bytes, code: str, about: str) -> None:
    found = read_answer(raw)
    assert (found.code, found.control_id) == (code, about)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            b"ERR||PID^1^3^1^4|204^Unknown key identifier^HL70357|E||||HALVORSEN not found\r",
            "204 unknown key identifier at PID-3",
        ),
        (b"ERR|ORC^1^2^204&Unknown key identifier&HL70357\r", "204 unknown key identifier at ORC-2"),
        (b"ERR||MSH^1^12|203\r", "203 unsupported version id at MSH-12"),
        (b"ERR||HALVORSEN^1^3|999^HALVORSEN\r", ""),
        (b"", ""),
    ],
)
def test_a_refusal_is_told_by_number_and_place_never_in_the_other_side_s_words(error: bytes, sentence: str) -> None:
    found = read_answer(HEADER + b"MSA|AE|C1|HALVORSEN^INGRID is not known\r" + error)
    assert found.error == sentence
    assert found.sentence == (f"answered AE: {sentence}" if sentence else "answered AE")
    assert "HALVORSEN" not in f"{found}"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        HEADER,
        HEADER + b"MSA|AA\r",
        HEADER + b"MSA|OK|C1\r",
        HEADER + b"MSA|AA|C1\rMSA|AA|C2\r",
        b"MSA|AA|C1\r",
        b"MSH",
        b"MSH|||||\rMSA|AA|C1\r",
    ],
)
def test_what_is_no_answer_is_taken_for_none(raw: bytes) -> None:
    with pytest.raises(BridgeError):
        read_answer(raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_fault_of_the_house(raw: bytes) -> None:
    for payload in (raw, HEADER + raw):
        try:
            read_answer(payload)
        except BridgeError:
            continue
