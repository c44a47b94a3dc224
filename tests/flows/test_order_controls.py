"""What each order control does to orders, steps and the worklist, on both databases. Source: HL7 2.5.1 4.5.1.1, IHE RAD TF-2."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.domain.order import Order, StepStatus
from bridge.store import events, orders
from bridge.store.listings import exam_detail
from bridge.wiring import House
from tests.cast import MERGED, NEAR_TWIN, PLAIN, adt, image, order, report, spooled, study_uid
from tests.flows.asking import say, sent, worklist_of
from tests.flows.test_orders import cast_mpps, code, error_of

MakeHouse = Callable[..., House]

LATER = "20260302090000"
LATER_STILL = "20260302100000"


def together(*messages: bytes, version: str = "2.3.1") -> bytes:
    """Return one message with the order groups of all of them."""
    first, *rest = (message.decode() for message in messages)
    groups = "".join(message[message.index("ORC|") :] for message in rest)
    return (first + groups).replace("|2.3.1|", f"|{version}|").encode()


def sent_again(message: bytes) -> bytes:
    """Return the same message under another control id."""
    return message.replace(b"ORM^O01|O", b"ORM^O01|X", 1)


def said_of_groups(answer: bytes) -> dict[str, str]:
    """Return the texts of an answer's ERR segments of severity I by the place they name."""
    rows = [line.split("|") for line in answer.decode().split("\r") if line.startswith("ERR")]
    return {row[2]: row[8] for row in rows if row[4] == "I"}


def authorizations_of(house: House, accession: str) -> list[str]:
    """Return the numbers that the exam's page shows."""
    with house.store.read() as tx:
        return [one.number for one in exam_detail.find(tx, accession, unbound=True).authorizations]


def order_of(house: House, accession: str) -> Order:
    """Return the newest order with an accession number."""
    with house.store.read() as tx:
        return orders.by_accession(tx, accession)[0]


def states_of(house: House, accession: str) -> list[str]:
    with house.store.read() as tx:
        return [s.status.value for o in orders.by_accession(tx, accession) for s in orders.steps_of(tx, o.key)]


def timeline_of(house: House, accession: str) -> list[str]:
    key = order_of(house, accession).key
    with house.store.read() as tx:
        return [line.what for line in events.timeline(tx, [key], [])]


def accessions(house: House) -> list[str]:
    return sorted(item.AccessionNumber for item in worklist_of(house))


def test_a_held_order_leaves_the_worklist_and_comes_back(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "HD", at=LATER))
    assert (worklist_of(house), order_of(house, "A1").status) == ([], StepStatus.HELD)
    say(house, order(PLAIN, "A1", "RL", at=LATER_STILL))
    assert (accessions(house), order_of(house, "A1").status) == (["A1"], StepStatus.SCHEDULED)
    assert [line for line in timeline_of(house, "A1") if "hold" in line] == [
        "Order put on hold",
        "Order released from hold",
    ]


def test_an_older_hold_does_not_undo_a_release(make_house: MakeHouse) -> None:
    house = make_house()
    hold = order(PLAIN, "A1", "HD", at=LATER)
    say(house, order(PLAIN, "A1"), hold, order(PLAIN, "A1", "RL", at=LATER_STILL))
    (answer,) = say(house, sent_again(hold))
    assert code(answer) == "AA"
    assert order_of(house, "A1").status == StepStatus.SCHEDULED


@pytest.mark.parametrize(
    ("status", "state"),
    [("IP", "STARTED"), ("CM", "COMPLETED"), ("A", "COMPLETED"), ("DC", "DISCONTINUED"), ("CA", "CANCELED")],
)
def test_a_status_report_moves_the_steps(make_house: MakeHouse, status: str, state: str) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "SC", status=status, at=LATER))
    assert (states_of(house, "A1"), order_of(house, "A1").status) == ([state], state)
    assert accessions(house) == (["A1"] if state == "STARTED" else [])


