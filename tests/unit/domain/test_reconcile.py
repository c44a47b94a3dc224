"""Who a study is given to: the examples that must hold, then each veto and each bind rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bridge.domain.evidence import NamedIdentity, OrderRecord
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.order import StepStatus
from bridge.domain.study import RequestAttributes
from bridge.domain.verdict import Outcome, Verdict
from tests.unit.domain.hospital import DAY, OURS, RULES, THEIRS, Hospital, from_worklist, named, typed

LAST_YEAR = "20250311"


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


def corrected(verdict: Verdict) -> dict[str, tuple[str, str]]:
    return {one.keyword: (one.received, one.record) for one in verdict.differences}


def is_held(verdict: Verdict, rule: str, outcome: Outcome = Outcome.REVIEW) -> bool:
    assert not verdict.binds
    assert verdict.patient_key is None
    assert verdict.order_key is None
    return (verdict.rule, verdict.outcome) == (rule, outcome)


def first(verdict: Verdict, count: int = 1) -> list[int]:
    return [one.patient_key for one in verdict.candidates[:count]]


# The examples that must hold.


def test_a_worklist_copy_without_issuer_in_upper_case_without_accents_binds(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Pérez Ibáñez^Luz", "19800517")
    order = hospital.order(luz, "A100")
    verdict = hospital.decide(from_worklist(order, luz, name="PEREZ IBANEZ^LUZ"))
    assert (verdict.outcome, verdict.rule, verdict.patient_key, verdict.order_key) == (
        Outcome.BIND,
        "B01",
        luz.key,
        order.key,
    )


def test_an_id_without_its_leading_zeros_binds_and_is_corrected(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Pérez^Luz", "19800517")
    verdict = hospital.decide(typed("PEREZ^LUZ", "12345", "19800517", "F"))
    assert (verdict.outcome, verdict.rule, verdict.patient_key) == (Outcome.BIND_WITH_CORRECTION, "B03", luz.key)
    assert corrected(verdict)["PatientID"] == ("12345", "00012345")


def test_an_order_alone_with_day_and_month_exchanged_binds_with_three_corrections(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    verdict = hospital.decide(typed("Perez^Luz", "", "19801105", "F", accession_number="A100"))
    assert (verdict.outcome, verdict.rule, verdict.order_key) == (Outcome.BIND_WITH_CORRECTION, "B02", order.key)
    assert corrected(verdict) == {
        "PatientID": ("", "00012345"),
        "IssuerOfPatientID": ("", OURS),
        "PatientBirthDate": ("19801105", "19800511"),
    }


def test_an_id_that_nobody_has_beside_an_order_with_a_close_name_binds(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luzia", "19800511")
    hospital.order(luz, "A100")
    verdict = hospital.decide(typed("PEREZ^LUSIA", "00099999", "19800511", "F", accession_number="A100"))
    assert (verdict.rule, verdict.patient_key) == ("B02", luz.key)


def test_an_id_of_another_live_patient_beside_the_order_is_held_with_both_on_top(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    order = hospital.order(luz, "A100")
    verdict = hospital.decide(from_worklist(order, luz, patient_id="00054321"))
    assert is_held(verdict, "V06")
    assert first(verdict, 2) == [luz.key, ngozi.key]
    assert not verdict.preselect


def test_an_id_of_another_live_patient_without_order_is_held_with_both_on_top(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    verdict = hospital.decide(typed("PEREZ^LUZ", "00054321", "19800511", "F"))
    assert is_held(verdict, "V08")
    assert set(first(verdict, 2)) == {luz.key, ngozi.key}


def test_a_picked_entry_with_name_and_id_typed_over_is_held_with_the_typed_patient_first(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    order = hospital.order(ngozi, "A100")
    header = from_worklist(order, ngozi, name="PEREZ^LUZ", patient_id="00012345", birth_date="19800511")
    verdict = hospital.decide(header)
    assert is_held(verdict, "V06")
    assert first(verdict) == [luz.key]
    assert "OKAFOR Ngozi's (00054321)" in verdict.sentence
    assert "Name and birth date fit PEREZ Luz." in verdict.sentence


def test_a_twins_given_name_is_held_whether_the_twin_is_known_or_not(hospital: Hospital) -> None:
    hospital.admit("00012345", "Okafor^Ngozi", "20150102", multiple_birth=True)
    header = typed("OKAFOR^CHIDI", "00012345", "20150102")
    assert is_held(hospital.decide(header), "V10")
    twin = hospital.admit("00012346", "Okafor^Chidi", "20150102", multiple_birth=True)
    verdict = hospital.decide(header)
    assert is_held(verdict, "V08")
    assert twin.key in first(verdict, 2)


def test_demographics_alone_never_bind_however_unique(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    verdict = hospital.decide(typed("PEREZ^LUZ", "", "19800511", "F"))
    assert is_held(verdict, "V07")
    assert first(verdict) == [luz.key]
    assert verdict.preselect


def test_a_foreign_number_like_ours_means_nothing_and_the_import_order_binds(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    order = hospital.order(luz, "A100", is_import=True)
    header = typed("PEREZ^LUZ", "00054321", "19800511", "F", issuer_of_patient_id=THEIRS, study_date=LAST_YEAR)
    verdict = hospital.decide(header)
    assert (verdict.outcome, verdict.rule, verdict.patient_key, verdict.order_key) == (
        Outcome.BIND_WITH_CORRECTION,
        "B05",
        luz.key,
        order.key,
    )
    assert corrected(verdict)["IssuerOfPatientID"] == (THEIRS, OURS)


def test_the_disc_of_a_brother_is_not_taken_for_the_import_order(hospital: Hospital) -> None:
    diego = hospital.admit("00012345", "Perez^Diego", "19800511", "M")
    hospital.order(diego, "A100", is_import=True)
    stranger = typed("PEREZ^MATEO", "771", "19830702", "M")
    assert is_held(hospital.decide(stranger, from_foreign_source=True), "V04", Outcome.QUARANTINE)
    hospital.admit("00012346", "Perez^Mateo", "19830702", "M")
    assert is_held(hospital.decide(stranger, from_foreign_source=True), "V07")


def test_an_unidentified_patients_number_leads_to_the_survivor_after_the_merge(hospital: Hospital) -> None:
    doe = hospital.admit("00070001", "Doe^John", "19000101", "M")
    diego = hospital.admit("00012345", "Perez^Diego", "19800511", "M")
    order = hospital.order(doe, "A100")
    hospital.merge(doe, diego)
    for header, rule in ((typed("DOE^JOHN", "00070001"), "B03"), (from_worklist(order, doe), "B01")):
        verdict = hospital.decide(header)
        assert (verdict.rule, verdict.patient_key) == (rule, diego.key)
        assert corrected(verdict)["PatientID"] == ("00070001", "00012345")
        assert corrected(verdict)["PatientName"][1] == "Perez^Diego"


def test_a_number_given_to_somebody_else_after_a_merge_is_held_with_the_first_holder_on_top(hospital: Hospital) -> None:
    old = hospital.admit("00070001", "Perez^Luz", "19800511")
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.merge(old, luz)
    hospital.admit("00070001", "Okafor^Ngozi", "19710930")
    verdict = hospital.decide(typed("PEREZ^LUZ", "00070001", "19800511", "F"))
    assert is_held(verdict, "V08")
    assert first(verdict) == [luz.key]


def test_an_accession_number_used_last_year_for_somebody_else_is_ignored_with_a_note(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    hospital.order(ngozi, "A100", on=LAST_YEAR)
    order = hospital.order(luz, "A100")
    verdict = hospital.decide(typed("PEREZ^LUZ", "00012345", "19800511", "F", accession_number="A100"))
    assert (verdict.rule, verdict.patient_key, verdict.order_key) == ("B01", luz.key, order.key)
    assert "used before" in verdict.notes[0]


def test_a_twins_name_with_accents_is_different_and_not_unreadable(hospital: Hospital) -> None:
    maria = hospital.admit("00012345", "Núñez^Maria", "20150102", multiple_birth=True)
    order = hospital.order(maria, "A100")
    verdict = hospital.decide(from_worklist(order, maria, name="NÚÑEZ^CARMEN"))
    assert is_held(verdict, "V10")
    assert "name cannot be compared" not in verdict.sentence


def test_images_before_registration_and_order_wait_and_then_bind(hospital: Hospital) -> None:
    header = typed("PEREZ^LUZ", "00012345", "19800511", "F", accession_number="A100")
    assert is_held(hospital.decide(header), "V04", Outcome.QUARANTINE)
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    verdict = hospital.decide(header)
    assert (verdict.rule, verdict.patient_key, verdict.order_key) == ("B01", luz.key, order.key)


# Vetoes.


def test_a_test_word_sets_the_study_aside_whatever_its_keys_say(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    assert is_held(hospital.decide(from_worklist(order, luz, name="PHANTOM^LUZ")), "V01", Outcome.QUARANTINE)


def test_a_second_person_in_the_study_holds_it(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    order = hospital.order(luz, "A100")
    verdict = hospital.decide(from_worklist(order, luz), other_identities=(named(ngozi),))
    assert is_held(verdict, "V02")


def test_the_same_person_written_differently_in_other_instances_does_not(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    others = (
        NamedIdentity("12345", "", "PEREZ^LUZ", "", ""),
        NamedIdentity("", "", "Perez^Luz", "19800511", "F"),
        NamedIdentity("MRN-00012345", OURS, "PEREZ", "19800511", ""),
    )
    assert hospital.decide(from_worklist(order, luz), other_identities=others).rule == "B01"


def test_a_merge_while_images_come_does_not_make_two_people(hospital: Hospital) -> None:
    doe = hospital.admit("00070001", "Doe^John", "19000101", "M")
    diego = hospital.admit("00012345", "Perez^Diego", "19800511", "M")
    order = hospital.order(doe, "A100")
    hospital.merge(doe, diego)
    verdict = hospital.decide(from_worklist(order, doe), other_identities=(named(diego),))
    assert (verdict.rule, verdict.patient_key) == ("B01", diego.key)


@pytest.mark.parametrize("code", ["110514", "113037", "113038"])
def test_a_signal_holds_a_study_that_would_bind(hospital: Hospital, code: str) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    header = from_worklist(order, luz)
    hospital.registry.signal(header.study_instance_uid, code)
    assert is_held(hospital.decide(header), "V03")


def test_a_signal_about_a_study_that_fits_nobody_leaves_it_aside(hospital: Hospital) -> None:
    hospital.registry.signal("9.9.9", "110514")
    assert is_held(hospital.decide(typed("PEREZ^LUZ")), "V03", Outcome.QUARANTINE)


def test_order_keys_of_two_patients_bind_only_if_exactly_one_fits(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    picked, meant = hospital.order(ngozi, "A100"), hospital.order(luz, "A200")
    header = typed(
        "PEREZ^LUZ", "", "19800511", "F", study_instance_uid=picked.study_instance_uid, accession_number="A200"
    )
    verdict = hospital.decide(header)
    assert (verdict.rule, verdict.patient_key, verdict.order_key) == ("B02", luz.key, meant.key)
    assert is_held(hospital.decide(replace(header, patient_name="LINDSTROM^ASTRID")), "V05")


def test_a_second_patient_number_in_the_header_that_is_somebody_elses_holds_it(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.admit("00054321", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    other = PatientIdentifier("00054321", OURS)
    assert is_held(hospital.decide(from_worklist(order, luz, other_patient_ids=(other,))), "V06")


def test_a_namesake_with_exactly_the_headers_birth_date_holds_it(hospital: Hospital) -> None:
    senior = hospital.admit("00012345", "Okafor^Samuel^^^Sr", "19500504", "M")
    hospital.admit("00012346", "Okafor^Samuell", "19500405", "M")
    order = hospital.order(senior, "A100")
    verdict = hospital.decide(from_worklist(order, senior, name="OKAFOR^SAMUEL", birth_date="19500405"))
    assert is_held(verdict, "V09")
    assert not verdict.preselect


def test_junior_and_senior_with_exchanged_dates_are_held(hospital: Hospital) -> None:
    senior = hospital.admit("00012345", "Okafor^Samuel^^^Sr", "19500504", "M")
    hospital.admit("00012346", "Okafor^Samuel^^^Jr", "19790812", "M")
    order = hospital.order(senior, "A100")
    assert is_held(hospital.decide(from_worklist(order, senior, birth_date="19790812")), "V08")


def test_vetoes_are_recorded_in_the_order_they_were_tried(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    assert hospital.decide(from_worklist(order, luz)).vetoes_tried == tuple(f"V{n:02}" for n in range(1, 11))
    assert hospital.decide(typed("PEREZ^LUZ", "", "19800511")).vetoes_tried[-1] == "V07"


def test_a_veto_may_ask_for_two_people(hospital: Hospital) -> None:
    hospital.rules = replace(RULES, two_person=frozenset({"V07"}))
    hospital.admit("00012345", "Perez^Luz", "19800511")
    assert hospital.decide(typed("PEREZ^LUZ", "", "19800511")).two_person


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


# Candidates.


def test_whoever_a_key_names_is_among_the_first_three(hospital: Hospital) -> None:
    for number in range(6):
        hospital.admit(f"0001000{number}", "Perez^Luz", "19800511")
    keyed = hospital.admit("00054321", "Okafor^Ngozi", "19710930", "M")
    verdict = hospital.decide(typed("PEREZ^LUZ", "00054321", "19800511", "F"))
    assert keyed.key in first(verdict, 3)
    assert "Named by the patient ID" in verdict.candidates[first(verdict, 3).index(keyed.key)].why


def test_a_candidate_shows_value_beside_value(hospital: Hospital) -> None:
    hospital.admit("00012345", "Perez^Luz", "19800511")
    verdict = hospital.decide(typed("PERES^LUZ", "", "19801105", "F"))
    rows = {row.keyword: (row.received, row.record, row.grade) for row in verdict.candidates[0].compared}
    assert rows["PatientName"] == ("PERES^LUZ", "Perez^Luz", "CLOSE")
    assert rows["PatientBirthDate"] == ("19801105", "19800511", "SWAP")


def test_hitting_the_cap_of_a_look_up_is_noted(hospital: Hospital) -> None:
    hospital.rules = replace(RULES, lookup_limit=2)
    for number in range(3):
        hospital.admit(f"0001000{number}", "Perez^Luz", "19800511")
    assert any("not all were compared" in note for note in hospital.decide(typed("PEREZ^LUZ", "", "19800511")).notes)


def test_a_decision_keeps_the_values_it_used(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    snapshot = hospital.decide(from_worklist(order, luz)).snapshot
    assert snapshot["header"]["PatientID"] == snapshot["patient"]["PatientID"] == "00012345"
    assert snapshot["order"]["AccessionNumber"] == "A100"


# Orders.


def test_all_orders_in_request_attributes_are_linked_and_the_accessions_one_is_first(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    chest, abdomen = hospital.order(luz, "A100"), hospital.order(luz, "A200")
    items = tuple(
        RequestAttributes(one.requested_procedure_id, f"SPS{one.key}", one.accession_number) for one in (chest, abdomen)
    )
    header = from_worklist(chest, luz, request_attributes=items, accession_number="A200")
    verdict = hospital.decide(header)
    assert (verdict.order_key, verdict.linked_order_keys) == (abdomen.key, (chest.key,))


def test_a_cancelled_order_names_the_patient_and_its_replacement_is_taken(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    gone = hospital.cancel(hospital.order(luz, "A100"))
    header = replace(from_worklist(gone, luz), patient_id="")
    assert (hospital.decide(header).rule, hospital.decide(header).order_key) == ("B02", None)
    again = hospital.order(luz, "A200")
    verdict = hospital.decide(header)
    assert verdict.order_key == again.key
    assert corrected(verdict)["AccessionNumber"] == ("A100", "A200")


@pytest.mark.parametrize(
    ("accession", "bound"), [("", True), ("A10O", True), ("A1O0X", True), ("B999", False), ("77110", False)]
)
def test_an_open_order_is_taken_if_the_headers_accession_is_empty_or_nearly_its_own(
    hospital: Hospital, accession: str, bound: bool
) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    verdict = hospital.decide(typed("PEREZ^LUZ", "00012345", "19800511", accession_number=accession))
    assert (verdict.rule, verdict.order_key) == ("B03", order.key if bound else None)


def test_an_open_order_that_is_used_far_off_or_of_another_modality_is_not_taken(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.order(luz, "A100", on="20260312")
    hospital.order(luz, "A200", modality="MR")
    hospital.order(luz, "A300", status=StepStatus.DISCONTINUED)
    hospital.order(luz, "A400", is_import=True)
    used = hospital.order(luz, "A500")
    hospital.registry.use_order(used.key, "8.8.8")
    assert hospital.decide(typed("PEREZ^LUZ", "00012345", "19800511")).order_key is None


def test_the_body_part_breaks_a_tie_of_open_orders_and_nothing_else_does(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.order(luz, "A100", requested_procedure_description="CT Chest")
    abdomen = hospital.order(luz, "A200", requested_procedure_description="CT Abdomen")
    header = typed("PEREZ^LUZ", "00012345", "19800511")
    verdict = hospital.decide(header)
    assert verdict.order_key is None
    assert any("Several open orders" in note for note in verdict.notes)
    assert hospital.decide(replace(header, body_part_examined="ABDOMEN")).order_key == abdomen.key


def test_an_accession_of_another_issuer_names_no_order_of_ours(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.order(luz, "A100", status=StepStatus.SCHEDULED)
    record = hospital.registry.order_by_key(1)
    assert record is not None
    hospital.registry.put_order(replace(record.order, issuer_of_accession_number="RIS1"), *record.steps)
    header = typed("PEREZ^LUZ", "", "19800511", accession_number="A100")
    assert hospital.decide(header).rule == "B02"
    assert hospital.decide(replace(header, issuer_of_accession_number="RIS1")).rule == "B02"
    assert hospital.decide(replace(header, issuer_of_accession_number="RIS2")).rule == "V07"


def test_of_two_orders_with_one_request_number_the_one_that_fits_both_numbers_counts(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    order = hospital.order(luz, "A100")
    other = hospital.order(ngozi, "A200")
    record = hospital.registry.order_by_key(other.key)
    assert record is not None
    hospital.registry.put_order(replace(other, requested_procedure_id=order.requested_procedure_id), *record.steps)
    item = RequestAttributes(order.requested_procedure_id, f"SPS{order.key}")
    verdict = hospital.decide(typed("LINDSTROM^X", "", "", request_attributes=(item,)))
    assert first(verdict) == [luz.key]
    assert verdict.rule == "V10"


def test_a_study_date_that_is_missing_falls_back_to_the_day_it_came(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.order(luz, "A100", on=LAST_YEAR)
    header = typed("PEREZ^LUZ", "", "19800511", accession_number="A100", study_date="")
    assert hospital.decide(header).rule == "V07"
    assert hospital.decide(replace(header, study_date=LAST_YEAR)).rule == "B02"
    assert hospital.decide(replace(header, study_date=DAY)).rule == "V07"


def test_a_header_with_thousands_of_requests_and_an_endless_name_costs_few_look_ups(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    items = tuple(RequestAttributes(f"X{n}", f"Y{n}", f"Z{n}") for n in range(5000))
    asked: list[str] = []
    find = hospital.registry.orders_by_accession

    def counted(accession_number: str) -> Sequence[OrderRecord]:
        asked.append(accession_number)
        return find(accession_number)

    hospital.registry.orders_by_accession = counted  # type: ignore[method-assign]
    header = from_worklist(order, luz, request_attributes=items, name="PEREZ^LUZ" + " A" * 100_000)
    verdict = hospital.decide(header)
    assert verdict.patient_key == luz.key or not verdict.binds
    assert len(asked) < 50
