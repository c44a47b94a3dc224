"""A site's rules change what is read of an object, never the object."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from bridge.codecs.dicom.datasets import read_header
from bridge.domain.repair_kinds import CommaName, DateForm, GluedIssuer, NumberForm, TakenFrom
from bridge.domain.repairs import CharsetRule, DeviceRepairs, Repaired, Rule, View
from tests.unit.codecs.dicom.objects import element, wrap

CYRILLIC = "Ольха^Ада"
WRITTEN = {
    0x00080016: b"1.2.840.10008.5.1.4.1.1.2\0",
    0x00080018: b"1.2.826.0.1.77.3",
    0x00080020: b"20260105",
    0x00080030: b"083015",
    0x00080060: b"CT",
    0x00080070: b"Plateworks",
    0x00100010: b"ARBOR, WILMA",
    0x00100020: b"123^^^HOSP",
    0x00100030: b"07/14/1962",
    0x0020000D: b"1.2.826.0.1.77.1",
    0x0020000E: b"1.2.826.0.1.77.2",
    0x00200010: b"NG000001",
    0x00200013: b"7,0 ",
}


def write(path: Path, **changed: bytes) -> Path:
    """Write an object as a careless device would. changed: values by tag, "t00080005"."""
    values = WRITTEN | {int(name[1:], 16): value for name, value in changed.items()}
    return wrap(b"".join(element(tag, values[tag]) for tag in sorted(values)), path)


def view(*rules: Rule, **more: Any) -> View:
    return View((DeviceRepairs("cr", "A reader", rules=rules, **more),))


def test_wrong_forms_are_read_and_what_stood_there_is_remembered(tmp_path: Path) -> None:
    path = write(tmp_path / "x.dcm")
    before = path.read_bytes()
    rules = (
        Rule("cr.names", "", CommaName(("PatientName",))),
        Rule("cr.issuer", "", GluedIssuer({"hosp": "HOSP"})),
        Rule("cr.birth", "", DateForm(("PatientBirthDate",), "MM/DD/YYYY")),
        Rule("cr.accession", "", TakenFrom("StudyID", "NG999999")),
        Rule("cr.number", "", NumberForm(("InstanceNumber",))),
    )
    header = read_header(path, view=view(*rules, matches={"Manufacturer": frozenset({"plateworks"})}))
    assert (header.patient_name, header.patient_birth_date) == ("ARBOR^WILMA", "19620714")
    assert (header.patient_id, header.issuer_of_patient_id) == ("123", "HOSP")
    assert (header.accession_number, header.instance_number, header.faults) == ("NG000001", 7, ())
    assert header.repairs[0] == Repaired("PatientName", "ARBOR, WILMA", "ARBOR^WILMA", "cr.names")
    assert {one.rule for one in header.repairs} == {rule.name for rule in rules}
    assert path.read_bytes() == before


def test_without_a_rule_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    rule = Rule("cr.names", "", CommaName(("PatientName",)))
    for one in (None, view(rule, matches={"Manufacturer": frozenset({"other"})})):
        header = read_header(write(tmp_path / "x.dcm"), view=one)
        assert (header.patient_name, header.patient_id, header.patient_birth_date, header.repairs) == (
            "ARBOR, WILMA",
            "123^^^HOSP",
            "",
            (),
        )


def test_text_without_a_character_set_is_decoded_by_the_rule_and_declared_text_is_believed(tmp_path: Path) -> None:
    rule = CharsetRule("cr.text", "", "ISO_IR 144")
    name = CYRILLIC.encode("iso8859_5")
    read = read_header(write(tmp_path / "x.dcm", t00100010=name), view=view(charset=rule))
    assert read.patient_name == CYRILLIC
    assert read.repairs == (Repaired("PatientName", name.decode("latin_1"), CYRILLIC, "cr.text"),)
    assert "undeclared_charset" in read.faults
    declared = write(tmp_path / "y.dcm", t00080005=b"ISO_IR 192", t00100010=CYRILLIC.encode() + b" ")
    assert read_header(declared, view=view(charset=rule)).repairs == ()
    lying = write(tmp_path / "z.dcm", t00080005=b"ISO_IR 100", t00100010=name)
    assert read_header(
        lying, view=view(charset=CharsetRule("cr.text", "", "ISO_IR 144", always=True))
    ).patient_name == (CYRILLIC)


def test_a_clock_that_goes_ahead_is_noted_and_the_times_stay_as_they_were_written(tmp_path: Path) -> None:
    header = read_header(write(tmp_path / "x.dcm"), view=view(clock_ahead_secs=3600))
    assert (header.study_date, header.study_time, header.clock_ahead_secs) == ("20260105", "083015", 3600)


def test_of_two_requests_none_is_taken_for_the_exam(tmp_path: Path) -> None:
    take = Rule("cr.accession", "", TakenFrom("RequestedProcedureID", "RA9"))
    numbers = {}
    for requested in ([b"RA1 "], [b"RA1 ", b"RA1 "], [b"RA1 ", b"RA2 "]):
        items = b"".join(
            struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item
            for item in (element(0x00401001, number) for number in requested)
        )
        path = write(tmp_path / "x.dcm", t00400275=items)
        header = read_header(path, view=view(take))
        numbers[b"".join(requested)] = header.accession_number
    assert numbers == {b"RA1 ": "RA1", b"RA1 RA1 ": "RA1", b"RA1 RA2 ": ""}