def test_a_reported_error_changes_nothing_and_is_on_the_timeline(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "SC", status="ER", at=LATER))
    assert states_of(house, "A1") == ["SCHEDULED"]
    assert "An error was reported of the order" in timeline_of(house, "A1")


def test_a_discontinued_exam_is_so_even_after_it_started(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    (answer,) = say(house, order(PLAIN, "A1", "DC", at=LATER))
    assert (code(answer), states_of(house, "A1")) == ("AA", ["DISCONTINUED"])


def test_a_late_word_of_the_beginning_starts_no_exam_anew_that_its_device_has_ended(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "DISCONTINUED")), "CT1")
    (answer,) = say(house, order(PLAIN, "A1", "SC", status="IP", at=LATER))
    assert (code(answer), states_of(house, "A1")) == ("AA", ["DISCONTINUED"])
    assert accessions(house) == []


def test_an_authorization_stays_with_its_patient_when_the_order_moves(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1", extra="AUT||60054|ACME|||N1\r"), adt(NEAR_TWIN))
    assert authorizations_of(house, "A1") == ["N1"]
    say(house, order(NEAR_TWIN, "A1", "XO", at=LATER))
    assert authorizations_of(house, "A1") == []


def test_the_filler_may_cancel_what_has_started(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    by_filler = order(PLAIN, "A1", "CA", at=LATER).replace(b"^RIVRIS", b"^RIVEHR")
    refused, accepted = say(house, by_filler, order(PLAIN, "A1", "OC", at=LATER))
    assert (code(refused), code(accepted)) == ("AE", "AA")
    assert states_of(house, "A1") == ["CANCELED"]


@pytest.mark.parametrize("control", ["CA", "HD", "DC"])
def test_a_request_after_the_end_is_refused_with_the_reason(make_house: MakeHouse, control: str) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "SC", status="CM"))
    (answer,) = say(house, order(PLAIN, "A1", control, at=LATER))
    assert code(answer) == "AE"
    assert "206" in error_of(answer)
    assert "the exam has ended" in answer.decode()


def test_a_cancellation_said_twice_is_accepted_twice(make_house: MakeHouse) -> None:
    house = make_house()
    answers = say(
        house, order(PLAIN, "A1"), order(PLAIN, "A1", "CA", at=LATER), order(PLAIN, "A1", "CA", at=LATER_STILL)
    )
    assert [code(answer) for answer in answers] == ["AA", "AA", "AA"]
    assert states_of(house, "A1") == ["CANCELED"]


def test_a_change_that_comes_after_the_cancellation_tells_its_news_and_revives_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    change = order(PLAIN, "A1", "XO", at=LATER).replace(b"CT CHEST WITH CONTRAST", b"CT CHEST")
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "CA", at=LATER_STILL), change)
    found = order_of(house, "A1")
    assert (found.status, found.requested_procedure_description) == (StepStatus.CANCELED, "CT CHEST")
    assert states_of(house, "A1") == ["CANCELED"]


def test_no_step_is_added_to_an_order_that_has_ended(make_house: MakeHouse) -> None:
    house = make_house()
    other_step = order(PLAIN, "A1", "XO", at=LATER).replace(b"|A1|A1|A1|", b"|A1|A1|A1B|")
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "CA", at=LATER_STILL), other_step)
    assert states_of(house, "A1") == ["CANCELED"]


def test_a_replaced_order_gives_its_place_to_the_new_one(make_house: MakeHouse) -> None:
    house = make_house()
    message = together(
        order(PLAIN, "A1", "RP", status="RP", at=LATER), order(PLAIN, "A2", "RO", at=LATER), version="2.5.1"
    )
    _, answer = say(house, order(PLAIN, "A1"), message)
    old, new = order_of(house, "A1"), order_of(house, "A2")
    assert (old.status, old.replaced_by, new.status) == (StepStatus.CANCELED, new.key, StepStatus.SCHEDULED)
    assert accessions(house) == ["A2"]
    assert said_of_groups(answer) == {"ORC^1": "order replaced by another one", "ORC^2": "order created"}


