"""What a merge or a move said of a patient goes with it when a person takes it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import patients
from bridge.store.tables import merges
from bridge.wiring import House
from tests.cast import MERGED, PLAIN, STRANGER, Person, adt, image, merge, order, study_uid
from tests.flows.asking import say, study_by_uid
from tests.flows.test_images import receive

MakeHouse = Callable[..., House]
NAMELESS = replace(PLAIN, name="", birth_date="", sex="")


class Registry:
    """A house in which an hour passes between any two messages, and what it knows."""

    def __init__(self, house: House, clock: FixedClock) -> None:
        self.house, self._clock = house, clock

    def hear(self, *said: bytes) -> None:
        for one in said:
            self._clock.at += timedelta(hours=1)
            say(self.house, one)

    def undo(self, number: int = -1) -> None:
        self._clock.at += timedelta(hours=1)
        with self.house.store.read() as tx:
            keys = list(tx.execute(select(merges.c.key).order_by(merges.c.key)).scalars())
        house = self.house
        MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(keys[number], "two", "user:maria")

    def record(self, person: Person) -> Patient:
        with self.house.store.read() as tx:
            found = patients.find(tx, PatientIdentifier(person.patient_id, "RIVERSIDE"))
        assert found is not None
        return found

    def is_bound(self, uid: str) -> bool:
        return study_by_uid(self.house.store, uid).is_bound


@pytest.fixture
def registry(make_house: MakeHouse) -> Registry:
    clock = FixedClock(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
    return Registry(make_house(clock), clock)


def test_a_study_that_waited_waits_again_when_the_merge_that_named_its_patient_is_undone(registry: Registry) -> None:
    registry.hear(adt(NAMELESS), adt(MERGED))
    receive(registry.house, image(PLAIN, "", study="2.25.77101"))
    assert not registry.is_bound("2.25.77101")
    registry.hear(merge(PLAIN, MERGED, at="20260302120000"))
    assert registry.is_bound("2.25.77101")
    registry.undo()
    assert not registry.is_bound("2.25.77101")
    assert registry.record(PLAIN).patient_name == ""


def test_nothing_but_the_number_is_left_of_somebody_whom_only_an_undone_merge_named(registry: Registry) -> None:
    registry.hear(adt(MERGED), merge(PLAIN, MERGED, at="20260302120000"))
    receive(registry.house, image(PLAIN, "", study="2.25.77101"))
    assert registry.is_bound("2.25.77101")
    registry.undo()
    assert not registry.is_bound("2.25.77101")
    left = registry.record(PLAIN)
    assert (left.patient_name, left.patient_birth_date, left.patient_sex) == ("", "", "")


def test_what_registration_said_of_the_patient_since_stands(registry: Registry) -> None:
    registry.hear(adt(MERGED), merge(PLAIN, MERGED, at="20260302120000"), adt(PLAIN, "A08", at="20260302130000"))
    registry.undo()
    assert registry.record(PLAIN).patient_name == PLAIN.name


def test_an_order_names_somebody_of_whom_an_undone_merge_left_only_a_number(registry: Registry) -> None:
    registry.hear(adt(MERGED), merge(PLAIN, MERGED, at="20260302120000"))
    registry.undo()
    registry.hear(order(PLAIN, "A1", at="20260302130000"))
    receive(registry.house, image(PLAIN, "A1"))
    assert registry.is_bound(study_uid("A1"))
    assert registry.record(PLAIN).provisional


def test_a_merge_said_twice_tells_nothing_of_the_patient_the_second_time(registry: Registry) -> None:
    registry.hear(adt(NAMELESS), adt(MERGED), merge(NAMELESS, MERGED, at="20260302120000"))
    registry.hear(merge(PLAIN, MERGED, at="20260302130000"))
    assert registry.record(PLAIN).patient_name == ""


def test_a_merge_that_filled_another_value_does_not_keep_an_earlier_one_from_being_undone(registry: Registry) -> None:
    registry.hear(adt(NAMELESS), adt(MERGED), adt(STRANGER))
    registry.hear(merge(replace(PLAIN, birth_date=""), MERGED, at="20260302120000"))
    registry.hear(merge(PLAIN, STRANGER, at="20260302130000"))
    registry.undo(0)
    left = registry.record(PLAIN)
    assert (left.patient_name, left.patient_birth_date) == ("", PLAIN.birth_date)


@pytest.mark.parametrize(("trigger", "named"), [("A43", PLAIN), ("A47", MERGED)])
def test_a_move_or_a_new_number_leaves_nothing_it_said_either(registry: Registry, trigger: str, named: Person) -> None:
    registry.hear(merge(PLAIN, MERGED, at="20260302120000").replace(b"A40", trigger.encode()))
    assert registry.record(PLAIN).patient_name == PLAIN.name
    registry.undo()
    assert registry.record(named).patient_name == ""
