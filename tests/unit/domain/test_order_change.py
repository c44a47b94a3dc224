"""A change says what it says and no more: what was made up for a new order gives way to what is known."""

from __future__ import annotations

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Order, OrderDraft, Step, StepDraft, StepStatus, give_way

ORDER = Order(
    key=1,
    patient_key=1,
    accession_number="A1",
    issuer_of_accession_number="H",
    placer_order_number=EntityIdentifier("P1", "H"),
    filler_order_number=EntityIdentifier("F1", "H"),
    requested_procedure_id="RP1",
    study_instance_uid="1.2.3",
    status=StepStatus.SCHEDULED,
)
MADE_UP = frozenset({"accession_number", "study_instance_uid", "requested_procedure_id", "scheduled_procedure_step_id"})


def step(step_id: str, status: StepStatus = StepStatus.SCHEDULED) -> Step:
    return Step(key=1, order_key=1, scheduled_procedure_step_id=step_id, status=status)


def change(*step_ids: str, derived: frozenset[str] = MADE_UP) -> OrderDraft:
    return OrderDraft(
        "XO",
        accession_number="F1",
        issuer_of_accession_number="X",
        requested_procedure_id="F1",
        study_instance_uid="2.25.1",
        steps=tuple(StepDraft(step_id) for step_id in step_ids),
        derived=derived,
    )


def ids(draft: OrderDraft) -> list[str]:
    return [each.scheduled_procedure_step_id for each in draft.steps]


def test_keys_that_the_message_does_not_hold_are_the_orders() -> None:
    found = give_way(change("F1"), ORDER, [step("S1")])

    assert (found.accession_number, found.issuer_of_accession_number) == ("A1", "H")
    assert (found.requested_procedure_id, found.study_instance_uid) == ("RP1", "1.2.3")


def test_keys_that_the_message_holds_are_news() -> None:
    found = give_way(change("S1", derived=frozenset()), ORDER, [step("S1")])

    assert (found.accession_number, found.requested_procedure_id) == ("F1", "F1")


def test_an_unnamed_step_is_the_one_that_waits() -> None:
    assert ids(give_way(change("F1"), ORDER, [step("S1")])) == ["S1"]
    assert ids(give_way(change("F1"), ORDER, [step("S0", StepStatus.CANCELED), step("S1")])) == ["S1"]


def test_unnamed_steps_are_the_waiting_ones_in_order() -> None:
    assert ids(give_way(change("F1", "F1-2"), ORDER, [step("S1"), step("S2")])) == ["S1", "S2"]


def test_a_named_step_keeps_its_name_beside_an_unnamed_one() -> None:
    assert ids(give_way(change("S2", "F1"), ORDER, [step("S1"), step("S2")])) == ["S2", "S1"]


def test_where_nobody_can_say_which_step_is_meant_all_stay_as_they_are() -> None:
    assert ids(give_way(change("F1"), ORDER, [step("S1"), step("S2")])) == []


def test_a_step_that_was_made_up_before_is_found_by_that_name() -> None:
    assert ids(give_way(change("F1"), ORDER, [step("F1")])) == ["F1"]


def test_an_order_without_steps_gets_one() -> None:
    assert ids(give_way(change("F1"), ORDER, [])) == ["F1"]


def test_a_finished_exam_does_not_come_back_under_another_name() -> None:
    assert ids(give_way(change("F1"), ORDER, [step("S1", StepStatus.COMPLETED)])) == []
