"""How names read on devices that cannot take every letter, by the code that answers them; pydicom reads what is sent."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom.filereader import read_dataset

from bridge.codecs.dicom import answers, charset
from bridge.codecs.dicom.device_preview import PATIENT_NAME, preview, preview_name
from bridge.codecs.dicom.device_text import Reading, fitted
from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicom.keys import Key
from bridge.domain.device_losses import LOSS_WORDS, Loss

SETS = [
    ("ISO_IR 6", "DOE^JANE"),
    ("ISO_IR 100", "Müller^Jörg"),
    ("ISO_IR 101", "Dvořák^Ľuboš"),
    ("ISO_IR 109", "Ġorġ^Ħal"),
    ("ISO_IR 110", "Kārlis^Ģirts"),
    ("ISO_IR 144", "Щукин^Пётр"),
    ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 126", "Παπαδόπουλος^Νίκος"),
    ("ISO_IR 138", "שרון^דבורה"),
    ("ISO_IR 148", "Çağlar^İbrahim"),
    ("ISO_IR 166", "นารี^สมใจ"),
    ("ISO_IR 192", "Sørensen^Åse=山田^太郎"),
    ("GB18030", "Wang^Xiaodong=王^小东"),
    (r"\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (r"ISO 2022 IR 13\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (r"\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    (r"\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东"),
]


def reading(said: str, **lengths: int) -> Reading:
    return Reading(charset.parse_setting(said), **lengths)


def sent(name: str, how: Reading) -> str:
    """Return the name of the answer as pydicom reads it."""
    stored = answers.encode_record({PATIENT_NAME: name.encode("utf-8")})
    asked = answers.plan((Key(PATIENT_NAME, vr_of(PATIENT_NAME)),), "1.2.840.10008.1.2")
    got = read_dataset(BytesIO(answers.give(asked, stored, None, how).identifier), True, True)
    got.decode()
    # pydicom 3 leaves the escape sequence of GB 2312 in the text it decodes.
    return str(got.PatientName).replace("\x1b$)A", "")


@pytest.mark.parametrize(("said", "name"), SETS)
def test_a_name_that_fits_the_device_s_set_arrives_whole(said: str, name: str) -> None:
    shown = preview_name(name, reading(said))
    assert shown.losses == ()
    assert shown.texts[0].shown == name
    assert sent(name, reading(said)) == name


@pytest.mark.parametrize(
    ("said", "name", "shown", "losses"),
    [
        ("ISO_IR 6", "Müller^Jörg", "Muller^Jorg", (Loss.RESPELLED,)),
        ("ISO_IR 100", "Щукин^Пётр", "Shchukin^Petr", (Loss.RESPELLED,)),
        ("ISO_IR 100", "Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou", (Loss.LEFT_OUT,)),
        ("ISO_IR 100", "=山田^太郎=やまだ^たろう", "Yamada^Tarou", (Loss.RESPELLED, Loss.LEFT_OUT)),
        ("ISO_IR 100", "山田^太郎", "??^??", (Loss.UNREADABLE, Loss.RESPELLED)),
        ("ISO_IR 144", "Núñez^Ana", "Nunez^Ana", (Loss.RESPELLED,)),
        ("ISO_IR 101", "Dvořák^Åse=山田", "Dvořák^Ase", (Loss.RESPELLED, Loss.LEFT_OUT)),
    ],
)
def test_a_name_that_does_not_fit_is_shown_with_what_the_device_has(
    said: str, name: str, shown: str, losses: tuple[Loss, ...]
) -> None:
    (found,) = preview_name(name, reading(said)).texts
    assert (found.shown, found.losses) == (shown, losses)
    assert sent(name, reading(said)) == found.shown


def test_a_long_name_loses_its_last_components_first() -> None:
    how = reading("", name_length=20)
    assert preview_name("HALVORSEN^INGRID^MARGARETHE^DR", how).texts[0].shown == "HALVORSEN^INGRID"
    assert preview_name("HALVORSEN-VANDERBILT^INGRID", how).texts[0].shown == "HALVORSEN-VANDERBILT"
    assert preview_name("HALVORSEN-BERG^MARGARETHE", how).texts[0].shown == "HALVORSEN-BERG^MARGA"
    (found,) = preview_name("HALVORSEN^INGRID^MARGARETHE^DR", how).texts
    assert found.losses == (Loss.CUT,)
    assert sent("HALVORSEN^INGRID^MARGARETHE^DR", how) == "HALVORSEN^INGRID"


def test_each_group_of_a_name_is_cut_by_its_characters_not_its_bytes() -> None:
    how = reading("ISO_IR 192", name_length=5)
    assert preview_name("山田太^郎=Müller^Jörg", how).texts[0].shown == "山田太^郎=Mülle"


def test_what_is_spelled_longer_is_cut_after_it_was_spelled() -> None:
    (found,) = preview_name("Щукин^Пётр", reading("ISO_IR 100", name_length=8)).texts
    assert found.shown == "Shchukin"
    assert found.losses == (Loss.RESPELLED, Loss.CUT)


def test_a_description_is_cut_and_a_number_never() -> None:
    stored = answers.encode_record(
        {
            0x00100020: b"12345678901234567890",
            0x00321060: b"CT Thorax mit Kontrastmittel",
            0x00400100: [answers.encode_record({0x00400007: b"CT Thorax nativ und mit Kontrastmittel"})],
        }
    )
    found = preview(stored, reading("ISO_IR 100", text_length=22), patient_id_length=16)
    by_keyword = {one.keyword: one for one in found.texts}
    assert by_keyword["RequestedProcedureDescription"].shown == "CT Thorax mit Kontrast"
    assert by_keyword["ScheduledProcedureStepDescription"].shown == "CT Thorax nativ und mi"
    assert by_keyword["PatientID"].shown == "12345678901234567890"
    assert by_keyword["PatientID"].losses == (Loss.NUMBER,)
    assert {one.keyword for one in found.losses} == set(by_keyword)


def test_a_device_that_follows_its_query_gets_what_fits_or_utf_8() -> None:
    latin, name = charset.parse(b"ISO_IR 100"), "Dvořák^Jana"
    assert preview_name("Müller^Jörg", Reading(), latin).character_set == "ISO_IR 100"
    shown = preview_name(name, Reading(), latin)
    assert (shown.character_set, shown.texts[0].shown, shown.losses) == ("ISO_IR 192", name, ())


def test_a_text_without_a_limit_is_left_alone() -> None:
    assert fitted("x" * 64, 0x00321060, "LO", Reading()) == "x" * 64
    assert set(LOSS_WORDS) == set(Loss)