def test_a_replacement_said_again_replaces_nothing_more(make_house: MakeHouse) -> None:
    house = make_house()
    message = together(order(PLAIN, "A1", "RP", at=LATER), order(PLAIN, "A2", "RO", at=LATER))
    _, _, again = say(house, order(PLAIN, "A1"), message, sent_again(message))
    assert (code(again), accessions(house)) == ("AA", ["A2"])


def test_a_replacement_may_bear_the_old_numbers(make_house: MakeHouse) -> None:
    house = make_house()
    message = together(order(PLAIN, "A1", "RP", at=LATER), order(PLAIN, "A1", "RO", at=LATER))
    answers = say(house, order(PLAIN, "A1"), message, sent_again(message))
    assert [code(answer) for answer in answers] == ["AA", "AA", "AA"]
    with house.store.read() as tx:
        new, old = orders.by_accession(tx, "A1")
    assert (old.replaced_by, old.status, new.status) == (new.key, StepStatus.CANCELED, StepStatus.SCHEDULED)


@pytest.mark.parametrize("behind", [[], ["NW"]])
def test_a_replaced_order_without_its_replacement_is_refused_whole(make_house: MakeHouse, behind: list[str]) -> None:
    house = make_house()
    groups = [order(PLAIN, f"B{n}", control, at=LATER) for n, control in enumerate(behind)]
    _, answer = say(house, order(PLAIN, "A1"), together(order(PLAIN, "A1", "RP", at=LATER), *groups))
    assert code(answer) == "AE"
    assert "100" in error_of(answer)
    assert accessions(house) == ["A1"]


