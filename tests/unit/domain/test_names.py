"""Names as devices and registries write them, read and compared."""

from __future__ import annotations

import pytest

from bridge.domain.name_grades import NameGrade, grade_name, grade_texts, read_header_name
from bridge.domain.names import fold, is_broken, parse_name, reread
from bridge.domain.phonetics import edits_within, phonetic_key
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.romanise import romanise
from tests.unit.domain.hospital import RULES, typed

EQUAL, CLOSE, GIVEN = NameGrade.EQUAL, NameGrade.CLOSE, NameGrade.GIVEN
FAMILY, NONE, NA = NameGrade.FAMILY, NameGrade.NONE, NameGrade.NA


@pytest.mark.parametrize(
    ("received", "record", "grade"),
    [
        ("OKAFOR^NGOZI", "Okafor^Ngozi", EQUAL),
        ("NUNEZ^MARIA", "Núñez^María", EQUAL),
        ("Mueller^Juergen", "Müller^Jürgen", EQUAL),
        ("MULLER^JURGEN", "Müller^Jürgen", EQUAL),
        ("LINDSTROM, ASTRID", "Lindström^Astrid", EQUAL),
        ("LINDSTROM ASTRID", "Lindström^Astrid", EQUAL),
        ("ASTRID LINDSTROM", "Lindström^Astrid", EQUAL),
        ("ASTRID^LINDSTROM", "Lindström^Astrid", EQUAL),
        ("VAN DER BERG SANNE", "van der Berg^Sanne", EQUAL),
        ("VANDERBERG^SANNE", "van der Berg^Sanne", EQUAL),
        ("OBRIEN^SEAN", "O'Brien^Seán", EQUAL),
        ("O´BRIEN^SEAN", "O'Brien^Seán", EQUAL),
        ("PEREZ-IBANEZ^LUZ", "Ibáñez Pérez^Luz", EQUAL),
        ("OKAFOR^NGOZI^^DR", "Okafor^Ngozi^Ada^^MD", EQUAL),
        ("DR OKAFOR^NGOZI", "Okafor^Ngozi", EQUAL),
        ("OKAFOR^SAMUEL^^^JR", "Okafor^Samuel", EQUAL),
        ("OKAFOR^NGOZI ADA", "Okafor^Ngozi^Ada", EQUAL),
        ("OKAFOR^NGOZI A", "Okafor^Ngozi^Ada", EQUAL),
        ("OKAFOR^NGOZI^^^^", "Okafor^Ngozi", EQUAL),
        ("OKAFOR^NGOZI\0", "Okafor^Ngozi", EQUAL),
        ("\uff2f\uff2b\uff21\uff26\uff2f\uff32^NGOZI", "Okafor^Ngozi", EQUAL),
        ("OKAFRO^NGOZI", "Okafor^Ngozi", CLOSE),
        ("OKAFOR^NGOZY", "Okafor^Ngozi", CLOSE),
        ("OKAFOR^N", "Okafor^Ngozi", CLOSE),
        ("OKAFOR", "Okafor^Ngozi", CLOSE),
        ("OKAFOR^ADA", "Okafor^Ngozi^Ada", CLOSE),
        ("LINDSTROM^PEGGY", "Lindström^Margaret", CLOSE),
        ("PEREZ^LUZ", "Pérez Ibáñez^Luz", CLOSE),
        ("GARCIA^LUZ", "Garcia-Garcia^Luz", CLOSE),
        ("WOJCIECHOWS^EWA", "Wojciechowska^Ewa", CLOSE),
        ("YUSUF^OMAR", "Youssef^Umar", CLOSE),
        ("SUHARTO", "Suharto", EQUAL),
        ("^SUHARTO", "^Suharto", EQUAL),
        ("SUHARTO", "^Suharto", EQUAL),
        ("^SUHARTO", "Suharto", EQUAL),
        ("^SUHATRO", "^Suharto", CLOSE),
        ("^NGOZI", "^Suharto", NONE),
        ("^SUHARTO^ADI", "^Suharto", EQUAL),
        ("^LUZ", "Perez^Luz", GIVEN),
        ("PEREZ^LUZ", "Lindström^Luz", GIVEN),
        ("OKAFOR^SAMUEL", "Okafor^Ngozi", FAMILY),
        ("OKAFOR^TWIN A", "Okafor^Twin B", FAMILY),
        ("OKAFOR^BABY 1", "Okafor^Baby 2", FAMILY),
        ("OKAFOR^BABY BOY", "Okafor^Baby Girl", FAMILY),
        ("NÚÑEZ^CARMEN", "Núñez^Maria", FAMILY),
        ("PEREZ^LUZ", "Okafor^Ngozi", NONE),
        ("NGOZI^LUZ", "Okafor^Ngozi", NONE),
        ("", "Okafor^Ngozi", NA),
        ("^^^", "Okafor^Ngozi", NA),
        ("??^??", "Okafor^Ngozi", NA),
        ("Sato^Hana", "佐藤^花", NA),
    ],
)
def test_a_written_name_is_graded(received: str, record: str, grade: NameGrade) -> None:
    assert grade_texts(received, record, RULES).grade == grade


