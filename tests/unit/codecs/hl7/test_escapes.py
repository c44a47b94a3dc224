"""Delimiters and escapes. Source: HL7 2.5.1 2.5.4, 2.7."""

from __future__ import annotations

import pytest

from bridge.codecs.hl7.escapes import STANDARD, Delimiters, escape, read_delimiters, unescape
from bridge.errors import Malformed


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("A\\F\\B", "A|B"),
        ("A\\S\\B", "A^B"),
        ("A\\T\\B", "A&B"),
        ("A\\R\\B", "A~B"),
        ("A\\E\\B", "A\\B"),
        ("A\\.br\\B", "A\r\nB"),
        ("A\\.sp2\\B", "A\r\n\r\nB"),
        ("\\H\\bold\\N\\", "bold"),
        ("\\X4D\\", "M"),
        ("\\XC3BC\\", "ü"),
        ("C:\\temp\\x", "C:\\temp\\x"),
        ("50\\% off", "50\\% off"),
        ("\\Zlocal\\", "\\Zlocal\\"),
        ("\\E\\.br\\E\\", "\\.br\\"),
        ("\\", "\\"),
        ("", ""),
    ],
)
def test_escapes_decode_and_what_is_none_stays(raw: str, text: str) -> None:
    assert unescape(raw, STANDARD, "utf-8") == text


@pytest.mark.parametrize("raw", ["\\X00\\", "\\X1B\\", "\\XFF\\", "\\X1\\"])
def test_bytes_that_are_no_text_stay_as_they_came(raw: str) -> None:
    assert unescape(raw, STANDARD, "utf-8") == raw


def test_hexadecimal_bytes_are_in_the_messages_set() -> None:
    assert unescape("\\XFC\\", STANDARD, "latin-1") == "ü"


def test_an_escape_without_meaning_is_noted() -> None:
    unknown: list[str] = []
    unescape("a\\Zx\\b", STANDARD, "utf-8", unknown)

    assert unknown


@pytest.mark.timeout(60)
def test_hundreds_of_thousands_of_escape_characters_are_read() -> None:
    assert unescape("\\" * 400_001 + "\\X0D0A\\\\.br\\" * 20_000, STANDARD, "utf-8").count("\r\n") == 40_000


@pytest.mark.parametrize("text", ["a|b^c&d~e\\f", "\\F\\", "plain", "|^~\\&"])
def test_what_is_escaped_comes_back(text: str) -> None:
    written = escape(text)

    assert not set("|^~&") & set(written)
    assert unescape(written, STANDARD, "utf-8") == text


def test_line_ends_are_written_as_breaks() -> None:
    assert escape("a\r\nb\nc\rd") == "a\\.br\\b\\.br\\c\\.br\\d"


def test_any_delimiters_are_read() -> None:
    assert read_delimiters("MSH#*!?%#A") == Delimiters("#", "*", "!", "?", "%")


def test_a_fifth_encoding_character_separates_nothing() -> None:
    assert read_delimiters("MSH|^~\\&#|A") == STANDARD


def test_missing_encoding_characters_are_missing() -> None:
    assert read_delimiters("MSH|^~|A") == Delimiters("|", "^", "~", "", "")


@pytest.mark.parametrize(
    "header",
    ["MSH|^^^^|A", "MSH|^~~\\&|A", "MSHA^~\\&A", "MSH||A", "MSH|^~\\&#!|A", 'MSH|"~\\&|A', "MSH", "MSH|^~ &|"],
)
def test_delimiters_that_could_be_text_are_refused(header: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_delimiters(header)
    assert refused.value.where == "MSH-2"
