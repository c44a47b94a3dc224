"""What a person parted stays parted: by no closing, undo or proposal does a rule, or an earlier decision, give it back unasked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.flows.decide_study import Deciding, propose
from bridge.flows.read_again import StudyRereader
from bridge.flows.resolve_mismatch import Ruling
from bridge.store import rejections, splits, studies
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, merge, order, study_uid
from tests.flows.asking import say, study_of
from tests.flows.test_images import receive, resolver
from tests.flows.test_rejections import desk, note
from tests.flows.test_splits import bind, ct, one_header, split, splitter, state_of

MakeHouse = Callable[..., House]
UID = study_uid("A1")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC))


@pytest.fixture
def house(make_house: MakeHouse, clock: FixedClock) -> House:
    found = make_house(clock)
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def rule(house: House, action: str) -> None:
    resolver(house).resolve(UID, Ruling(action, "looked at", "user:maria"))


def take_back_the_note(house: House) -> None:
    with house.store.read() as tx:
        (said,) = rejections.of_study(tx, UID)
    desk(house).decide(said.key, "undo", "they are hers", "user:maria")


def test_a_part_is_not_bound_by_rule_once_the_whole_which_was_the_patient_s_is_closed(house: House) -> None:
    one_header(house)
    part = split(house)
    rule(house, "reject")
    say(house, order(PLAIN, "A7"), merge(STRANGER, PLAIN, at="20260302113000"))
    assert not state_of(house, part.study_instance_uid).is_bound


def test_a_part_is_bound_by_rule_as_soon_as_a_person_gives_the_other_to_somebody_else(house: House) -> None:
    before = one_header(house)
    part = split(house)
    assert not part.is_bound
    whom = PatientIdentifier(STRANGER.patient_id, "RIVERSIDE")
    resolver(house).resolve(UID, Ruling("bind", "two on one list", "user:maria", patient=whom))
    after = state_of(house, part.study_instance_uid)
    assert (after.is_bound, after.patient_key) == (True, before.patient_key)
    assert study_of(house, "A1").patient_key != before.patient_key


def test_a_part_that_is_read_again_is_questioned_as_before(house: House) -> None:
    one_header(house)
    part = split(house)
    parts = (house.store, house.blobs, house.clock, house.rules, house.destinations, house.image_sources)
    StudyRereader(*parts).read_again(part.study_instance_uid, "user:maria")
    assert not state_of(house, part.study_instance_uid).is_bound


def test_a_late_image_that_came_while_its_study_was_held_asks_before_the_binding_is_given_back(
    house: House, clock: FixedClock
) -> None:
    one_header(house)
    split(house)
    receive(house, note("113037", ct(1, 1)))
    assert not study_of(house, "A1").is_bound
    clock.at = clock.at.replace(hour=11)
    receive(house, ct(3, 2))
    take_back_the_note(house)
    assert not study_of(house, "A1").is_bound


def test_a_late_image_that_a_person_saw_and_bound_asks_no_more_when_the_binding_is_given_back(
    house: House, clock: FixedClock
) -> None:
    one_header(house)
    split(house)
    receive(house, ct(3, 2))
    clock.at = clock.at.replace(hour=11)
    bind(house)
    receive(house, note("113037", ct(1, 1)))
    assert not study_of(house, "A1").is_bound
    take_back_the_note(house)
    assert study_of(house, "A1").is_bound


def test_who_imports_a_part_s_study_does_not_bind_it_past_the_question(house: House) -> None:
    whole = one_header(house)
    part = split(house)
    assert whole.patient_key is not None
    with house.store.write() as tx:
        how = Deciding(house.rules, house.destinations, house.clock.now())
        after = propose(tx, studies.get(tx, part.key), whole.patient_key, "user:ines", how)
    assert (after.is_bound, after.rule) == (False, "V02")


def test_a_bound_study_that_was_closed_by_mistake_is_bound_as_it_was_when_it_is_opened_again(house: House) -> None:
    before = one_header(house)
    rule(house, "reject")
    assert study_of(house, "A1").closed_reason == "looked at"
    rule(house, "reopen")
    after = study_of(house, "A1")
    assert (after.is_bound, after.patient_key, after.order_key) == (True, before.patient_key, before.order_key)
    assert (after.decided_by, after.closed_reason) == (before.decided_by, "")


def test_a_bound_study_that_was_closed_is_not_bound_again_where_its_device_said_meanwhile_that_it_was_wrong(
    house: House,
) -> None:
    one_header(house)
    rule(house, "reject")
    receive(house, note("113037", ct(1, 1)))
    rule(house, "reopen")
    assert not study_of(house, "A1").is_bound


def test_images_of_two_people_that_come_while_a_bound_study_is_closed_wait_when_it_is_opened_again(
    house: House, clock: FixedClock
) -> None:
    one_header(house)
    split(house)
    rule(house, "reject")
    clock.at = clock.at.replace(hour=11)
    receive(house, ct(3, 2))
    rule(house, "reopen")
    assert not study_of(house, "A1").is_bound


def test_a_late_image_that_asked_nobody_asks_nobody_when_the_binding_is_given_back(
    house: House, clock: FixedClock
) -> None:
    one_header(house)
    split(house, f"{study_uid('A1')}.1.2", f"{study_uid('A1')}.2.2")
    clock.at = clock.at.replace(hour=11)
    late = ct(3, 1)
    late.PatientID = ""
    receive(house, late)
    assert study_of(house, "A1").is_bound
    receive(house, note("113038", late))
    assert not study_of(house, "A1").is_bound
    take_back_the_note(house)
    assert study_of(house, "A1").is_bound


def test_a_late_image_that_was_kept_back_until_its_study_was_held_asks_before_the_binding_is_given_back(
    house: House, clock: FixedClock
) -> None:
    one_header(house)
    split(house)
    late = ct(3, 2)
    receive(house, note("113001", late))
    clock.at = clock.at.replace(hour=11)
    receive(house, late)
    assert study_of(house, "A1").is_bound
    receive(house, note("113037", ct(1, 1), number=2))
    clock.at = clock.at.replace(hour=12)
    with house.store.read() as tx:
        quality, safety = rejections.of_study(tx, UID)
    desk(house).decide(quality.key, "undo", "it is sharp", "user:maria")
    desk(house).decide(safety.key, "undo", "they are hers", "user:maria")
    assert not study_of(house, "A1").is_bound


@pytest.mark.parametrize("title", ["113001", "113039"])
def test_a_bound_study_of_which_everything_was_rejected_is_bound_again_when_its_case_is_opened_again(
    house: House, title: str
) -> None:
    before = one_header(house)
    receive(house, note(title, ct(1, 1), ct(2, 1), ct(1, 2), ct(2, 2)))
    rule(house, "reject")
    rule(house, "reopen")
    after = study_of(house, "A1")
    assert (after.is_bound, after.patient_key, after.order_key) == (True, before.patient_key, before.order_key)


def test_a_bound_part_that_was_joined_again_is_nobody_s_when_its_case_is_opened_again(house: House) -> None:
    one_header(house)
    part = split(house)
    whom = PatientIdentifier(STRANGER.patient_id, "RIVERSIDE")
    resolver(house).resolve(part.study_instance_uid, Ruling("bind", "it is his", "user:maria", patient=whom))
    with house.store.read() as tx:
        (made,) = splits.of_study(tx, part.key)
    splitter(house).join(made.key, "it was one person", "user:maria")
    resolver(house).resolve(part.study_instance_uid, Ruling("reopen", "looked at", "user:maria"))
    assert not state_of(house, part.study_instance_uid).is_bound


def test_what_stays_of_a_mixed_series_says_what_speaks_against_it_now(house: House) -> None:
    receive(house, ct(1, 1), image(STRANGER, "A1", 2))
    assert study_of(house, "A1").rule == "V02"
    split(house, f"{UID}.1.1")
    rest = study_of(house, "A1")
    assert (rest.is_bound, rest.rule, rest.held_from_patient_key is not None) == (False, "V06", True)
    assert "more than one patient" not in rest.sentence
