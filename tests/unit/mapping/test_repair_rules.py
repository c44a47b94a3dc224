"""What a device's file may say, and what is refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.domain.repairs import DeviceRepairs
from bridge.mapping.repair_rules import read_repairs
from bridge.mapping.rules_file import Faults

HEAD = 'schema = 1\ntitle = "A reader"\nmatch = { ae_title = "CR1" }\n'


def load(folder: Path, text: str, head: str = HEAD) -> tuple[tuple[DeviceRepairs, ...], list[str]]:
    (folder / "repairs").mkdir(exist_ok=True)
    (folder / "repairs" / "cr.toml").write_text(head + text, "utf-8")
    faults = Faults()
    return read_repairs([folder], faults), faults.found


def entry(text: str) -> str:
    return f'[repairs.one]\nbecause = "It does so."\n{text}\n'


@pytest.mark.parametrize(
    "text",
    [
        'do = "comma_name"\nof = ["PatientName"]',
        'do = "five_components"\nof = ["PatientName", "ReferringPhysicianName"]',
        'do = "glued_issuer"',
        'do = "words"\nof = ["PatientSex"]\ntable = { MALE = "M" }',
        'do = "upper_case"\nof = ["Modality"]',
        'do = "age"',
        'do = "date"\nof = ["StudyDate"]\nform = "DD.MM.YYYY"',
        'do = "time"\nof = ["StudyTime"]\nform = "HH.MM.SS"',
        'do = "number"\nof = ["SeriesNumber"]',
        'do = "strip"\nof = ["PatientID"]\nprefix = "H-"',
        'do = "take"\nfrom = "RequestedProcedureID"\nshape = "RA999999"',
    ],
)
def test_every_repair_is_read_with_its_name(tmp_path: Path, text: str) -> None:
    (device,), faults = load(tmp_path, entry(text))
    assert faults == []
    assert [(rule.name, rule.because) for rule in device.rules] == [("cr.one", "It does so.")]


def test_charset_and_clock_belong_to_the_whole_device(tmp_path: Path) -> None:
    text = '[repairs.text]\ndo = "charset"\nis = "ISO_IR 144"\nbecause = "So."\n'
    text += '[repairs.clock]\ndo = "clock"\nahead_minutes = -3\nbecause = "So."\n'
    (device,), faults = load(tmp_path, text)
    assert faults == []
    assert device.charset is not None
    assert (device.charset.term, device.charset.name, device.charset.always) == ("ISO_IR 144", "cr.text", False)
    assert device.clock_ahead_secs == -180


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('do = "upper_case"\nof = ["BodyPartExamined"]', "is what was seen"),
        ('do = "upper_case"\nof = ["Laterality"]', "is what was seen"),
        ('do = "words"\nof = ["PatientOrientation"]\ntable = { A = "B" }', "is what was seen"),
        ('do = "strip"\nof = ["StudyInstanceUID"]\nprefix = "1"', "is what was seen"),
        ('do = "coma_name"\nof = ["PatientName"]', "did you mean 'comma_name'?"),
        ('do = "comma_name"\nof = ["PatientNam"]', "did you mean 'PatientName'?"),
        ('do = "comma_name"', "must list what it is about"),
        ('do = "date"\nof = ["StudyDate"]\nform = "DD.MM"', "must be a form like"),
        ('do = "words"\nof = ["PatientSex"]\ntable = { MALE = "X" }', "'X' is not known"),
        ('do = "words"\nof = ["PatientSex"]\ntable = { m = "F" }', "a code already"),
        ('do = "words"\nof = ["Modality"]\ntable = { CAT = "ct" }', "in capitals"),
        ('do = "words"\nof = ["Modality"]', "must be a table"),
        ('do = "strip"\nof = ["PatientID"]', "a prefix or a suffix"),
        ('do = "take"\nfrom = "SeriesDescription"\nshape = "RA99"', "is not known"),
        ('do = "take"\nfrom = "StudyID"', "must show what the numbers look like"),
        ('do = "charset"\nis = "latin1"', "is no Specific Character Set"),
        ('do = "clock"\nahead_minutes = 0', "must be how many minutes"),
        ('do = "age"\nfrom = "StudyID"', "'from' is not known"),
    ],
)
def test_what_is_wrong_or_not_ours_to_mend_is_refused_with_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    _, faults = load(tmp_path, entry(text))
    assert len(faults) == 1
    assert faults[0].startswith("repairs/cr: repairs.one")
    assert said in faults[0]


def test_a_file_says_whose_it_is_and_every_entry_why(tmp_path: Path) -> None:
    _, faults = load(
        tmp_path, '[repairs.one]\ndo = "age"\n', 'title = "A"\nmatch = { manufacturr = "X", station = [] }\n'
    )
    assert [fault.partition(": ")[2] for fault in faults] == [
        "match.manufacturr: 'manufacturr' is not known; did you mean 'manufacturer'?",
        "match.station: must be a text or a list of texts",
        "repairs.one: must say because of what",
    ]
    _, faults = load(tmp_path, "", 'title = "A"\n')
    assert len(faults) == 2


def test_a_file_of_the_site_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    shipped, overlay = tmp_path / "shipped", tmp_path / "overlay"
    for folder, minutes in ((shipped, 5), (overlay, 7)):
        folder.mkdir()
        load(folder, f'[repairs.c]\ndo = "clock"\nahead_minutes = {minutes}\nbecause = "So."\n')
    (device,) = read_repairs([shipped, overlay], Faults())
    assert device.clock_ahead_secs == 420
