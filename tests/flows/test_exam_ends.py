"""An exam whose device says nothing of its end: by rest, by our giving up, by whose its images are. On both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.flows.link_exam import ExamLinks
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import events, orders, patients, performed, step_changes, studies
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.flows.asking import say, sent, worklist_of
from tests.flows.test_orders import cast_mpps

MakeHouse = Callable[..., House]
QUIET = timedelta(seconds=20)
IDLE = timedelta(minutes=60)


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)), fhir={})
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def receive(house: House, *numbers: int, accession: str = "A1") -> None:
    for number in numbers:
        house.instances.receive(spooled(house, image(PLAIN, accession, number), "CT1"))


def wait(house: House, time: timedelta) -> None:
    """Let time pass, and whoever watches the exams look at all that is due."""
    assert isinstance(house.clock, FixedClock)
    house.clock.at += time
    while house.exam_watch.work():
        pass


def states(house: House, order_key: int = 1) -> list[str]:
    with house.store.read() as tx:
        return [step.status.value for step in orders.steps_of(tx, order_key)]


def told(house: House, order_key: int = 1) -> list[str]:
    with house.store.read() as tx:
        return [line.what for line in events.timeline(tx, [order_key], [])]


def create(house: House, uid: str = "2.25.77", accession: str = "A1") -> None:
    house.performed_steps.create(uid, sent(cast_mpps(accession)), "CT1")


def test_images_that_rest_complete_an_exam_of_which_no_device_reports(house: House) -> None:
    receive(house, 1, 2)
    assert states(house) == ["STARTED"]
    wait(house, QUIET - timedelta(seconds=1))
    assert states(house) == ["STARTED"]
    wait(house, timedelta(seconds=1))
    assert states(house) == ["COMPLETED"]
    assert told(house)[-1] == "Exam completed: no new image for 20 s, no MPPS"
    assert worklist_of(house) == []


def test_each_new_image_is_waited_for_again(house: House) -> None:
    receive(house, 1)
    for number in (2, 3, 4):
        wait(house, QUIET - timedelta(seconds=5))
        receive(house, number)
    assert states(house) == ["STARTED"]
    wait(house, QUIET)
    assert states(house) == ["COMPLETED"]


def test_an_open_performed_step_is_waited_for_and_its_end_completes_the_exam(house: House) -> None:
    create(house)
    receive(house, 1)
    wait(house, QUIET * 3)
    assert states(house) == ["STARTED"]
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    assert states(house) == ["COMPLETED"]
    wait(house, QUIET)
    assert [line for line in told(house) if "no MPPS" in line] == []


def test_a_performed_step_left_open_is_given_up_and_its_images_complete_the_exam(house: House) -> None:
    create(house)
    receive(house, 1)
    wait(house, IDLE - timedelta(minutes=1))
    receive(house, 2)
    wait(house, IDLE - timedelta(minutes=1))
    assert states(house) == ["STARTED"], "an image is a sign of life"
    wait(house, timedelta(minutes=1))
    assert states(house) == ["COMPLETED"]
    assert told(house)[-1].startswith("Exam completed: CT1 left its MPPS open and said nothing for 60 minutes")


def test_a_performed_step_left_open_without_an_image_is_for_a_person_to_say(house: House) -> None:
    create(house)
    wait(house, IDLE)
    assert states(house) == ["STARTED"]
    assert told(house)[-1].endswith("a person must say what became of the exam")


def test_a_device_that_was_given_up_may_still_say_how_it_ended(house: House) -> None:
    create(house)
    wait(house, IDLE)
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "DISCONTINUED")), "CT1")
    assert states(house) == ["DISCONTINUED"]
    with house.store.read() as tx:
        found = performed.by_uid(tx, "2.25.77")
    assert found is not None
    assert found.timed_out_at is None


def test_of_several_steps_only_those_end_that_the_images_name(house: House) -> None:
    second = order(PLAIN, "A2").replace(b"|A2|A2|A2|", b"|A2|A2|A2B|")
    body = second.split(b"\rORC")[1]
    say(house, order(PLAIN, "A2").rstrip(b"\r") + b"\rORC" + body)
    assert len(states(house, 2)) == 2
    named = image(PLAIN, "A2")
    item = type(named)()
    item.ScheduledProcedureStepID, item.RequestedProcedureID, item.AccessionNumber = "A2B", "A2", "A2"
    named.RequestAttributesSequence = [item]
    house.instances.receive(spooled(house, named, "CT1"))
    wait(house, QUIET)
    assert states(house, 2) == ["SCHEDULED", "COMPLETED"]


def test_a_study_that_nobody_has_bound_completes_nothing(house: House) -> None:
    house.instances.receive(spooled(house, image(STRANGER, "A1"), "CT1"))
    wait(house, QUIET)
    assert states(house) == ["SCHEDULED"]


def test_late_images_are_noted_once_they_rest(house: House) -> None:
    receive(house, 1, 2)
    wait(house, QUIET)
    receive(house, 3, 4, 5)
    wait(house, QUIET)
    assert states(house) == ["COMPLETED"]
    assert told(house)[-1] == "3 more images came after the exam had ended, 5 are here now"
    wait(house, QUIET)
    assert len([line for line in told(house) if "came after" in line]) == 1


def test_why_a_step_changed_without_a_word_of_its_device_is_kept(house: House) -> None:
    receive(house, 1)
    wait(house, QUIET)
    with house.store.read() as tx:
        changes = step_changes.of_order(tx, 1)
    assert [(one.was.value, one.status.value, one.cause.value) for one in changes] == [
        ("SCHEDULED", "STARTED", "images"),
        ("STARTED", "COMPLETED", "quiet"),
    ]


def test_only_one_node_looks_and_another_takes_over_when_it_is_gone(house: House, make_house: MakeHouse) -> None:
    other = make_house(house.clock, fhir={})
    receive(house, 1)
    assert house.exam_watch.work(), "it was looked at, and put off"
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(seconds=10)
    receive(house, 2, accession="A1")
    house.clock.at += timedelta(seconds=4)
    assert not other.exam_watch.work()
    house.clock.at += QUIET
    while other.exam_watch.work():
        pass
    assert states(house) == ["COMPLETED"], "what is due survives the node that was watching"


def test_two_nodes_that_look_at_once_complete_an_exam_once(house: House, make_house: MakeHouse) -> None:
    other = make_house(house.clock, fhir={})
    receive(house, 1)
    assert isinstance(house.clock, FixedClock)
    house.clock.at += QUIET
    threads = [threading.Thread(target=one.exam_watch.work) for one in (house, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait(house, timedelta(seconds=30))
    assert [line for line in told(house) if line.startswith("Exam completed")] == [
        "Exam completed: no new image for 20 s, no MPPS"
    ]


def test_an_exam_that_names_no_order_follows_the_order_its_images_are_bound_to(house: House) -> None:
    uid = "2.25.4711"
    attributes = cast_mpps("NONE")
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = uid
    attributes.PatientID = PLAIN.patient_id
    house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    assert "names no order: it may be this one" in told(house)[-1]
    assert states(house) == ["SCHEDULED"], "patient, modality and day are no proof"
    house.instances.receive(spooled(house, image(PLAIN, "A1", study=uid), "CT1"))
    with house.store.read() as tx:
        study = studies.by_uid(tx, uid)
        found = performed.by_uid(tx, "2.25.77")
    assert study is not None
    assert study.order_key == 1
    assert found is not None
    assert found.step_keys == (1,)
    house.performed_steps.set("2.25.77", sent(cast_mpps("NONE", "COMPLETED")), "CT1")
    assert states(house) == ["COMPLETED"]


def test_a_bare_number_of_two_authorities_proposes_nobody_s_order(house: House) -> None:
    with house.store.write() as tx:
        stranger = patients.get(tx, 2)
        patients.save(
            tx, replace(stranger, identifiers=(PatientIdentifier(PLAIN.patient_id, "MERCY"),)), house.clock.now()
        )
    house.performed_steps.create("2.25.76", sent(by_accession("NONE", PLAIN.patient_id)), "CT1")
    assert not any("it may be this one" in line for line in told(house))
    house.performed_steps.create("2.25.77", sent(by_accession("NONE", PLAIN.patient_id, "RIVERSIDE")), "CT1")
    assert any("it may be this one" in line for line in told(house))


def test_an_exam_goes_with_its_images_to_another_order(house: House) -> None:
    say(house, order(PLAIN, "A2"))
    uid = "2.25.4711"
    attributes = cast_mpps("NONE")
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = uid
    house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    house.instances.receive(spooled(house, image(PLAIN, "A1", study=uid), "CT1"))
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(uid, Ruling("bind", "wrong order", "user:kim", accession_number="A2"))
    with house.store.read() as tx:
        found = performed.by_uid(tx, "2.25.77")
    assert found is not None
    assert found.step_keys == (2,)
    assert states(house, 2) == ["STARTED"]


def test_a_person_says_of_which_order_an_exam_was(house: House) -> None:
    attributes = cast_mpps("NONE")
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = "2.25.4711"
    house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    ExamLinks(house.store, house.clock, house.destinations).link("2.25.77", 1, "user:kim", "she was the only one")
    assert states(house) == ["STARTED"]
    assert "A person says that the exam was of this order: she was the only one" in told(house)


def test_one_exam_of_two_orders_moves_both(house: House) -> None:
    say(house, order(PLAIN, "A2"))
    attributes = cast_mpps("A1")
    attributes.ScheduledStepAttributesSequence.append(cast_mpps("A2").ScheduledStepAttributesSequence[0])
    house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    assert states(house) + states(house, 2) == ["STARTED", "STARTED"]
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    assert states(house) + states(house, 2) == ["COMPLETED", "COMPLETED"]


def test_a_step_named_by_accession_and_procedure_is_found_under_another_study(house: House) -> None:
    attributes = cast_mpps("A1")
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = study_uid("A9")
    house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    assert states(house) == ["STARTED"]


def by_accession(accession: str, patient_id: str = "", issuer: str = "") -> Dataset:
    """A device that typed a number in: its study is its own."""
    attributes = cast_mpps(accession)
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = study_uid("A9")
    attributes.PatientID, attributes.IssuerOfPatientID = patient_id, issuer
    return attributes


def test_an_accession_number_of_two_authorities_leads_to_the_order_of_the_patient_who_was_named(house: House) -> None:
    say(house, order(STRANGER, "A2"))
    with house.store.write() as tx:
        theirs = replace(orders.get(tx, 2), accession_number="A1", issuer_of_accession_number="MERCY")
        orders.save(tx, replace(theirs, requested_procedure_id="A1"), house.clock.now())
        orders.save_step(tx, replace(orders.steps_of(tx, 2)[0], scheduled_procedure_step_id="A1"))
    house.performed_steps.create("2.25.76", sent(by_accession("A1")), "CT1")
    assert states(house) + states(house, 2) == ["SCHEDULED", "SCHEDULED"], "either may be meant"
    house.performed_steps.create("2.25.77", sent(by_accession("A1", PLAIN.patient_id)), "CT1")
    assert states(house) + states(house, 2) == ["STARTED", "SCHEDULED"]


@pytest.mark.parametrize(("patient_id", "issuer"), [(STRANGER.patient_id, ""), (PLAIN.patient_id, "MERCY")])
def test_an_accession_number_beside_another_patient_s_number_moves_nothing(
    house: House, patient_id: str, issuer: str
) -> None:
    house.performed_steps.create("2.25.77", sent(by_accession("A1", patient_id, issuer)), "CT1")
    assert states(house) == ["SCHEDULED"]


def test_what_a_device_leaves_behind_the_nul_that_ends_a_value_is_no_part_of_it(house: House) -> None:
    attributes = cast_mpps("A1")
    attributes.PatientID, attributes.PerformedProcedureStepID = f"{PLAIN.patient_id}\0old", "1\x002"
    house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    with house.store.read() as tx:
        found = performed.by_uid(tx, "2.25.77")
    assert found is not None
    assert (found.patient_id, found.performed_procedure_step_id) == (PLAIN.patient_id, "1")
    assert states(house) == ["STARTED"]


@pytest.mark.parametrize("day", ["00010101", "99991231"])
def test_an_exam_at_either_end_of_the_calendar_is_kept(house: House, day: str) -> None:
    attributes = by_accession("NONE", PLAIN.patient_id)
    attributes.PerformedProcedureStepStartDate = day
    house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    with house.store.read() as tx:
        assert performed.by_uid(tx, "2.25.77") is not None


def test_a_device_that_speaks_again_after_it_was_given_up_on_is_given_up_on_again(house: House) -> None:
    create(house)
    wait(house, IDLE)
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "")), "CT1")
    receive(house, 1)
    wait(house, QUIET)
    assert states(house) == ["STARTED"], "it is open again"
    wait(house, IDLE)
    assert states(house) == ["COMPLETED"]


def rebind(house: House, accession: str) -> None:
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling("bind", "hers", "user:kim", accession_number=accession))


@pytest.mark.parametrize("rests", [False, True])
def test_an_exam_that_only_another_s_images_began_or_ended_waits_again(house: House, rests: bool) -> None:
    say(house, order(PLAIN, "A2"))
    receive(house, 1)
    wait(house, QUIET if rests else timedelta())
    assert states(house) == ["COMPLETED" if rests else "STARTED"]
    rebind(house, "A2")
    assert states(house) + states(house, 2) == ["SCHEDULED", "STARTED"]
    assert told(house)[-1] == "Its images are another exam's: back on the worklist"
    assert {str(item.AccessionNumber) for item in worklist_of(house)} == {"A1", "A2"}
    wait(house, QUIET)
    assert states(house) + states(house, 2) == ["SCHEDULED", "COMPLETED"]


@pytest.mark.parametrize("action", ["unbind", "reject"])
def test_an_exam_whose_images_a_person_takes_away_waits_again_until_they_are_given_back(
    house: House, action: str
) -> None:
    receive(house, 1)
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling(action, "another patient's", "user:kim"))
    assert states(house) == ["SCHEDULED"]
    assert told(house)[-1] == "A person took its images away from it: back on the worklist"
    if action == "unbind":
        rebind(house, "A1")
        assert states(house) == ["STARTED"]


def test_an_exam_whose_images_a_rule_holds_goes_on(house: House) -> None:
    receive(house, 1)
    house.instances.receive(spooled(house, image(STRANGER, "A1", 2), "CT1"))
    assert states(house) == ["STARTED"]


def test_an_exam_that_its_device_reported_stands_though_its_images_are_another_s(house: House) -> None:
    say(house, order(PLAIN, "A2"))
    create(house)
    receive(house, 1)
    house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    rebind(house, "A2")
    assert states(house) == ["COMPLETED"]
    assert told(house)[-1] == "Its images are another exam's: a person must say whether this one was done"
