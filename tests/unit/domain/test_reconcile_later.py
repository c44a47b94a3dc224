"""What becomes of a bound study when later facts come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.domain.evidence import StudyEvidence
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.domain.reconsider import Binding, Reconsidered, Step, chosen_by_person, reconsider
from bridge.domain.study import Header
from bridge.domain.verdict import Outcome, Verdict
from bridge.errors import Conflict
from tests.unit.domain.hospital import NOON, OURS, Hospital, evidence, from_worklist, named, typed

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def luz(hospital: Hospital) -> Patient:
    return hospital.admit("00012345", "Perez^Luz", "19800511")


@pytest.fixture
def ngozi(hospital: Hospital) -> Patient:
    return hospital.admit("00054321", "Okafor^Ngozi", "19710930")


def binding_of(verdict: Verdict, **more: object) -> Binding:
    assert verdict.patient_key is not None
    return Binding(
        verdict.patient_key,
        verdict.order_key,
        verdict.linked_order_keys,
        verdict.rule,
        by_person=verdict.rule == "person",
        decided_at=NOON,
        accepted=verdict.concerns,
        differences=verdict.differences,
        **more,
    )


def look_again(hospital: Hospital, binding: Binding, header: Header, **more: object) -> Reconsidered:
    return reconsider(binding, evidence(header, **more), hospital.registry, hospital.rules)


def pick(hospital: Hospital, header: Header, patient: Patient) -> Binding:
    chosen = Binding(patient.key, by_person=True)
    verdict = chosen_by_person(chosen, StudyEvidence(header, received_at=NOON), hospital.registry, hospital.rules)
    assert verdict is not None
    return binding_of(verdict)


def test_nothing_new_keeps_the_binding(hospital: Hospital, luz: Patient) -> None:
    header = from_worklist(hospital.order(luz, "A100"), luz)
    binding = binding_of(hospital.decide(header))
    assert look_again(hospital, binding, header).step == Step.KEEP


def test_a_merge_moves_the_binding_to_the_survivor(hospital: Hospital, luz: Patient) -> None:
    header = from_worklist(hospital.order(luz, "A100"), luz)
    binding = binding_of(hospital.decide(header))
    survivor = hospital.admit("00077777", "Perez^Luz Maria", "19800511")
    hospital.merge(luz, survivor)
    found = look_again(hospital, binding, header)
    assert (found.step, found.verdict.patient_key, found.verdict.rule) == (Step.REFRESH, survivor.key, "B01")
    assert {one.record for one in found.verdict.differences} >= {"00077777", "Perez^Luz Maria"}


def test_corrected_demographics_refresh_and_never_unbind(hospital: Hospital, luz: Patient) -> None:
    header = from_worklist(hospital.order(luz, "A100"), luz)
    binding = binding_of(hospital.decide(header))
    hospital.change(luz, patient_name="Lindström^Astrid", patient_birth_date="19991231", patient_sex="M")
    found = look_again(hospital, binding, header)
    assert found.step == Step.REFRESH
    assert found.verdict.outcome == Outcome.BIND_WITH_CORRECTION


def test_a_late_order_is_linked(hospital: Hospital, luz: Patient) -> None:
    header = typed("PEREZ^LUZ", "00012345", "19800511", "F")
    binding = binding_of(hospital.decide(header))
    assert binding.order_key is None
    order = hospital.order(luz, "A100")
    found = look_again(hospital, binding, header)
    assert (found.step, found.verdict.order_key) == (Step.LINK, order.key)
    assert ("AccessionNumber", "A100") in {(one.keyword, one.record) for one in found.verdict.differences}


def test_a_cancelled_order_is_replaced_by_the_one_that_fits_or_kept(hospital: Hospital, luz: Patient) -> None:
    order = hospital.order(luz, "A100")
    header = from_worklist(order, luz)
    binding = binding_of(hospital.decide(header))
    hospital.cancel(order)
    assert look_again(hospital, binding, header).step == Step.KEEP
    again = hospital.order(luz, "A200")
    found = look_again(hospital, binding, header)
    assert (found.step, found.verdict.order_key) == (Step.LINK, again.key)


@pytest.mark.parametrize("code", ["110514", "113037", "113038"])
def test_a_signal_an_hour_after_the_bind_holds(hospital: Hospital, luz: Patient, code: str) -> None:
    header = from_worklist(hospital.order(luz, "A100"), luz)
    binding = binding_of(hospital.decide(header))
    hospital.registry.signal(header.study_instance_uid, code, LATER)
    found = look_again(hospital, binding, header)
    assert (found.step, found.verdict.rule, found.verdict.patient_key) == (Step.HOLD, "V03", None)
    assert "PEREZ Luz (00012345)" in found.verdict.sentence


def test_an_order_moved_to_another_patient_holds(hospital: Hospital, luz: Patient, ngozi: Patient) -> None:
    order = hospital.order(luz, "A100")
    header = from_worklist(order, luz)
    binding = binding_of(hospital.decide(header))
    hospital.move(order, ngozi)
    found = look_again(hospital, binding, header)
    assert (found.step, found.verdict.rule) == (Step.HOLD, "V06")
    assert "its order is OKAFOR Ngozi's (00054321) now" in found.verdict.sentence


def test_an_order_moved_to_somebody_registered_later_holds(hospital: Hospital, luz: Patient) -> None:
    order = hospital.order(luz, "A100")
    header = from_worklist(order, luz)
    binding = replace(binding_of(hospital.decide(header)), order_key=None)
    hospital.move(order, hospital.admit("00066666", "Lindström^Astrid", "19990909", registered_at=LATER))
    assert look_again(hospital, binding, header).verdict.rule == "V06"


def test_an_order_that_no_key_named_holds_too_when_it_moves(hospital: Hospital, luz: Patient, ngozi: Patient) -> None:
    order = hospital.order(luz, "A100")
    header = typed("PEREZ^LUZ", "00012345", "19800511", "F")
    binding = binding_of(hospital.decide(header))
    assert binding.order_key == order.key
    hospital.move(order, ngozi)
    assert look_again(hospital, binding, header).step == Step.HOLD


def test_an_undone_merge_holds_what_rested_on_it(hospital: Hospital, luz: Patient) -> None:
    double = hospital.admit("00077777", "Perez^Luz", "19800511")
    hospital.merge(double, luz)
    header = typed("PEREZ^LUZ", "00077777", "19800511", "F")
    binding = binding_of(hospital.decide(header))
    assert binding.patient_key == luz.key
    hospital.registry.unmerge(double.key)
    found = look_again(hospital, binding, header)
    assert (found.step, found.verdict.rule) == (Step.HOLD, "V06")


def test_an_instance_that_names_another_patient_holds(hospital: Hospital, luz: Patient, ngozi: Patient) -> None:
    header = from_worklist(hospital.order(luz, "A100"), luz)
    binding = binding_of(hospital.decide(header))
    found = look_again(hospital, binding, header, other_identities=(named(ngozi),))
    assert (found.step, found.verdict.rule) == (Step.HOLD, "V02")


def test_an_id_taken_from_the_patient_by_correction_holds(hospital: Hospital, luz: Patient) -> None:
    header = typed("PEREZ^LUZ", "00012345", "19800511", "F")
    binding = binding_of(hospital.decide(header))
    hospital.change(luz, identifiers=(PatientIdentifier("00022222", OURS),))
    found = look_again(hospital, binding, header)
    assert (found.step, found.verdict.rule) == (Step.HOLD, "V07")


def test_a_strangers_registration_holds_nothing(hospital: Hospital, luz: Patient) -> None:
    order = hospital.order(luz, "A100")
    header = from_worklist(order, luz, patient_id="00088888")
    binding = binding_of(hospital.decide(header))
    assert binding.rule == "B02"
    hospital.admit("00088888", "Lindström^Astrid", "19990909", registered_at=LATER)
    hospital.admit("00099999", "Perez^Luz", "19800511", registered_at=LATER)
    assert look_again(hospital, binding, header).step == Step.KEEP


def test_a_number_given_to_a_stranger_after_the_merge_holds_nothing(hospital: Hospital, luz: Patient) -> None:
    header = typed("PEREZ^LUZ", "00012345", "19800511", "F")
    binding = binding_of(hospital.decide(header))
    survivor = hospital.admit("00077777", "Perez^Luz", "19800511")
    hospital.merge(luz, survivor)
    hospital.admit("00012345", "Okafor^Ngozi", "19710930", registered_at=LATER)
    found = look_again(hospital, binding, header)
    assert (found.step, found.verdict.patient_key) == (Step.REFRESH, survivor.key)


def test_an_import_order_that_took_the_study_in_keeps_it(hospital: Hospital, luz: Patient) -> None:
    order = hospital.order(luz, "A100", is_import=True)
    header = typed("PEREZ^LUZ", "771", "19800511", "F", issuer_of_patient_id="LAKESIDE")
    binding = binding_of(hospital.decide(header))
    hospital.registry.use_order(order.key, header.study_instance_uid)
    assert look_again(hospital, binding, header).step == Step.KEEP
    hospital.order(luz, "A200", is_import=True)
    assert look_again(hospital, binding, header).step == Step.KEEP


def test_what_a_person_overruled_does_not_hold_their_binding_again(
    hospital: Hospital, luz: Patient, ngozi: Patient
) -> None:
    header = from_worklist(hospital.order(ngozi, "A100"), ngozi, patient_id="00012345")
    hospital.registry.signal(header.study_instance_uid, "110514", NOON - timedelta(hours=1))
    assert hospital.decide(header).rule == "V03"
    binding = pick(hospital, header, luz)
    assert look_again(hospital, binding, header).step == Step.KEEP


def test_what_a_person_did_not_know_holds_their_binding(hospital: Hospital, luz: Patient, ngozi: Patient) -> None:
    header = from_worklist(hospital.order(ngozi, "A100"), ngozi, patient_id="00012345")
    binding = pick(hospital, header, luz)
    hospital.registry.signal(header.study_instance_uid, "113037", LATER)
    assert look_again(hospital, binding, header).verdict.rule == "V03"
    astrid = hospital.admit("00066666", "Lindström^Astrid", "19990909")
    found = look_again(hospital, binding, header, other_identities=(named(astrid),))
    assert found.verdict.rule == "V02"


def test_a_persons_overruled_contradiction_stays_overruled_through_a_merge(
    hospital: Hospital, luz: Patient, ngozi: Patient
) -> None:
    header = from_worklist(hospital.order(ngozi, "A100"), ngozi, patient_id="00012345")
    binding = pick(hospital, header, luz)
    survivor = hospital.admit("00077777", "Okafor^Ngozi Ada", "19710930")
    hospital.merge(ngozi, survivor)
    assert look_again(hospital, binding, header).step == Step.KEEP


def test_a_persons_binding_without_its_concerns_is_held_only_by_a_later_signal(
    hospital: Hospital, luz: Patient, ngozi: Patient
) -> None:
    header = from_worklist(hospital.order(ngozi, "A100"), ngozi, patient_id="00012345")
    binding = replace(pick(hospital, header, luz), accepted=None)
    hospital.registry.signal(header.study_instance_uid, "110514", NOON - timedelta(hours=1))
    assert look_again(hospital, binding, header).step == Step.KEEP
    hospital.registry.signal(header.study_instance_uid, "110514", LATER)
    assert look_again(hospital, binding, header).step == Step.HOLD


def test_a_person_who_picks_a_patient_gets_the_order_that_fits(hospital: Hospital, luz: Patient) -> None:
    order = hospital.order(luz, "A100")
    header = typed("PEREZ^LUZ", "", "19800511")
    assert hospital.decide(header).rule == "V07"
    binding = pick(hospital, header, luz)
    assert (binding.order_key, binding.rule, binding.accepted) == (order.key, "person", ("V07",))


def test_a_person_may_pick_somebody_whom_nothing_names(hospital: Hospital, luz: Patient) -> None:
    binding = pick(hospital, typed("OKAFOR^NGOZI"), luz)
    assert binding.patient_key == luz.key


def test_a_person_cannot_pick_another_patients_order(hospital: Hospital, luz: Patient, ngozi: Patient) -> None:
    order = hospital.order(ngozi, "A100")
    chosen = Binding(luz.key, order.key, by_person=True)
    with pytest.raises(Conflict):
        chosen_by_person(chosen, evidence(typed("PEREZ^LUZ")), hospital.registry, hospital.rules)


def test_a_person_cannot_pick_a_record_that_is_gone(hospital: Hospital) -> None:
    chosen = Binding(404, by_person=True)
    header = typed("OKAFOR^NGOZI")
    assert chosen_by_person(chosen, evidence(header), hospital.registry, hospital.rules) is None
    found = look_again(hospital, chosen, header)
    assert (found.step, found.reason) == (Step.HOLD, "record_gone")
