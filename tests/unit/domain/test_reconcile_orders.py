"""Who stands on the list of candidates, and which order a study belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bridge.domain.evidence import OrderRecord
from bridge.domain.order import StepStatus
from bridge.domain.study import RequestAttributes
from tests.unit.domain.hospital import (
    DAY,
    RULES,
    Hospital,
    corrected,
    first,
    from_worklist,
    typed,
)

LAST_YEAR = "20250311"


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


YEARS = {"then": datetime(2025, 3, 10, 12, tzinfo=UTC), "now": datetime(2026, 3, 10, 12, tzinfo=UTC), "": None}


@pytest.mark.parametrize(
    ("said", "heard", "is_of_today"),
    [("then", "now", False), ("now", "now", True), ("now", "then", True), ("", "now", True), ("", "then", False)],
)
def test_an_order_without_a_start_is_as_old_as_its_message_says(
    hospital: Hospital, said: str, heard: str, is_of_today: bool
) -> None:
    luz = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(luz, "A100")
    record = hospital.registry.order_by_key(order.key)
    assert record is not None
    unscheduled = [replace(step, scheduled_start_local="") for step in record.steps]
    placed = replace(order, transaction_at=YEARS[said], ordered_at=YEARS[heard])
    hospital.registry.put_order(placed, *unscheduled)
    header = typed("PEREZ^LUZ", "", "19800511", accession_number="A100")
    assert hospital.decide(header).rule == ("B02" if is_of_today else "V07")


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
