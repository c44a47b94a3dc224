"""Character sets: what MSH-18 may say and what the bytes are. Source: HL7 table 0211."""

from __future__ import annotations

import pytest

from bridge.codecs.hl7.charset import codec_of, decode, encode
from bridge.errors import Incomplete, Malformed


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("8859/1", "latin-1"),
        ("ISO-8859-1", "latin-1"),
        ("iso8859/15", "iso8859-15"),
        ("ISO_IR 100", "latin-1"),
        ("ISO IR87", "iso2022_jp_ext"),
        ("GB 18030-2000", "gb18030"),
        ("KS X 1001", "euc_kr"),
        ("KLINGON", None),
        ("UNICODE UTF-16", "utf-8"),
        ("CNS 11643-1992", None),
    ],
)
def test_names_and_their_usual_spellings(name: str, codec: str | None) -> None:
    assert codec_of(name) == codec


def test_declared_bytes_are_read_as_declared() -> None:
    assert decode("Müller".encode("latin-1"), ("8859/1",), None)[:2] == ("Müller", "latin-1")
    assert decode("Πέτρος".encode("iso8859-7"), ("8859/7",), None)[0] == "Πέτρος"


def test_latin1_with_windows_punctuation_is_read_as_windows() -> None:
    text, codec, notices = decode("O\u2019Neil".encode("cp1252"), ("8859/1",), None)

    assert (text, codec) == ("O\u2019Neil", "cp1252")
    assert notices[0].severity == "I"


def test_a_japanese_second_repetition_is_what_the_escapes_switch_to() -> None:
    raw = "MSH|山田^太郎|".encode("iso2022_jp")

    assert decode(raw, ("", "ISO IR87"), None)[0] == "MSH|山田^太郎|"
    assert decode(raw, ("ISO IR6", "ISO IR87"), None)[0] == "MSH|山田^太郎|"


def test_bytes_that_are_not_in_the_declared_set_are_refused() -> None:
    with pytest.raises(Malformed) as refused:
        decode(b"M\xfcller", ("UNICODE UTF-8",), None)
    assert (refused.value.code, refused.value.where) == ("wrong_charset", "MSH-18")


def test_declared_ascii_means_ascii() -> None:
    with pytest.raises(Malformed):
        decode("Müller".encode(), ("ASCII",), None)


def test_a_name_without_meaning_is_refused() -> None:
    with pytest.raises(Incomplete) as refused:
        decode(b"x", ("KLINGON",), None)
    assert (refused.value.code, refused.value.where) == ("not_in_table", "MSH-18")


@pytest.mark.parametrize("declared", [("KLINGON",), ("UNICODE UTF-8",), ("",)])
def test_the_sites_set_helps_where_the_declared_one_does_not(declared: tuple[str, ...]) -> None:
    text, codec, _ = decode(b"M\xfcller", declared, "8859/1")

    assert (text, codec) == ("Müller", "latin-1")


def test_a_valid_declaration_goes_before_the_sites_set() -> None:
    assert decode("Müller".encode(), ("UNICODE UTF-8",), "8859/1")[0] == "Müller"


def test_nothing_declared_is_utf8_where_that_fits_and_latin1_with_a_warning_where_not() -> None:
    assert decode("Müller".encode(), ("",), None) == ("Müller", "utf-8", [])
    text, codec, notices = decode(b"M\xfcller", ("",), None)
    assert (text, codec) == ("Müller", "latin-1")
    assert [notice.severity for notice in notices] == ["W"]


@pytest.mark.parametrize("bad", [b"a\x00b", b"a\x0bb", b"a\x1b[2Jb", b"a\x7fb", b"a\x0cb", "a\x85b".encode()])
def test_control_characters_are_refused(bad: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        decode(bad, ("UNICODE UTF-8",), None)
    assert refused.value.code == "control_character"


def test_tab_and_line_ends_are_text() -> None:
    assert decode(b"a\tb\rc\nd", ("ASCII",), None)[0] == "a\tb\rc\nd"


def test_a_character_that_the_sender_lost_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        decode("M\ufffdller".encode(), ("UNICODE UTF-8",), None)
    assert refused.value.code == "replacement_character"


@pytest.mark.parametrize(
    ("declared", "site", "codec"),
    [
        (("8859/1",), None, "latin-1"),
        (("UNICODE UTF-8",), "8859/1", "utf-8"),
        (("",), "8859/15", "iso8859-15"),
        (("",), None, "utf-8"),
        (("8859/7",), None, "utf-8"),
        (("", "ISO IR87"), None, "iso2022_jp_ext"),
        (("KLINGON",), None, "utf-8"),
    ],
)
def test_text_out_of_a_clipboard_becomes_its_senders_bytes(
    declared: tuple[str, ...], site: str | None, codec: str
) -> None:
    assert encode("Mercier^Élodie", declared, site) == "Mercier^Élodie".encode(codec)
