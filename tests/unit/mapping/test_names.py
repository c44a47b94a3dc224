"""Names, HL7 to DICOM. Source: HL7 2.5.1 2.A.88, 2.A.86, 2.A.8; PS3.5 6.2.1.2."""

from __future__ import annotations

import pytest

from bridge.domain.patient import PatientDraft
from tests.unit.mapping.senders import header, mapped

A08 = header("ADT^A08")
ORM = header("ORM^O01")


def patient(name: str, aliases: str = "") -> PatientDraft:
    found = mapped(A08, f"PID|1||7||{name}||||{aliases}").patient
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("DOE^JANE", "DOE^JANE"),
        ("DOE^JANE^Q^JR^DR^MD", "DOE^JANE^Q^DR^JR MD"),
        ("DOE^JANE^^^DR", "DOE^JANE^^DR"),
        ("DOE^JANE^^JR", "DOE^JANE^^^JR"),
        ("van DAM&van&DAM^JAN", "van DAM^JAN"),
        ("  DOE ^ JANE ", "DOE^JANE"),
        ("DOE JANE", "DOE JANE"),
        ("O\\T\\NEIL^A\\S\\B", "O&NEIL^A B"),
        ("DOE\\E\\X=Y^J", "DOE X Y^J"),
        ("^JANE", "^JANE"),
        ("DOE^J^^^^^L~SMITH^J^^^^^M", "DOE^J"),
        ("SMITH^J^^^^^M~DOE^J^^^^^L", "DOE^J"),
        ("NICK^J^^^^^N~DOE^J", "DOE^J"),
        ("Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("山田^太郎^^^^^L^I", "=山田^太郎"),
        ("Yamada^Tarou^^^^^L^A~やまだ^たろう^^^^^L^P", "Yamada^Tarou==やまだ^たろう"),
    ],
)
def test_the_legal_name_becomes_a_person_name(sent: str, name: str) -> None:
    assert patient(sent).patient_name == name


def test_a_name_of_nothing_says_nothing() -> None:
    assert patient("^^^^").patient_name is None


def test_a_name_longer_than_its_group_is_cut_and_told() -> None:
    found = mapped(A08, f"PID|1||7||{'X' * 70}^JANE")

    assert found.patient is not None
    assert found.patient.patient_name == "X" * 64
    assert [notice.where for notice in found.notices] == ["PID-5"]


def test_former_names_and_aliases_are_other_names() -> None:
    assert patient("DOE^J^^^^^L~SMITH^J^^^^^M", "JD^J~DOE^J").other_patient_names == ("SMITH^J", "JD^J")


def test_no_other_names_is_nothing_said() -> None:
    assert patient("DOE^J").other_patient_names is None


def requester(xcn: str) -> str | None:
    return mapped(ORM, "PID|1||7", "ORC|NW|P|F", "OBR|1|||1^X" + "|" * 12 + xcn + "||A1").orders[0].requesting_physician


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("17^DOE^JANE^Q^JR^DR^MD^^NPI", "DOE^JANE^Q^DR^JR MD"),
        ("^DOE^JANE", "DOE^JANE"),
        ("Dr Doe", "Dr Doe"),
        ("4711", None),
        ("A4711", None),
        ("", None),
    ],
)
def test_a_caregivers_number_is_no_name(sent: str, name: str | None) -> None:
    assert requester(sent) == name


@pytest.mark.parametrize(
    ("sent", "scheme"),
    [
        ("1234567893^DOE^JANE^^^^^^NPI", "NPI"),
        ("1234567893^DOE^JANE^^^^^^^^^^NPI", "NPI"),
        ("1234567893^DOE^JANE^^^^^^EHR^L^^^NPI", "EHR"),
        ("17^DOE^JANE", ""),
        ("17^DOE^NPI", ""),
    ],
)
def test_a_caregivers_number_is_of_whoever_gave_it(sent: str, scheme: str) -> None:
    said = mapped(ORM, "PID|1||7", "ORC|NW|P|F", "OBR|1|||1^X" + "|" * 12 + sent + "||A1").orders[0].details
    (number,) = said["requesting_physician_code"]
    assert (number.coding_scheme_designator, number.code_value) == (scheme, sent.split("^")[0])


@pytest.mark.parametrize(
    ("sent", "name"),
    [("3&TECH&TOM", "TECH^TOM"), ("3&TECH&TOM&Q&JR&DR", "TECH^TOM^Q^DR^JR"), ("3^TECH^TOM", "TECH^TOM"), ("3", None)],
)
def test_a_technicians_parts_are_subcomponents(sent: str, name: str | None) -> None:
    obr = "OBR|1|||1^X" + "|" * 14 + "A1" + "|" * 16 + sent
    step = mapped(ORM, "PID|1||7", "ORC|NW|P|F", obr).orders[0].steps[0]

    assert step.scheduled_performing_physician_name == name
