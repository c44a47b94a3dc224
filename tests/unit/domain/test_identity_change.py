"""When news about a record makes another person of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.evidence import PatientRecord
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.identity_change import becomes_another_person
from bridge.domain.patient import Patient
from tests.unit.domain.hospital import OURS, RULES

LUZ = Patient(1, (PatientIdentifier("00012345", OURS),), "Perez^Luz", "19800511", "F")


@pytest.mark.parametrize(
    ("name", "birth_date", "is_another"),
    [
        ("Okafor^Ngozi", "19710930", True),
        ("Perez^Mateo", "19830702", True),
        ("Okafor^Luz", "19710930", False),
        ("Perez^Luz", "19710930", False),
        ("Okafor^Ngozi", "19800511", False),
        ("Okafor^Ngozi", "19801105", False),
        ("Okafor^Ngozi", "", False),
        ("", "19710930", False),
    ],
)
def test_only_another_name_with_another_birth_date_makes_another_person(
    name: str, birth_date: str, is_another: bool
) -> None:
    after = replace(LUZ, patient_name=name, patient_birth_date=birth_date)
    assert becomes_another_person(PatientRecord(LUZ), after, RULES) == is_another


def test_a_name_or_date_that_was_known_before_makes_none() -> None:
    after = replace(LUZ, patient_name="Okafor^Ngozi", patient_birth_date="19710930")
    assert not becomes_another_person(PatientRecord(LUZ, former_names=("Okafor^Ngozi",)), after, RULES)
    assert not becomes_another_person(PatientRecord(LUZ, former_birth_dates=("19710930",)), after, RULES)


def test_an_unidentified_patient_who_gets_a_name_stays_the_same_person() -> None:
    doe = replace(LUZ, patient_name="Doe^John", patient_birth_date="19000101")
    assert not becomes_another_person(PatientRecord(doe), replace(LUZ, patient_name="Okafor^Ngozi"), RULES)
