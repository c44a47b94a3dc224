"""What images after the first say of their order, and a record that an update put in question."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.evidence import NamedOrder, order_named_by
from tests.unit.domain.hospital import Hospital, from_worklist, is_held, typed


def test_another_patient_s_order_number_in_a_later_image_holds_the_study(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    own, theirs = hospital.order(luz, "A100"), hospital.order(ngozi, "A200")
    header = from_worklist(own, luz)
    for other in (NamedOrder("A200"), replace(order_named_by(from_worklist(theirs, ngozi)), accession_number="A100")):
        verdict = hospital.decide(header, other_orders=(other,))
        assert is_held(verdict, "V06")
        assert {one.patient_key for one in verdict.candidates} == {luz.key, ngozi.key}


def test_a_cancelled_or_shared_number_in_a_later_image_holds_nothing(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    ngozi = hospital.admit("00054321", "Okafor^Ngozi", "19710930")
    header = from_worklist(hospital.order(luz, "A100"), luz)
    hospital.cancel(hospital.order(ngozi, "A200"))
    hospital.order(ngozi, "A300")
    hospital.order(luz, "A300")
    for accession in ("A200", "A300", "A999", ""):
        assert hospital.decide(header, other_orders=(NamedOrder(accession),)).rule == "B01", accession


def test_a_later_image_s_order_number_alone_binds_nobody(hospital: Hospital) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    hospital.order(luz, "A100")
    header = typed("PEREZ^LUZ", birth_date="19800511")
    assert is_held(hospital.decide(header, other_orders=(NamedOrder("A100"),)), "V06")


@pytest.mark.parametrize("is_merged", [False, True])
def test_a_record_in_question_binds_nothing(hospital: Hospital, is_merged: bool) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    assert hospital.decide(from_worklist(order, luz)).rule == "B01"
    doubted = hospital.change(luz, in_question=True)
    if is_merged:
        hospital.merge(doubted, hospital.admit("00077777", "Perez^Luz", "19800511"))
    assert is_held(hospital.decide(from_worklist(order, luz)), "V03")
