"""An order in every character set, from the sender's bytes to what a device gets; all names are invented."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.codecs.dicom.charset import parse_setting
from bridge.codecs.dicom.device_text import Reading
from bridge.codecs.dicom.worklist_item import WorklistEntry, answering, encode
from bridge.codecs.dicom.worklist_query import to_worklist_query
from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.charset import decode
from bridge.errors import Incomplete, Malformed
from bridge.flows.preview_items import entries
from bridge.mapping.apply import Mapped, apply
from tests.unit.codecs.dicom.objects import IMPLICIT, encoded
from tests.unit.codecs.dicom.test_keys import identifier
from tests.unit.mapping.senders import DEFAULTS, shipped

JAPANESE = "電子^花子^^^^^L^I~デンシ^ハナコ^^^^^L^P"
# MSH-18, the codec that the sender writes with, the name as sent, the name as a DICOM person name.
SETS = [
    ("ASCII", "ascii", "Doe^Jane", "Doe^Jane"),
    ("8859/1", "latin-1", "Müller-Grünwald^Jörg", "Müller-Grünwald^Jörg"),
    ("8859/1", "cp1252", "D’Angelo^Zoë", "D’Angelo^Zoë"),
    ("8859/2", "iso8859-2", "Dvořáček^Ľubomír", "Dvořáček^Ľubomír"),
    ("8859/3", "iso8859-3", "Ġorġ^Ħal", "Ġorġ^Ħal"),
    ("8859/4", "iso8859-4", "Kārlis^Ģirts", "Kārlis^Ģirts"),
    ("8859/5", "iso8859-5", "Щукин^Пётр", "Щукин^Пётр"),
    ("8859/6", "iso8859-6", "قباني^لنزار", "قباني^لنزار"),
    ("8859/7", "iso8859-7", "Παπαδόπουλος^Νίκος", "Παπαδόπουλος^Νίκος"),
    ("8859/8", "iso8859-8", "שרון^דבורה", "שרון^דבורה"),
    ("8859/9", "iso8859-9", "Çağlar^İbrahim", "Çağlar^İbrahim"),
    ("8859/10", "iso8859-10", "Þórðarson^Ŋika", "Þórðarson^Ŋika"),
    ("8859/13", "iso8859-13", "Žukauskas^Šarūnas", "Žukauskas^Šarūnas"),
    ("8859/15", "iso8859-15", "LE GUEN-CŒURDROY^Éloïse", "LE GUEN-CŒURDROY^Éloïse"),
    ("UNICODE UTF-8", "utf-8", "Sørensen^Åse~山田^太郎^^^^^^I", "Sørensen^Åse=山田^太郎"),
    ("~ISO IR87", "iso2022_jp", JAPANESE, "=電子^花子=デンシ^ハナコ"),
    ("ISO IR87", "iso2022_jp", JAPANESE, "=電子^花子=デンシ^ハナコ"),
    ("ISO IR14", "shift_jis", JAPANESE, "=電子^花子=デンシ^ハナコ"),
    ("ISO IR14", "cp932", "髙橋^一郎^^^^^L^I~ﾀｶﾊｼ^ｲﾁﾛｳ^^^^^L^P", "=髙橋^一郎=ﾀｶﾊｼ^ｲﾁﾛｳ"),
    ("GB 18030-2000", "gb18030", "Wang^Xiaodong~王^小东^^^^^^I", "Wang^Xiaodong=王^小东"),
    ("KS X 1001", "euc_kr", "Hong^Gildong~洪^吉洞^^^^^^I~홍^길동^^^^^^P", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("KS X 1001", "cp949", "Kim^Seol~김^뷁순^^^^^^P", "Kim^Seol==김^뷁순"),
    ("BIG-5", "big5", "Chen^Meilin~陳^美玲^^^^^^I", "Chen^Meilin=陳^美玲"),
]


def order_of(name: str, charset: str) -> str:
    return "\r".join(
        (
            rf"MSH|^~\&|EHR|MERCYW|BRIDGE|HOSP|20260301120000||ORM^O01|C1|P|2.5.1||||||{charset}",
            f"PID|1||7^^^HOME^MR||{name}||19700101|F",
            "ORC|NW|P1|F1||SC||^^^20260302090000^^R",
            "OBR|1|P1|F1|71260^CT chest^C4||||||||||||||A1||||||CT",
            "",
        )
    )


def read(raw: bytes, site_charset: str = "") -> Mapped:
    base = replace(shipped().base, charset=site_charset or None)
    return apply(er7.parse(raw, base.charset), base, DEFAULTS)


def name_of(found: Mapped) -> str | None:
    assert found.patient is not None
    return found.patient.patient_name


def on_the_worklist(found: Mapped, charset: str = "") -> Dataset:
    """Return what a device that reads *charset* gets; "" for one that says nothing of itself."""
    (entry,) = entries(found, lambda modality: ("CT1",))
    item = encode(WorklistEntry(entry.patient, entry.order, entry.steps[0]))
    asked = to_worklist_query(encoded(identifier({}, PatientName="")), IMPLICIT)
    return read_dataset(
        BytesIO(answering(asked, IMPLICIT, Reading(parse_setting(charset))).give(item).identifier), True, True
    )


@pytest.mark.parametrize(("declared", "codec", "sent", "name"), SETS)
def test_an_order_in_every_set_reaches_the_worklist_whole(declared: str, codec: str, sent: str, name: str) -> None:
    found = read(order_of(sent, declared).encode(codec))

    assert name_of(found) == name
    assert found.orders[0].accession_number == "A1"
    assert on_the_worklist(found).PatientName == name


@pytest.mark.parametrize(
    ("charset", "shown"),
    [
        ("\\ISO 2022 IR 87", "=電子^花子=デンシ^ハナコ"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", "=電子^花子=デンシ^ハナコ"),
        ("ISO_IR 192", "=電子^花子=デンシ^ハナコ"),
        ("ISO_IR 100", "Denshi^Hanako"),
    ],
)
def test_a_device_is_shown_a_japanese_name_as_it_can_read_it(charset: str, shown: str) -> None:
    found = read(order_of(JAPANESE, "~ISO IR87").encode("iso2022_jp"))
    given = on_the_worklist(found, charset)

    assert str(given.PatientName) == shown
    assert given.get("SpecificCharacterSet") is not None


# Their bytes in JIS X 0208 and in Shift-JIS are those of every delimiter: | ^ ~ \ &.
TRICKY = "杆椛竅噂表能ソ十申貼暴予禄兔喀媾彌拿杤歃濬畚秉綵臀藹觸軆鐔饅鷭"


@pytest.mark.parametrize(
    ("declared", "codec"), [("~ISO IR87", "iso2022_jp"), ("ISO IR14", "shift_jis"), ("BIG-5", "big5")]
)
def test_a_kanji_whose_bytes_are_delimiters_cuts_nothing(declared: str, codec: str) -> None:
    text = TRICKY if codec != "big5" else "功許蓋"
    raw = order_of(f"{text}^花子", declared).encode(codec)
    assert any(mark in raw.replace(b"|", b"", 30) for mark in (b"|", b"\\"))

    assert name_of(read(raw)) == f"{text}^花子"


def test_kanji_that_only_windows_has_are_read_in_iso_2022() -> None:
    # Row 13 of JIS X 0208 is empty in the standard; Windows has circled digits there.
    raw = order_of("NAME^A", "~ISO IR87").encode("ascii").replace(b"NAME", b"\x1b$B\x2d\x21\x1b(B")

    assert name_of(read(raw)) == "①^A"


def test_eight_bit_katakana_beside_kanji_are_read() -> None:
    raw = order_of("A^B", "ISO IR14~ISO IR87").encode("ascii")
    raw = raw.replace(b"A^B", "ﾀﾛｳ".encode("shift_jis") + b"^" + "花子".encode("iso2022_jp"))

    assert name_of(read(raw)) == "ﾀﾛｳ^花子"


def test_jis_roman_brings_the_delimiters_back() -> None:
    raw = order_of("A^B~C^D", "~ISO IR87").encode("ascii")
    raw = raw.replace(b"A^B", "花子".encode("iso2022_jp").replace(b"\x1b(B", b"\x1b(J") + b"^B")

    # The tilde behind it still parts two repetitions.
    assert name_of(read(raw)) == "C^D=花子^B"


@pytest.mark.parametrize(
    ("declared", "sent", "name"),
    [
        ("8859/1~8859/2", b"M\xfcller^\\C2D42\\Dvo\xf8\xe1k\\C2842\\", "Müller^Dvořák"),
        ("~ISO IR87", b"\\M2442\\EE;R\\C2842\\^B", "電子^B"),
        ("8859/1~KS X 1001", b"\\M242943\\\xc8\xab\\C2842\\^B", "홍^B"),
        ("8859/1", b"A\\C1234\\B", "A C1234 B"),
    ],
)
def test_a_set_is_switched_to_by_hl7s_own_escapes(declared: str, sent: bytes, name: str) -> None:
    raw = order_of("NAME", declared).encode("ascii").replace(b"NAME", sent)

    assert name_of(read(raw)) == name


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("declared", ["", "UNICODE UTF-16"])
def test_a_byte_order_mark_says_which_unicode_it_is(codec: str, declared: str) -> None:
    assert name_of(read(order_of("Sørensen^花子", declared).encode(codec))) == "Sørensen^花子"


def test_what_is_not_declared_is_the_sites_set_else_utf_8_else_latin_1_with_a_warning() -> None:
    site = read(order_of("Щукин^Пётр", "").encode("iso8859-5"), "8859/5")
    utf_8 = read(order_of("Щукин^Пётр", "").encode("utf-8"))
    latin = read(order_of("Müller^Jörg", "").encode("latin-1"))

    assert [name_of(one) for one in (site, utf_8, latin)] == ["Щукин^Пётр", "Щукин^Пётр", "Müller^Jörg"]
    assert [[notice.severity for notice in one.notices] for one in (site, utf_8, latin)] == [[], [], ["W"]]


def test_undeclared_iso_2022_gives_itself_away() -> None:
    found = read(order_of(JAPANESE, "").encode("iso2022_jp"))

    assert name_of(found) == "=電子^花子=デンシ^ハナコ"
    assert [notice.severity for notice in found.notices] == ["W"]


@pytest.mark.parametrize(
    ("declared", "raw", "refusal"),
    [
        ("CNS 11643-1992", b"A", Incomplete),
        ("UNICODE UTF-8", b"M\xfcller", Malformed),
        ("~ISO IR87", b"\x1b$B\x21", Malformed),
        ("KS X 1001", b"\xff\xff", Malformed),
    ],
)
def test_bytes_that_are_not_in_the_declared_set_are_refused(
    declared: str, raw: bytes, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        decode(raw, tuple(declared.split("~")), None)
