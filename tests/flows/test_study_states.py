"""Each row of the table of a study's states: what a fact or a person makes of it, and what may leave then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import Study, StudyState
from bridge.flows.resolve_mismatch import Ruling
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import cross_references, decisions, orders, overlays, patients
from bridge.store.decisions import Decision
from bridge.store.tables import mismatches
from bridge.wiring import House
from tests.cast import MERGED, NEAR_TWIN, PLAIN, STRANGER, Person, adt, image, merge, order, renamed, study_uid
from tests.flows.asking import say, sent, study_by_uid, study_of
from tests.flows.registration import mrg, tell
from tests.flows.test_images import receive, resolver, states
from tests.flows.test_orders import cast_mpps
from tests.flows.test_rejections import note, shown
from tests.flows.test_splits import mixed, split

DOE = renamed(MERGED, "DOE^JOHN", "19700101")
NEW_NUMBER = Person("00041099", "", "", "")
LATER = "20260302110000"
OLD_FILM = "2.25.4711"
Act = Callable[[House], object]


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """A house that knows the cast, and an order of PLAIN's."""
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(NEAR_TWIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def pass_minute(house: House) -> None:
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(minutes=1)


def find(house: House, uid: str = OLD_FILM) -> Study:
    return study_by_uid(house.store, uid)


def chart(house: House) -> list[str]:
    """Return how the deliveries to the chart stand."""
    return [state for topic, state in states(house) if topic == "imaging_study"]


def owner(house: House, study: Study) -> str:
    """Return the number of whom a study is bound to."""
    assert study.patient_key is not None
    with house.store.read() as tx:
        return patients.get(tx, study.patient_key).primary.patient_id


def history(house: House, study: Study) -> list[Decision]:
    """Return a study's decisions, oldest first."""
    with house.store.read() as tx:
        return decisions.of_study(tx, study.key)[::-1]


def waits(house: House) -> list[bool]:
    """Return, for each case, whether it is open."""
    with house.store.read() as tx:
        return [row.closed_at is None for row in tx.execute(mismatches.select().order_by(mismatches.c.key))]


def rule(house: House, action: str, accession: str = "", person: Person | None = None, uid: str = "") -> Study:
    """Carry out what a person says of the study of A1."""
    whom = PatientIdentifier(person.patient_id, "RIVERSIDE") if person else None
    ruling = Ruling(action, "looked again", "user:maria", accession_number=accession, patient=whom)
    wanted = uid or study_uid("A1")
    resolver(house).resolve(wanted, ruling)
    return find(house, wanted)


def bound(house: House) -> Study:
    receive(house, image(PLAIN, "A1", 1))
    study = study_of(house, "A1")
    assert study.is_bound
    return study


def held(house: House) -> Study:
    """Bind a study and hold it: a device picked the wrong entry."""
    bound(house)
    stop(house)
    study = study_of(house, "A1")
    assert study.held_from_patient_key is not None
    return study


def stop(house: House, reason: str = "110514") -> None:
    """Say by MPPS that the exam of A1 was begun and given up."""
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    given_up = cast_mpps("A1", "DISCONTINUED")
    said = Dataset()
    said.CodeValue, said.CodingSchemeDesignator, said.CodeMeaning = reason, "DCM", "reason"
    given_up.PerformedProcedureStepDiscontinuationReasonCodeSequence = [said]
    house.performed_steps.set("2.25.77", sent(given_up), "CT1")


def with_accession(accession: str, number: int = 2) -> Dataset:
    found = image(PLAIN, "A1", number)
    found.AccessionNumber = accession
    return found


def test_new_is_decided_on_the_first_instance_and_each_later_one_is_held_against_that(house: House) -> None:
    first = bound(house)
    receive(house, image(PLAIN, "A1", 2))
    assert study_of(house, "A1").binding_version == first.binding_version
    receive(house, image(STRANGER, "A1", 3))
    assert study_of(house, "A1").state == StudyState.REVIEW


LATE = Person("00049999", "LINDQVIST^ASTRID", "19470223", "F")
FORMER = Person("00049998", LATE.name, LATE.birth_date, LATE.sex)
SAYS_LATE = image(LATE, "", study=OLD_FILM)
SAYS_FORMER = image(FORMER, "", study=OLD_FILM)
RENUMBERED = tell("A47", f"PID|1||{LATE.patient_id}^^^RIVERSIDE^MR", mrg(FORMER), at="20260302113000")
FACTS: dict[str, tuple[Dataset, tuple[bytes, ...]]] = {
    **{trigger: (SAYS_LATE, (adt(LATE, trigger, at=LATER),)) for trigger in ("A01", "A04", "A05", "A08", "A28", "A31")},
    "A40": (SAYS_FORMER, (adt(LATE, at=LATER), merge(LATE, FORMER, at="20260302113000"))),
    "A47": (SAYS_LATE, (adt(FORMER, at=LATER), RENUMBERED)),
    "NW": (image(None, "A9", study=OLD_FILM), (order(PLAIN, "A9", at=LATER),)),
    "XO": (image(PLAIN, "B1", study=OLD_FILM), (order(PLAIN, "B1", "XO", at=LATER),)),
}


@pytest.mark.parametrize("fact", FACTS)
def test_undecided_is_decided_again_by_a_fact_and_the_case_closes_with_the_rule_that_did(
    house: House, fact: str
) -> None:
    arrived, messages = FACTS[fact]
    if fact == "NW":
        arrived.PatientName, arrived.PatientBirthDate, arrived.PatientSex = PLAIN.name, PLAIN.birth_date, "F"
    say(house, order(STRANGER, "B1"))
    receive(house, arrived)
    assert (find(house).is_bound, waits(house)) == (False, [True])
    say(house, *messages)
    after = find(house)
    assert after.is_bound, after.sentence
    assert after.decided_by == after.rule
    assert waits(house) == [False]


def test_undecided_is_decided_again_by_mpps(house: House) -> None:
    receive(house, image(renamed(PLAIN, NEAR_TWIN.name), "A1"))
    before = study_of(house, "A1")
    assert not before.is_bound
    stop(house)
    after = study_of(house, "A1")
    assert (after.is_bound, before.rule != "V03", after.rule) == (False, True, "V03")


def test_undecided_is_decided_again_by_more_instances(house: House) -> None:
    receive(house, image(renamed(PLAIN, NEAR_TWIN.name), "A1"))
    before = study_of(house, "A1")
    receive(house, image(STRANGER, "A1", 2))
    after = study_of(house, "A1")
    assert (after.is_bound, before.rule != "V02", after.rule) == (False, True, "V02")


def test_undecided_is_bound_by_the_coordinator_and_the_foreign_number_is_learned(house: House) -> None:
    foreign = image(PLAIN, "", study=OLD_FILM)
    foreign.PatientID, foreign.IssuerOfPatientID = "S-77", "SUMMIT"
    receive(house, foreign)
    assert not find(house).is_bound
    after = rule(house, "bind", person=PLAIN, uid=OLD_FILM)
    assert (after.is_bound, after.is_decided_by_person, after.decided_by) == (True, True, "user:maria")
    assert (chart(house), waits(house)) == (["pending"], [False])
    with house.store.read() as tx:
        learned = cross_references.of_number(tx, PatientIdentifier("S-77", "SUMMIT"))
    assert [one.source for one in learned] == ["user:maria"]


def test_undecided_is_closed_by_the_coordinator_and_no_fact_publishes_it(house: House) -> None:
    receive(house, SAYS_LATE)
    rule(house, "reject", uid=OLD_FILM)
    say(house, adt(LATE, at=LATER))
    after = find(house)
    assert (after.is_bound, after.closed_reason, waits(house)) == (False, "looked again", [False])
    assert chart(house) == ["held"]


def test_undecided_is_split_by_the_coordinator_and_each_part_is_decided_by_itself(house: House) -> None:
    mixed(house)
    part = split(house)
    assert (owner(house, study_of(house, "A1")), owner(house, part)) == (PLAIN.patient_id, STRANGER.patient_id)


@pytest.mark.parametrize("trigger", ["A40", "A47"])
def test_bound_follows_its_patient_to_the_survivor(house: House, trigger: str) -> None:
    say(house, adt(DOE), order(DOE, "D1"))
    receive(house, image(DOE, "D1"))
    assert owner(house, study_of(house, "D1")) == DOE.patient_id
    moved = merge(STRANGER, DOE, at=LATER) if trigger == "A40" else tell("A47", NEW_NUMBER.pid, mrg(DOE), at=LATER)
    say(house, moved)
    after = study_of(house, "D1")
    assert owner(house, after) == (STRANGER if trigger == "A40" else NEW_NUMBER).patient_id
    assert (after.is_bound, set(chart(house))) == (True, {"pending"})


@pytest.mark.parametrize("trigger", ["A08", "A31"])
def test_bound_is_refreshed_and_never_unbound_by_demographics(house: House, trigger: str) -> None:
    before = bound(house)
    say(house, adt(renamed(PLAIN, "HALVORSEN^INGRID^MARIA"), trigger, at=LATER))
    after = study_of(house, "A1")
    assert (after.is_bound, after.patient_key) == (True, before.patient_key)
    with house.store.read() as tx:
        assert overlays.current(tx, after).values["PatientName"] == "HALVORSEN^INGRID^MARIA"


def test_bound_without_an_order_takes_the_order_that_arrives(house: House) -> None:
    say(house, order(PLAIN, "A1", "CA", at=LATER))
    receive(house, image(PLAIN, "A7"))
    before = study_of(house, "A7")
    assert (before.is_bound, before.order_key) == (True, None)
    say(house, order(PLAIN, "A7", at=LATER))
    after = study_of(house, "A7")
    assert (after.patient_key, order_of(house, after)) == (before.patient_key, "A7")


def order_of(house: House, study: Study) -> str:
    assert study.order_key is not None
    with house.store.read() as tx:
        return orders.get(tx, study.order_key).accession_number


def test_bound_whose_order_is_cancelled_takes_the_one_replacement(house: House) -> None:
    receive(house, image(PLAIN, "A1"))
    say(house, order(PLAIN, "A1", "OC", at=LATER), order(PLAIN, "A2", at="20260302110100"))
    after = study_of(house, "A1")
    assert (after.is_bound, order_of(house, after)) == (True, "A2")


def undo_merge(house: House) -> None:
    MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(1, "two people", "user:maria")


def safety(title: str) -> Act:
    return lambda house: receive(house, note(title, image(PLAIN, "A1", 1)))


DOUBTS: dict[str, Act] = {
    "XO moves the order to another patient": lambda house: say(house, order(STRANGER, "A1", "XO", at=LATER)),
    "MPPS discontinued with 110514": stop,
    "rejection note 113037": safety("113037"),
    "rejection note 113038": safety("113038"),
    "an instance that names another patient": lambda house: receive(house, image(STRANGER, "A1", 2)),
    "V06 newly true by a key": lambda house: (
        receive(house, with_accession("B1")),
        say(house, order(STRANGER, "B1", at=LATER)),
    ),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_bound_is_held_and_withdrawn_at_once(house: House, doubt: str) -> None:
    before = bound(house)
    DOUBTS[doubt](house)
    after = study_of(house, "A1")
    assert (after.state, after.held_from_patient_key) == (StudyState.REVIEW, before.patient_key)
    assert (set(chart(house)), waits(house)) == ({"held"}, [True])
    assert history(house, after)[-1].outcome == "REVIEW"


@pytest.mark.parametrize("how", ["A37", "a person"])
def test_bound_is_held_when_the_merge_it_rested_on_is_undone(house: House, how: str) -> None:
    mixed_up = renamed(PLAIN, DOE.name, DOE.birth_date)
    say(house, adt(DOE))
    receive(house, image(mixed_up, "", study=OLD_FILM))
    pass_minute(house)
    say(house, merge(PLAIN, DOE))
    before = find(house)
    assert before.is_bound
    pass_minute(house)
    if how == "A37":
        say(house, tell("A37", PLAIN.pid, "PV1|1|O", DOE.pid, at="20260302120000"))
    else:
        undo_merge(house)
    after = find(house)
    assert (after.is_bound, after.held_from_patient_key) == (False, before.patient_key)


def test_bound_is_not_held_by_a_strangers_registration(house: House) -> None:
    before = bound(house)
    say(house, adt(Person("00041077", PLAIN.name, PLAIN.birth_date, "F"), at=LATER))
    after = study_of(house, "A1")
    assert (after.is_bound, after.patient_key) == (True, before.patient_key)


def test_held_is_published_again_when_the_coordinator_keeps_it(house: House) -> None:
    before = held(house)
    after = rule(house, "bind", "A1")
    assert (after.is_decided_by_person, after.patient_key) == (True, before.held_from_patient_key)
    assert set(chart(house)) == {"pending"}


def test_held_is_bound_again_to_whom_the_coordinator_finds(house: House) -> None:
    before = held(house)
    after = rule(house, "bind", person=STRANGER)
    assert (after.is_bound, owner(house, after)) == (True, STRANGER.patient_id)
    assert after.binding_version > before.binding_version


def test_held_is_bound_again_to_whom_a_rule_finds_and_never_to_whom_it_was_held_from(house: House) -> None:
    namesake = Person("00041077", PLAIN.name, PLAIN.birth_date, PLAIN.sex)
    say(house, adt(namesake), order(PLAIN, "B1"))
    receive(house, image(Person("", PLAIN.name, PLAIN.birth_date, PLAIN.sex), "B1", study=OLD_FILM))
    assert owner(house, find(house)) == PLAIN.patient_id
    version = find(house).binding_version
    say(house, order(namesake, "B1", "XO", at=LATER))
    after = find(house)
    assert [one.outcome for one in history(house, after)][1:-1] == ["REVIEW"]
    assert (owner(house, after), after.decided_by) == (namesake.patient_id, "B02")
    assert after.binding_version > version


def test_bound_by_a_person_follows_a_merge_and_is_held_but_never_bound_to_another_by_a_rule(house: House) -> None:
    say(house, adt(DOE))
    receive(house, image(renamed(PLAIN, NEAR_TWIN.name), "", study=OLD_FILM))
    rule(house, "bind", person=DOE, uid=OLD_FILM)
    say(house, adt(renamed(PLAIN, NEAR_TWIN.name), "A08", at=LATER), order(PLAIN, "A9", at=LATER))
    assert owner(house, find(house)) == DOE.patient_id
    say(house, merge(STRANGER, DOE, at=LATER))
    after = find(house)
    assert (owner(house, after), after.is_decided_by_person) == (STRANGER.patient_id, True)


def test_bound_by_a_person_is_held_by_a_signal(house: House) -> None:
    receive(house, image(renamed(PLAIN, NEAR_TWIN.name), "A1"))
    assert rule(house, "bind", "A1").is_decided_by_person
    stop(house)
    after = study_of(house, "A1")
    assert (after.is_bound, after.rule) == (False, "V03")


def test_any_decision_that_a_person_takes_back_is_superseded_and_nothing_is_deleted(house: House) -> None:
    receive(house, image(renamed(PLAIN, NEAR_TWIN.name), "A1"))
    before = study_of(house, "A1")
    rule(house, "bind", "A1")
    after = rule(house, "unbind")
    assert (after.is_bound, after.state) == (False, before.state)
    assert set(chart(house)) == {"held"}
    assert [one.actor for one in history(house, after)] == [before.rule, "user:maria", "user:maria"]


def test_any_closing_that_a_person_takes_back_waits_again(house: House) -> None:
    receive(house, image(renamed(PLAIN, NEAR_TWIN.name), "A1"))
    before = study_of(house, "A1")
    rule(house, "reject")
    after = rule(house, "reopen")
    assert (after.state, after.rule, after.closed_reason) == (before.state, before.rule, "")
    assert len(history(house, after)) == 3


@pytest.mark.parametrize("title", ["113001", "113039"])
def test_a_note_for_quality_or_retention_withdraws_without_questioning_the_patient(house: House, title: str) -> None:
    before = bound(house)
    receive(house, note(title, image(PLAIN, "A1", 1)))
    after = study_of(house, "A1")
    assert (after.is_bound, after.patient_key, shown(house)) == (True, before.patient_key, [])


def test_an_event_out_of_order_is_applied_by_its_own_time(house: House) -> None:
    bound(house)
    say(house, adt(renamed(PLAIN, "HALVORSEN^INGRID^MARIA"), "A08", at=LATER))
    say(house, adt(renamed(PLAIN, "HALVORSEN^INGRID^OLD"), "A08", at="20260302103000"))
    after = study_of(house, "A1")
    with house.store.read() as tx:
        assert overlays.current(tx, after).values["PatientName"] == "HALVORSEN^INGRID^MARIA"


def test_the_same_events_replayed_give_the_same_decisions(make_house: Callable[..., House]) -> None:
    told = []
    for _ in range(2):
        house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
        say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "B1"))
        receive(house, image(PLAIN, "A1", 1), with_accession("B1"), image(STRANGER, "B1"))
        say(house, merge(STRANGER, PLAIN, at=LATER))
        told.append(
            [[(d.rule, d.outcome, d.sentence) for d in history(house, study_of(house, a))] for a in ("A1", "B1")]
        )
    assert told[0] == told[1]
