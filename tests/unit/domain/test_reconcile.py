"""Who a study is given to: the examples that must hold, and each veto."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.evidence import NamedIdentity
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.verdict import Outcome
from tests.unit.domain.hospital import (
    OURS,
    RULES,
    THEIRS,
    Hospital,
    corrected,
    first,
    from_worklist,
    is_held,
    named,
    typed,
)

LAST_YEAR = "20250311"


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


def test_where_nobody_fits_whoever_comes_nearest_is_shown_and_called_no_candidate(hospital: Hospital) -> None:
    namesake = hospital.admit("00012345", "Perez^Luz", "19800511")
    same_day = hospital.admit("00054321", "Okafor^Ngozi", "19430728")
    hospital.admit("00070001", "Lindström^Astrid", "19710930")
    verdict = hospital.decide(typed("PEREZ^LUZ", "00099999", "19430728", "F"))
    assert is_held(verdict, "V04", Outcome.QUARANTINE)
    assert first(verdict, 9) == [namesake.key, same_day.key]
    assert not verdict.preselect
    assert "Whoever comes nearest is shown" in verdict.sentence
    assert verdict.candidates[0].why == (
        "Nothing names them, and they fit badly: the name agrees, the birth date does not agree."
    )


def test_at_most_three_who_fit_badly_are_shown(hospital: Hospital) -> None:
    for number in range(5):
        hospital.admit(f"0001234{number}", "Perez^Luz", f"1980051{number}")
    assert len(hospital.decide(typed("PEREZ^LUZ", "00099999", "19430728", "F")).candidates) == 3


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
    assert first(verdict, 3) == [luz.key, ngozi.key]
    assert "patient ID on other images" in verdict.candidates[1].why


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