def test_a_started_order_is_replaced_only_by_its_filler(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    asked, told = (
        together(order(PLAIN, "A1", control, at=LATER), order(PLAIN, "A2", "RO", at=LATER)) for control in ("RP", "RU")
    )
    refused, accepted = say(house, asked, told)
    assert (code(refused), code(accepted)) == ("AE", "AA")
    assert (order_of(house, "A1").status, accessions(house)) == (StepStatus.CANCELED, ["A2"])


def test_several_groups_are_several_exams_each_with_its_time_and_its_line(make_house: MakeHouse) -> None:
    house = make_house()
    message = together(
        order(PLAIN, "A1", start="20260302101500"), order(PLAIN, "A2", start="20260303143000"), version="2.5.1"
    )
    (answer,) = say(house, message)
    starts = {
        item.AccessionNumber: (
            item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate,
            item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime,
        )
        for item in worklist_of(house)
    }
    assert starts == {"A1": ("20260302", "101500"), "A2": ("20260303", "143000")}
    assert said_of_groups(answer) == {"ORC^1": "order created", "ORC^2": "order created"}


def test_before_2_5_the_groups_lines_stand_in_the_text_of_the_answer(make_house: MakeHouse) -> None:
    (answer,) = say(make_house(), together(order(PLAIN, "A1"), order(PLAIN, "A2")))
    assert "MSA|AA|" in answer.decode()
    assert "ORC[1] order created; ORC[2] order created" in answer.decode()


def test_one_bad_group_takes_the_whole_message_with_it(make_house: MakeHouse) -> None:
    house = make_house()
    (answer,) = say(house, together(order(PLAIN, "A1"), order(PLAIN, "A2", "XO"), version="2.5.1"))
    assert code(answer) == "AE"
    assert "|ORC^2^2^1|204^" in error_of(answer)
    with house.store.read() as tx:
        assert orders.by_accession(tx, "A1") == []


def test_two_procedures_may_share_an_accession_number(make_house: MakeHouse) -> None:
    house = make_house()
    second = (
        order(PLAIN, "A1").replace(b"PA1^", b"PB1^").replace(b"FA1^", b"FB1^").replace(b"|A1|A1|A1|", b"|A1|R2|S2|")
    )
    answers = say(house, order(PLAIN, "A1"), second)
    assert [code(answer) for answer in answers] == ["AA", "AA"]
    items = worklist_of(house)
    assert sorted(item.RequestedProcedureID for item in items) == ["A1", "R2"]
    assert {item.StudyInstanceUID for item in items} == {study_uid("A1")}


def test_parts_of_an_order_are_exams_of_their_own_and_the_parent_is_none(make_house: MakeHouse) -> None:
    house = make_house()
    message = together(
        order(PLAIN, "A1", "PA", at=LATER), order(PLAIN, "A2", "CH", at=LATER), order(PLAIN, "A3", "CH", at=LATER)
    )
    _, answer = say(house, order(PLAIN, "A1"), message)
    assert code(answer) == "AA"
    parent = order_of(house, "A1")
    assert accessions(house) == ["A2", "A3"]
    assert [order_of(house, accession).parent_key for accession in ("A2", "A3")] == [parent.key, parent.key]


def test_a_child_that_comes_alone_names_its_parent(make_house: MakeHouse) -> None:
    house = make_house()
    child = order(PLAIN, "A2", "CH", at=LATER).replace(b"||^^^2026", b"||^^^2026")
    fields = child.decode().split("\r")
    at = next(n for n, line in enumerate(fields) if line.startswith("ORC"))
    orc = fields[at].split("|")
    orc[8] = "PA1&RIVEHR^FA1&RIVRIS"
    fields[at] = "|".join(orc)
    say(house, order(PLAIN, "A1"), "\r".join(fields).encode())
    assert order_of(house, "A2").parent_key == order_of(house, "A1").key


def test_a_number_assigned_later_is_found_by_the_other_one(make_house: MakeHouse) -> None:
    house = make_house()
    without = order(PLAIN, "A1").replace(b"|FA1^RIVRIS|", b"||")
    answers = say(house, without, order(PLAIN, "A1", "NA", at=LATER), order(PLAIN, "A1", "SS", at=LATER_STILL))
    assert [code(answer) for answer in answers] == ["AA", "AA", "AA"]
    assert order_of(house, "A1").filler_order_number.value == "FA1"
    with house.store.read() as tx:
        assert len(orders.by_accession(tx, "A1")) == 1


def test_a_number_for_an_order_that_nobody_placed_makes_it(make_house: MakeHouse) -> None:
    house = make_house()
    (answer,) = say(house, order(PLAIN, "A1", "SN"))
    assert (code(answer), accessions(house)) == ("AA", ["A1"])


def test_a_status_request_is_answered_and_changes_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    before = order(PLAIN, "A1"), order(PLAIN, "A1", "HD", at=LATER)
    *_, answer = say(house, *before, together(order(PLAIN, "A1", "SS", at=LATER_STILL), version="2.5.1"))
    assert code(answer) == "AA"
    assert "order status HD: held" in answer.decode()
    assert states_of(house, "A1") == ["HELD"]


@pytest.mark.parametrize("control", ["OK", "UA", "CR", "RE", "PR", "LI", "UN", "OP"])
def test_what_has_no_effect_is_accepted_and_says_so(make_house: MakeHouse, control: str) -> None:
    house = make_house()
    (answer,) = say(house, together(order(PLAIN, "A1", control), version="2.5.1"))
    assert code(answer) == "AA"
    assert f"{control} has no effect here" in answer.decode()
    with house.store.read() as tx:
        assert orders.by_accession(tx, "A1") == []


def test_a_pair_outside_the_table_is_refused_at_the_order_control(make_house: MakeHouse) -> None:
    (answer,) = say(make_house(), together(order(PLAIN, "A1", "CA", status="ER"), version="2.5.1"))
    assert code(answer) == "AE"
    assert "|ORC^1^1^1|101^" in error_of(answer)


@pytest.mark.parametrize("control", ["CA", "XO", "DC", "HD", "RL", "SC", "SS", "NA"])
def test_what_speaks_of_an_order_nobody_placed_is_refused(make_house: MakeHouse, control: str) -> None:
    (answer,) = say(make_house(), order(PLAIN, "A1", control))
    assert code(answer) == "AE"
    assert "204" in error_of(answer)


def test_an_order_does_not_move_to_another_patient_under_a_study_that_stays(make_house: MakeHouse) -> None:
    house = make_house()
    second = (
        order(PLAIN, "A1").replace(b"PA1^", b"PB1^").replace(b"FA1^", b"FB1^").replace(b"|A1|A1|A1|", b"|A1|R2|S2|")
    )
    *_, answer = say(house, order(PLAIN, "A1"), second, order(NEAR_TWIN, "A1", "XO", at=LATER))
    assert code(answer) == "AE"
    assert "205" in error_of(answer)


def test_a_cancellation_that_names_another_patient_warns(make_house: MakeHouse) -> None:
    house = make_house()
    *_, answer = say(house, order(PLAIN, "A1"), together(order(MERGED, "A1", "CA", at=LATER), version="2.5.1"))
    assert code(answer) == "AA"
    assert "the order is another patient's than the message names" in answer.decode()


def receive(house: House, accession: str, **kwargs: str) -> None:
    house.instances.receive(spooled(house, image(PLAIN, accession, **kwargs)))


def test_images_start_the_exam_and_then_no_cancellation_is_taken(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    receive(house, "A1")
    assert states_of(house, "A1") == ["STARTED"]
    assert "Exam started: its first image has come" in timeline_of(house, "A1")
    (answer,) = say(house, order(PLAIN, "A1", "CA", at=LATER))
    assert "the exam has started" in answer.decode()


def test_images_that_came_first_start_the_exam_when_its_order_comes(make_house: MakeHouse) -> None:
    house = make_house()
    receive(house, "A1")
    say(house, order(PLAIN, "A1"))
    assert states_of(house, "A1") == ["STARTED"]


def test_images_of_a_cancelled_order_do_not_revive_it(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "CA", at=LATER))
    receive(house, "A1")
    assert states_of(house, "A1") == ["CANCELED"]


def test_a_final_report_completes_what_was_on_hold(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "HD", at=LATER), report(PLAIN, "A1"))
    assert states_of(house, "A1") == ["COMPLETED"]


