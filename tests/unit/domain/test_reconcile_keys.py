"""Which grades suffice for which keys; numbers in other spellings; other hospitals' studies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.identifiers import PatientIdentifier
from tests.unit.domain.hospital import (
    OURS,
    RULES,
    THEIRS,
    Hospital,
    from_worklist,
    is_held,
    typed,
)

LAST_YEAR = "20250311"


# Bind rules: name, birth date, sex of a header; bound or held, by keys.


@pytest.mark.parametrize(
    ("name", "birth_date", "sex", "both", "single"),
    [
        ("PEREZ^LUZIA", "19800511", "F", True, True),
        ("PEREZ^LUZIA", "19450101", "F", True, False),
        ("PEREZ^LUZIA", "", "", True, True),
        ("PEREZ^LUSIA", "19800511", "F", True, True),
        ("PEREZ^LUSIA", "19801105", "F", True, True),
        ("PEREZ^LUSIA", "1980", "F", True, True),
        ("PEREZ^LUSIA", "", "F", True, False),
        ("PEREZ^LUSIA", "19450102", "F", False, False),
        ("LINDSTROM^LUZIA", "19800511", "F", True, True),
        ("LINDSTROM^LUZIA", "19800512", "F", True, False),
        ("LINDSTROM^LUZIA", "19800511", "M", True, False),
        ("LINDSTROM^LUZIA", "", "F", False, False),
        ("PEREZ^ASTRID", "19800511", "F", False, False),
        ("LINDSTROM^ASTRID", "19800511", "F", False, False),
        ("??^??", "19800511", "F", True, False),
        ("??^??", "19800101", "F", True, False),
        ("??^??", "19800511", "M", False, False),
        ("??^??", "", "F", False, False),
    ],
)
def test_grades_suffice_by_the_keys_that_agree(
    hospital: Hospital, name: str, birth_date: str, sex: str, both: bool, single: bool
) -> None:
    luz = hospital.admit("00012345", "Perez^Luzia", "19800511")
    order = hospital.order(luz, "A100")
    with_both = from_worklist(order, luz, name=name, birth_date=birth_date, sex=sex)
    rules = [
        (hospital.decide(with_both), "B01", both),
        (hospital.decide(replace(with_both, patient_id="")), "B02", single),
        (hospital.decide(typed(name, "00012345", birth_date, sex)), "B03", single),
    ]
    for verdict, rule, binds in rules:
        assert (verdict.rule, verdict.binds) == ((rule if binds else "V10"), binds)


def test_one_of_a_multiple_birth_needs_an_equal_given_name_unless_both_keys_agree(hospital: Hospital) -> None:
    ngozi = hospital.admit("00012345", "Okafor^Ngozika", "20150102", multiple_birth=True)
    order = hospital.order(ngozi, "A100")
    header = from_worklist(order, ngozi, name="OKAFOR^NGOZICA")
    assert hospital.decide(header).rule == "B01"
    assert hospital.decide(replace(header, patient_id="")).rule == "V10"
    assert hospital.decide(replace(header, patient_id="", patient_name="OKAFOR^NGOZIKA")).rule == "B02"


@pytest.mark.parametrize("rule", ["B01", "B02", "B03"])
def test_a_rule_that_is_switched_off_asks(hospital: Hospital, rule: str) -> None:
    hospital.rules = replace(RULES, disable=frozenset({rule}))
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    header = from_worklist(order, luz)
    by_rule = {
        "B01": header,
        "B02": replace(header, patient_id=""),
        "B03": typed("PEREZ^LUZ", "00012345", "19800511", "F"),
    }
    verdicts = {code: hospital.decide(one) for code, one in by_rule.items()}
    assert {code for code, verdict in verdicts.items() if not verdict.binds} == {rule}
    assert "switched off" in verdicts[rule].sentence


# Numbers.


@pytest.mark.parametrize(
    "patient_id", ["MRN-00012345", "mrn00012345", "0001 2345", "0001-2345", "00012345-1", "12345", "000012345"]
)
def test_a_number_in_another_spelling_is_found(hospital: Hospital, patient_id: str) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    verdict = hospital.decide(typed("PEREZ^LUZ", patient_id, "19800511", "F"))
    assert (verdict.rule, verdict.patient_key) == ("B03", luz.key)


def test_a_number_glued_to_its_issuer_is_taken_apart(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    assert hospital.decide(typed("PEREZ^LUZ", f"00012345^^^{OURS}", "19800511")).patient_key == luz.key
    assert hospital.decide(typed("PEREZ^LUZ", f"00012345^^^{THEIRS}", "19800511")).rule == "V07"


def test_a_facility_letter_may_be_left_out_but_not_exchanged(hospital: Hospital) -> None:
    luz = hospital.admit("A1234567", "Perez^Luz", "19800511")
    assert hospital.decide(typed("PEREZ^LUZ", "1234567", "19800511")).patient_key == luz.key
    assert hospital.decide(typed("PEREZ^LUZ", "B1234567", "19800511")).rule == "V07"


def test_of_two_patients_whom_a_loose_number_fits_only_the_equal_one_is_kept(hospital: Hospital) -> None:
    luz = hospital.admit("A1234567", "Perez^Luz", "19800511")
    hospital.admit("B1234567", "Okafor^Ngozi", "19710930")
    assert hospital.decide(typed("PEREZ^LUZ", "1234567", "19800511")).patient_key == luz.key
    assert is_held(hospital.decide(typed("PEREZ^LUZ", "1234567", "19801105")), "V10")


def test_a_well_formed_number_that_nobody_holds_is_not_bent_into_another(hospital: Hospital) -> None:
    hospital.rules = replace(RULES, mrn_pattern=r"\d{5,8}")
    hospital.admit("00012345", "Perez^Luz", "19800511")
    assert hospital.decide(typed("PEREZ^LUZ", "12345", "19800511")).rule == "V07"


@pytest.mark.parametrize("patient_id", ["", "0", "unknown", "00000000"])
def test_a_placeholder_number_is_no_evidence(hospital: Hospital, patient_id: str) -> None:
    hospital.admit("00000000", "Perez^Luz", "19800511")
    assert is_held(hospital.decide(typed("PEREZ^LUZ", patient_id, "19800511")), "V07")


def test_another_patient_id_counts_where_the_first_says_nothing(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    other = PatientIdentifier("00012345")
    verdict = hospital.decide(typed("PEREZ^LUZ", "", "19800511", other_patient_ids=(other,)))
    assert (verdict.rule, verdict.patient_key) == ("B03", luz.key)


def test_a_second_authority_of_ours_is_not_foreign_and_its_numbers_are_kept_apart(hospital: Hospital) -> None:
    hospital.rules = replace(RULES, own_authorities=frozenset({"NORTH"}), authority_aliases={"1.2.3": "NORTH"})
    hospital.admit("00012345", "Okafor^Ngozi", "19710930")
    luz = hospital.admit("77", "Perez^Luz", "19800511", others=(PatientIdentifier("00012345", "NORTH"),))
    for issuer in ("NORTH", "north", "1.2.3"):
        header = typed("PEREZ^LUZ", "00012345", "19800511", issuer_of_patient_id=issuer)
        assert hospital.decide(header).patient_key == luz.key


# Other hospitals' studies.


def test_a_number_of_the_other_hospital_on_our_patients_list_binds(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511", others=(PatientIdentifier("771", THEIRS),))
    for more in ({"issuer_of_patient_id": THEIRS}, {"institution_name": "LAKESIDE  IMAGING"}):
        verdict = hospital.decide(typed("PEREZ^LUZ", "771", "19800511", "F", **more))
        assert (verdict.rule, verdict.patient_key, verdict.order_key) == ("B04", luz.key, None)


def test_a_cross_reference_with_another_name_is_held(hospital: Hospital) -> None:
    hospital.admit("00012345", "Perez^Luz", "19800511", others=(PatientIdentifier("771", THEIRS),))
    header = typed("OKAFOR^NGOZI", "771", "19710930", "F", issuer_of_patient_id=THEIRS)
    assert is_held(hospital.decide(header), "V10")


@pytest.mark.parametrize(
    "more", [{"source_ae_title": "CDIMPORT"}, {"from_foreign_source": True}], ids=["import station", "referrer"]
)
def test_a_study_from_outside_ignores_our_numbers_and_orders(hospital: Hospital, more: dict[str, object]) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    assert is_held(hospital.decide(from_worklist(order, luz), **more), "V07")
    ours = from_worklist(order, luz, issuer_of_patient_id=OURS)
    assert hospital.decide(ours, **more).rule == "B01"


def test_an_import_order_binds_only_if_it_is_the_only_one_that_fits(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.order(luz, "A100", is_import=True)
    header = typed("PEREZ^LUZ", "771", "19800511", "F")
    assert hospital.decide(replace(header, modality="MR"), from_foreign_source=True).rule == "V07"
    assert hospital.decide(replace(header, patient_sex="M"), from_foreign_source=True).rule == "V07"
    assert hospital.decide(replace(header, patient_birth_date="19800512"), from_foreign_source=True).rule == "V07"
    assert hospital.decide(header, from_foreign_source=True).rule == "B05"
    hospital.order(luz, "A101", is_import=True)
    assert is_held(hospital.decide(header, from_foreign_source=True), "V10")


def test_an_import_order_does_not_bind_where_two_patients_have_the_name_and_birth_date(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.admit("00012346", "Perez^Luz", "19800511")
    hospital.order(luz, "A100", is_import=True)
    assert is_held(hospital.decide(typed("PEREZ^LUZ", "771", "19800511", "F"), from_foreign_source=True), "V10")


def test_a_cross_reference_and_an_import_order_of_two_patients_are_held(hospital: Hospital) -> None:
    hospital.admit("00012345", "Perez^Luz", "19800511", others=(PatientIdentifier("771", THEIRS),))
    double = hospital.admit("00012346", "Perez^Luz", "19800511")
    hospital.order(double, "A100", is_import=True)
    header = typed("PEREZ^LUZ", "771", "19800511", "F", issuer_of_patient_id=THEIRS)
    assert is_held(hospital.decide(header), "V06")