@pytest.mark.parametrize(
    ("received", "record", "grade"),
    [
        ("=佐藤^花=さとう^はな", "Sato^Hana=佐藤^花=さとう^はな", EQUAL),
        ("佐藤^花", "Sato^Hana=佐藤^花", EQUAL),
        ("佐藤花", "Sato^Hana=佐藤^花", EQUAL),
        ("佐藤\u3000花", "Sato^Hana=佐藤^花", EQUAL),
        ("ｻﾄｳ^ﾊﾅ", "佐藤^花=佐藤^花=さとう^はな", EQUAL),
        ("SATOU^HANA", "佐藤^花=佐藤^花=さとう^はな", EQUAL),
        ("Petrov^Yuri", "Петров^Юрий", EQUAL),
        ("Kim^Seoyeon", "김^서연", EQUAL),
        ("Lee^Jiwoo", "이^지우", EQUAL),
        ("Papadopoulos^Eleni", "Παπαδόπουλος^Ελένη", EQUAL),
        ("Sato^Hana=佐藤^華", "Sato^Hana=佐藤^花", CLOSE),
        ("佐藤^一郎", "Sato^Hana=佐藤^花", FAMILY),
        ("鈴木^花", "Sato^Hana=佐藤^花", GIVEN),
        ("鈴木^一郎", "Sato^Hana=佐藤^花", NONE),
        ("Sato^Ichiro=佐藤^花", "Sato^Hana=佐藤^花", FAMILY),
        ("Jung^Donghyun", "Jung^Charles=鄭^東賢=정^동현", FAMILY),
        ("Oono^Akira", "Ono^Akira=大野^明=おおの^あきら", EQUAL),
    ],
)
def test_a_native_name_is_compared_as_written_and_spelled_only_where_its_script_spells(
    received: str, record: str, grade: NameGrade
) -> None:
    assert grade_texts(received, record, RULES).grade == grade


def test_kanji_are_never_romanised() -> None:
    assert romanise("佐藤") == ()
    assert romanise("さとう") == ("SATOU",)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("きょうこ", "KYOUKO"),
        ("じゅんいち", "JUNICHI"),
        ("はっとり", "HATTORI"),
        ("リーザ", "RIIZA"),
        ("しょう", "SHOU"),
    ],
)
def test_kana_are_spelled_by_syllable(text: str, spelled: str) -> None:
    assert romanise(text) == (spelled,)


@pytest.mark.parametrize(
    "text", ["\x1b$B;3ED\x1b(B", "Ð\x98Ð²Ð°", "Oka\ufffdor", "N??EZ", "?", "Íõ", "¸ÒÐÝ", "ÈË", "\u0085KAFOR"]
)
def test_a_component_in_a_wrong_character_set_is_broken(text: str) -> None:
    assert is_broken(text)


@pytest.mark.parametrize("text", ["NÚÑEZ", "Müller", "O´Brien", "Gal·la", "Åsa", "WHO?IS", "佐藤", "Петров", "Đặng"])
def test_an_accented_name_is_sound(text: str) -> None:
    assert not is_broken(text)