def test_a_step_that_a_change_no_longer_lists_is_taken_away_while_it_waits(make_house: MakeHouse) -> None:
    house = make_house()
    second = order(PLAIN, "A1").replace(b"|A1|A1|A1|", b"|A1|A1|A1B|")
    (answer,) = say(house, together(order(PLAIN, "A1"), second, version="2.5.1"))
    assert said_of_groups(answer)["ORC^2"] == "order created, with ORC[1]: a step of the same procedure"
    assert len(worklist_of(house)) == 2
    say(house, order(PLAIN, "A1", "XO", at=LATER))
    assert states_of(house, "A1") == ["SCHEDULED", "CANCELED"]
    assert len(worklist_of(house)) == 1


def test_one_of_two_steps_may_be_performed_and_the_order_cancelled_for_the_rest(make_house: MakeHouse) -> None:
    house = make_house()
    second = order(PLAIN, "A1").replace(b"|A1|A1|A1|", b"|A1|A1|A1B|")
    say(house, together(order(PLAIN, "A1"), second))
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    (answer,) = say(house, order(PLAIN, "A1", "CA", at=LATER))
    assert code(answer) == "AA"
    assert states_of(house, "A1") == ["COMPLETED", "CANCELED"]
    assert order_of(house, "A1").status == StepStatus.COMPLETED
