"""A device whose clock or prefix was wrong: its studies are tried, read again by one repair, and put back as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.building.bulk import bulk_queue
from bridge.clock import FixedClock
from bridge.domain.bulk import BulkOutcome, BulkState, Repairing
from bridge.domain.study import Study
from bridge.errors import Conflict, Incomplete
from bridge.flows.bulk_cases import BulkDesk
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import bulk_jobs, splits, studies
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.fakes.clinic import AT
from tests.flows.asking import say, study_by_uid
from tests.flows.test_splits import splitter

MARIA = "user:maria"
PREFIX: Mapping[str, Any] = {"do": "strip", "of": ["PatientID", "AccessionNumber"], "prefix": "77"}
NAMED = ("state", "rule", "sentence", "decided_by", "held_from_patient_key", "received")


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """PLAIN's and STRANGER's images wait, because CT1 writes 77 before each number; nobody knows NEAR_TWIN."""
    house = make_house(FixedClock(AT))
    say(house, adt(PLAIN), order(PLAIN, "A1"), adt(STRANGER), order(STRANGER, "A3"))
    for person, number in ((PLAIN, "A1"), (STRANGER, "A3"), (NEAR_TWIN, "A7")):
        receive(house, person, number)
    return house


def receive(house: House, person: Any, accession: str, sender: str = "CT1", number: int = 1) -> None:
    dataset = image(replace(person, patient_id=f"77{person.patient_id}"), f"77{accession}", number)
    house.instances.receive(spooled(house, dataset, sender))


def study_of(house: House, number: str) -> Study:
    return study_by_uid(house.store, study_uid(f"77{number}"))


def work(house: House, key: int) -> BulkState:
    bulk_queue(house).work()
    with house.store.read() as tx:
        return bulk_jobs.get(tx, key).state


def tried(house: House, entry: Mapping[str, Any] = PREFIX) -> int:
    repairing = Repairing("CT1", AT - timedelta(hours=1), AT + timedelta(hours=1), entry)
    key = BulkDesk(house.store, house.clock).preview(repairing, MARIA)
    assert work(house, key) == BulkState.PREVIEWED
    return key


def applied(house: House) -> int:
    key = tried(house)
    BulkDesk(house.store, house.clock).apply(key, "a wrong label roll", MARIA)
    assert work(house, key) == BulkState.APPLIED
    return key


def taken_back(house: House, key: int) -> None:
    BulkDesk(house.store, house.clock).undo(key, "it was not the labels", MARIA)
    assert work(house, key) == BulkState.UNDONE


def test_a_trial_says_what_each_would_come_to_and_changes_nothing(house: House) -> None:
    before = [study_of(house, number) for number in ("A1", "A3", "A7")]
    assert not any(one.is_bound for one in before)
    key = tried(house)
    assert [study_of(house, number) for number in ("A1", "A3", "A7")] == before
    with house.store.read() as tx:
        rows = bulk_jobs.studies_of(tx, key, 10)
    assert [row.outcome for row in rows][:2] == [BulkOutcome.CHANGED, BulkOutcome.CHANGED]
    assert [row.foreseen["outcome"].lower().startswith("bind") for row in rows] == [True, True, False]
    BulkDesk(house.store, house.clock).drop(key, MARIA)
    assert work(house, key) == BulkState.DROPPED
    assert [study_of(house, number) for number in ("A1", "A3", "A7")] == before


def test_a_trial_counts_as_changed_what_is_changed_when_it_is_applied(house: House) -> None:
    receive(house, STRANGER, "A1", number=2)
    mixed = study_of(house, "A1")
    assert mixed.rule == "V02"
    key = tried(house)
    with house.store.read() as tx:
        foreseen = {row.study_key: row.outcome for row in bulk_jobs.studies_of(tx, key, 10)}
    BulkDesk(house.store, house.clock).apply(key, "a wrong label roll", MARIA)
    work(house, key)
    with house.store.read() as tx:
        assert {row.study_key: row.outcome for row in bulk_jobs.studies_of(tx, key, 10)} == foreseen
    assert foreseen[mixed.key] == BulkOutcome.SAME


def test_a_trial_asks_of_a_part_what_a_rule_would_ask(house: House) -> None:
    receive(house, PLAIN, "A1", number=2)
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("77A1"), Ruling("bind", "her wristband", "user:ana", "A1"))
    part = splitter(house).split(study_uid("77A1"), [f"{study_uid('77A1')}.1.2"], "two on one list", MARIA)
    key = tried(house)
    with house.store.read() as tx:
        foreseen = {row.study_key: row.foreseen for row in bulk_jobs.studies_of(tx, key, 10)}
    assert foreseen[part.key]["rule"] == "V02"


def test_applied_each_is_read_again_and_decided_by_rule(house: House) -> None:
    key = applied(house)
    plain, unknown = study_of(house, "A1"), study_of(house, "A7")
    assert (plain.is_bound, plain.is_decided_by_person) == (True, False)
    assert study_of(house, "A3").is_bound
    assert not unknown.is_bound
    assert unknown.received.patient_id == NEAR_TWIN.patient_id
    assert {one.rule for one in plain.received.repairs} == {f"bulk-{key}.repair"}
    assert {one.received for one in plain.received.repairs} == {f"77{PLAIN.patient_id}", "77A1"}


def test_one_undo_puts_each_back_as_it_was(house: House) -> None:
    before = [study_of(house, number) for number in ("A1", "A3", "A7")]
    key = applied(house)
    taken_back(house, key)
    after = [study_of(house, number) for number in ("A1", "A3", "A7")]
    assert [[getattr(one, name) for name in NAMED] for one in after] == [
        [getattr(one, name) for name in NAMED] for one in before
    ]


def test_what_comes_in_that_time_is_read_so_until_it_is_taken_back(house: House) -> None:
    say(house, order(PLAIN, "A2"), order(PLAIN, "A4"))
    key = applied(house)
    receive(house, PLAIN, "A2")
    receive(house, PLAIN, "A4", "CT2")
    assert study_of(house, "A2").is_bound
    assert not study_of(house, "A4").is_bound
    taken_back(house, key)
    assert not study_of(house, "A2").is_bound
    assert study_of(house, "A2").received.repairs == ()


def test_an_image_of_a_study_that_was_just_read_otherwise_is_read_so_too(house: House) -> None:
    key = applied(house)
    receive(house, PLAIN, "A1", number=2)
    assert study_of(house, "A1").is_bound
    taken_back(house, key)
    before = study_of(house, "A1")
    receive(house, PLAIN, "A1", number=3)
    assert study_of(house, "A1").rule == before.rule != "V02"


def test_what_is_split_off_and_joined_is_read_as_its_device_is_read_by_now(house: House) -> None:
    applied(house)
    receive(house, PLAIN, "A1", number=2)
    uid = study_uid("77A1")
    new = splitter(house).split(uid, [f"{uid}.1.2"], "a trial", MARIA)
    assert new.received.patient_id == study_of(house, "A1").received.patient_id == PLAIN.patient_id
    with house.store.read() as tx:
        (made,) = splits.of_study(tx, new.key)
    splitter(house).join(made.key, "it was one", MARIA)
    assert study_of(house, "A1").received.patient_id == PLAIN.patient_id
    assert study_of(house, "A1").is_bound


def test_a_part_that_is_read_otherwise_than_its_whole_is_not_given_to_the_patient_whom_that_was_held_from(
    house: House,
) -> None:
    receive(house, PLAIN, "A1", number=2)
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("77A1"), Ruling("bind", "her wristband", "user:ana", "A1"))
    part = splitter(house).split(study_uid("77A1"), [f"{study_uid('77A1')}.1.2"], "two on one list", MARIA)
    applied(house)
    receive(house, STRANGER, "A1", "CT3", number=3)
    assert not study_of(house, "A1").is_bound
    say(house, order(PLAIN, "A8"))
    with house.store.read() as tx:
        after = studies.get(tx, part.key)
    assert (after.received.patient_id, after.is_bound, after.rule) == (PLAIN.patient_id, False, "V02")


def test_what_somebody_decided_since_stays(house: House) -> None:
    key = applied(house)
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("77A1"), Ruling("bind", "her wristband", "user:ana", "A1"))
    taken_back(house, key)
    assert study_of(house, "A1").is_bound
    assert not study_of(house, "A3").is_bound


def test_of_two_repairs_that_read_alike_one_taken_back_changes_nothing_and_both_take_the_binding_back(
    house: House,
) -> None:
    before = study_of(house, "A1")
    first, second = applied(house), applied(house)
    assert study_of(house, "A1").is_bound
    taken_back(house, first)
    assert study_of(house, "A1").is_bound
    taken_back(house, second)
    after = study_of(house, "A1")
    assert (after.is_bound, after.received) == (False, before.received)


def test_a_clock_that_two_repairs_read_alike_is_read_as_written_once_both_are_taken_back(house: House) -> None:
    before = study_of(house, "A1")
    made = []
    for _ in range(2):
        made.append(tried(house, {"do": "clock", "ahead_minutes": 90}))
        BulkDesk(house.store, house.clock).apply(made[-1], "its battery was dead", MARIA)
        work(house, made[-1])
    for key in made:
        assert study_of(house, "A1").received.clock_ahead_secs == 5400
        taken_back(house, key)
    assert study_of(house, "A1").received == before.received


def test_a_veto_holds_whatever_a_repair_says(house: House) -> None:
    mixed = replace(PLAIN, patient_id=STRANGER.patient_id)
    receive(house, mixed, "A9")
    say(house, order(PLAIN, "A9"))
    applied(house)
    assert not study_of(house, "A9").is_bound


def test_what_cannot_be_meant_is_refused(house: House) -> None:
    desk = BulkDesk(house.store, house.clock)
    for entry in ({"do": "clock", "ahead_minutes": 0}, {"do": "burn"}, {"do": "strip", "of": ["StudyInstanceUID"]}, {}):
        with pytest.raises(Incomplete):
            desk.preview(Repairing("CT1", AT, None, entry), MARIA)
    with pytest.raises(Incomplete):
        desk.preview(Repairing("CT1", AT, AT, PREFIX), MARIA)
    key = tried(house)
    with pytest.raises(Conflict):
        desk.undo(key, "why", MARIA)
    desk.apply(key, "why", MARIA)
    with pytest.raises(Conflict):
        desk.apply(key, "why", MARIA)
