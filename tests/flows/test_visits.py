"""Visits: their state and place, and the exams that follow the patient."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.domain.patient import Visit, VisitState
from bridge.store import orders, visits
from bridge.wiring import House
from tests.cast import PLAIN
from tests.flows.asking import say
from tests.flows.registration import order_of, pv1, step_states, tell, visit_id
from tests.flows.test_orders import code


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    house = make_house()
    say(house, tell("A01", PLAIN.pid, pv1("V1", place="ER^1^2"), at="20260302080000"), order_of(PLAIN, "A1", "V1"))
    return house


def visit(house: House, number: str = "V1") -> Visit:
    with house.store.read() as tx:
        found = visits.find(tx, visit_id(number))
    assert found is not None
    return found


def place_of_exam(house: House) -> str:
    with house.store.read() as tx:
        return orders.by_accession(tx, "A1")[0].current_patient_location


@pytest.mark.parametrize(
    ("trigger", "state"),
    [
        ("A05", VisitState.PRE_ADMIT),
        ("A03", VisitState.CLOSED),
        ("A11", VisitState.CANCELLED),
        ("A13", VisitState.OPEN),
        ("A06", VisitState.OPEN),
        ("A08", VisitState.OPEN),
    ],
)
def test_an_event_puts_its_visit_in_a_state_and_no_exam_off_the_worklist(
    house: House, trigger: str, state: VisitState
) -> None:
    (answer,) = say(house, tell(trigger, PLAIN.pid, pv1("V1")))
    assert code(answer) == "AA"
    assert visit(house).state == state
    assert step_states(house, "A1") == ["SCHEDULED"]
    assert (b"wait on the worklist" in answer) == (trigger == "A11")


def test_a_discharge_closes_at_its_time_and_its_cancellation_opens_again(house: House) -> None:
    say(house, tell("A03", PLAIN.pid, pv1("V1", discharged="20260302120000"), at="20260302120500"))
    assert (visit(house).state, visit(house).discharged_local) == (VisitState.CLOSED, "20260302120000")
    say(house, tell("A13", PLAIN.pid, pv1("V1"), at="20260302121000"))
    assert (visit(house).state, visit(house).discharged_local) == (VisitState.OPEN, "")


def test_the_exam_follows_a_transfer_and_its_cancellation(house: House) -> None:
    say(house, tell("A02", PLAIN.pid, pv1("V1", place="ICU^3^1"), at="20260302090000"))
    assert (visit(house).current_patient_location, place_of_exam(house)) == ("ICU-3-1", "ICU-3-1")
    say(house, tell("A12", PLAIN.pid, pv1("V1", place="ER^1^2"), at="20260302091000"))
    assert (visit(house).current_patient_location, place_of_exam(house)) == ("ER-1-2", "ER-1-2")
    late = tell("A02", PLAIN.pid, pv1("V1", place="WARD^9^9"), at="20260302085000")
    assert code(say(house, late)[0]) == "AA"
    assert place_of_exam(house) == "ER-1-2"


def test_an_exam_of_another_visit_stays_where_it_is(house: House) -> None:
    say(house, tell("A01", PLAIN.pid, pv1("V2", place="ICU^3^1"), at="20260302090000"))
    assert place_of_exam(house) != "ICU-3-1"


def test_who_arrives_is_shown_as_arrived(house: House) -> None:
    say(house, order_of(PLAIN, "A2", "V2", at="20260302080600"))
    say(house, tell("A10", PLAIN.pid, pv1("V1")))
    assert (step_states(house, "A1"), step_states(house, "A2")) == (["ARRIVED"], ["SCHEDULED"])


def test_who_arrives_without_a_visit_number_arrives_for_the_exams_of_the_day(house: House) -> None:
    say(house, tell("A10", PLAIN.pid, pv1(), at="20260301090000"))
    assert step_states(house, "A1") == ["SCHEDULED"]
    say(house, tell("A10", PLAIN.pid, pv1(), at="20260302090000"))
    assert step_states(house, "A1") == ["ARRIVED"]


def test_a_null_erases_and_an_absent_value_keeps(house: House) -> None:
    say(house, tell("A08", PLAIN.pid, pv1("V1"), at="20260302090000"))
    assert visit(house).current_patient_location == "ER-1-2"
    say(house, tell("A08", PLAIN.pid, pv1("V1", place='""'), at="20260302091000"))
    assert visit(house).current_patient_location == ""
