"""Specific Character Set, read and written."""

from __future__ import annotations

import pytest

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import LATIN_1, UTF8, CharacterSet, parse, transliterate
from tests.unit.codecs.dicom.objects import corpus

_JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"
_KOREAN = "Hong^Gildong=洪^吉洞=홍^길동"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"ISO_IR 100", "Núñez^José"),
        (b"ISO_IR 101", "Dvořák^Antonín"),
        (b"ISO_IR 126", "Διονυσιος"),
        (b"ISO_IR 127", "قباني^لنزار"),
        (b"ISO_IR 138", "שרון^דבורה"),
        (b"ISO_IR 144", "Люкceмбypг"),
        (b"ISO_IR 166", "นามสกุล"),
        (b"ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (b"ISO_IR 192", "Wang^XiaoDong=王^小東"),
        (b"GB18030", "Wang^XiaoDong=王^小东"),
        (b"\\ISO 2022 IR 87", _JAPANESE),
        (b"ISO 2022 IR 6\\ISO 2022 IR 87", _JAPANESE),
        (b"ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (b"\\ISO 2022 IR 149", _KOREAN),
        (b"\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东"),
        (b"ISO 2022 IR 100\\ISO 2022 IR 144", "Núñez^Пётр"),
    ],
)
def test_a_name_survives_its_character_set(value: bytes, name: str) -> None:
    terms = parse(value)
    assert terms.is_sound
    assert terms.value == value
    encoded = terms.encode(name, person_name=True)
    assert terms.decode(encoded, person_name=True) == (name, True)


def test_code_extensions_are_written_as_the_standard_shows() -> None:
    encoded = parse(b"\\ISO 2022 IR 87").encode(_JAPANESE, person_name=True)
    assert encoded == (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B")
    korean = parse(b"\\ISO 2022 IR 149").encode(_KOREAN, person_name=True)
    assert korean == (b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf")


def test_what_does_not_fit_is_not_written() -> None:
    assert not LATIN_1.fits("Dvořák")
    assert not charset.ASCII.fits("é")
    assert not parse(b"\\ISO 2022 IR 87").fits("홍", person_name=True)
    with pytest.raises(UnicodeEncodeError):
        parse(b"ISO_IR 13").encode("山田")


@pytest.mark.parametrize("value", [b"unicode_escape", b"utf-8", b"latin1", b"ISO_IR 999", b"\xff\xfe"])
def test_names_that_are_no_defined_terms_are_unsound_and_read_as_latin_1(value: bytes) -> None:
    found = parse(value)
    assert (found.terms, found.is_sound) == (("ISO_IR 100",), False)
    assert charset.parse_setting(value.decode("latin_1")) is None


@pytest.mark.parametrize(
    ("value", "terms"),
    [
        (b"ISO-IR 100", ("ISO_IR 100",)),
        (b"ISO IR 192", ("ISO_IR 192",)),
        (b"ISO_2022_IR_87", ("", "ISO 2022 IR 87")),
        (b"ISO_IR 192\\ISO 2022 IR 87", ("ISO_IR 192",)),
        (b"ISO_IR 100\\ISO_IR 192", ("ISO_IR 100",)),
    ],
)
def test_usual_slips_are_understood_but_noted(value: bytes, terms: tuple[str, ...]) -> None:
    assert parse(value) == CharacterSet(terms, is_sound=False)


def test_bytes_that_the_set_does_not_have_are_read_and_noted() -> None:
    assert UTF8.decode(b"N\xfa\xf1ez") == ("Núñez", False)
    assert charset.ASCII.decode(b"N\xfa\xf1ez") == ("Núñez", False)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Núñez^José", "Núñez^José"),
        ("Dvořák^Antonín", "Dvorák^Antonín"),
        ("Łukasz^Żak", "Lukasz^Zak"),
        ("Щукин^Пётр", "Shchukin^Petr"),
        (_JAPANESE, "Yamada^Tarou"),
        ("=山田^太郎", "=??^??"),
    ],
)
def test_a_device_that_reads_latin_1_is_shown_what_it_can(name: str, shown: str) -> None:
    assert transliterate(name, LATIN_1, person_name=True) == shown


def test_every_character_set_file_of_the_corpus_reads_without_loss() -> None:
    from bridge.codecs.dicom.datasets import read_header
    from bridge.errors import Incomplete

    names = {}
    for path in sorted(corpus("dicom/charset").glob("*.dcm")):
        try:
            header = read_header(path)
        except Incomplete:
            continue
        assert "undecodable_text" not in header.faults, path
        names[path.stem] = header.patient_name
    assert names["chrH31"] == _JAPANESE
    assert names["chrI2"] == _KOREAN
    assert names["chrGreek"] == "Διονυσιος"
    assert names["chrX2"].rstrip("=") == "Wang^XiaoDong=王^小东"


def test_bytes_without_their_escape_read_in_the_set_that_would_have_needed_one() -> None:
    chinese = charset.parse(rb"\ISO 2022 IR 58")
    assert chinese.decode("张*".encode("gb2312"), person_name=True) == ("张*", False)
    assert charset.parse(rb"\ISO 2022 IR 87").decode(b"\xc4") == ("Ä", False)