@pytest.mark.parametrize(
    ("name", "charset"),
    [("佐藤^花", "iso2022_jp"), ("王^小东", "gb18030"), ("김^서연", "euc_kr"), ("Иванов^Пётр", "iso8859_5")],
)
def test_garbled_bytes_are_read_again_and_count_where_they_equal_the_native_name(name: str, charset: str) -> None:
    raw = name.encode(charset)
    header = typed(raw.decode("latin-1"), raw=raw)
    received = read_header_name(header, RULES)
    assert received.parsed.broken
    assert grade_name(received, [f"Someone^Else={name}"], RULES).grade == EQUAL
    assert grade_name(received, ["Someone^Else=田中^一"], RULES).grade == NA


@pytest.mark.parametrize("charset", ["utf_8", "iso8859_1"])
def test_an_accented_name_in_a_wrong_character_set_is_read_again(charset: str) -> None:
    raw = "Núñez^Carmen".encode(charset)
    text = raw.decode("latin-1") if charset == "utf_8" else raw.decode("ascii", "replace")
    received = read_header_name(typed(text, raw=raw), RULES)
    assert received.parsed.broken
    assert grade_name(received, ["Núñez^Carmen"], RULES).grade == EQUAL
    assert grade_name(received, ["Núñez^María"], RULES).grade == NA


def test_what_is_broken_does_not_spoil_the_group_beside_it() -> None:
    assert grade_texts("SATO^HANA=\x1b$B:4F#", "Sato^Hana=佐藤^花", RULES).grade == EQUAL


def test_bytes_that_a_character_set_cannot_read_are_left() -> None:
    assert reread(b"\xff\xff", ["iso2022_jp", "no_such_charset"]) == ()


def test_every_name_known_of_a_patient_counts() -> None:
    received = read_header_name(typed("PEREZ^LUZ"), RULES)
    assert grade_name(received, ["Lindström^Luz", "Pérez^Luz"], RULES).grade == EQUAL


def test_an_unidentified_patient_fits_only_the_very_same_placeholder() -> None:
    assert grade_texts("DOE^JOHN", "Doe^John", RULES).grade == EQUAL
    assert grade_texts("DOE^JOHN 12", "Doe^John 13", RULES).grade == NONE
    assert grade_texts("DOE^JOHN", "Doe^Jane", RULES).grade == NONE


def test_a_nickname_counts_only_where_the_site_lists_it() -> None:
    assert grade_texts("LINDSTROM^PEGGY", "Lindström^Margaret", ReconcileRules()).grade == FAMILY


def test_letters_are_folded_but_other_scripts_stay() -> None:
    assert fold("Žofie Łącka-Ørsted ß") == "ZOFIE LACKA-ORSTED SS"
    assert fold("がЙ김") == "がЙ김"


def test_words_of_every_component_are_known() -> None:
    assert parse_name("ZZTEST^Phantom 3^^QA").words == {"ZZTEST", "PHANTOM", "3", "QA"}


@pytest.mark.parametrize(
    ("one", "other"), [("YUSUF", "YOUSSEF"), ("CATHERINE", "KATHRYN"), ("SCHMIDT", "SHMIT"), ("PHILIP", "FILIP")]
)
def test_names_that_sound_alike_share_a_key(one: str, other: str) -> None:
    assert phonetic_key(one) == phonetic_key(other)


@pytest.mark.parametrize(("one", "other"), [("EMMA", "ELLA"), ("OKAFOR", "LINDSTROM"), ("ANNA", "HANNAH")])
def test_names_that_sound_different_do_not(one: str, other: str) -> None:
    assert phonetic_key(one) != phonetic_key(other)


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("OKAFOR", "OKAFOR", 0),
        ("OKAFOR", "OKAFRO", 1),
        ("OKAFOR", "OKAFR", 1),
        ("OKAFOR", "AKAFIR", 2),
        ("AB", "BA", 1),
    ],
)
def test_edits_are_counted_with_exchanged_neighbours_as_one(one: str, other: str, edits: int) -> None:
    assert edits_within(one, other, edits)
    assert edits == 0 or not edits_within(one, other, edits - 1)
