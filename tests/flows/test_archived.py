"""What archives have of a study when its patient changes: nobody else tells the people who must have it taken out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import Study
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import events, publications
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.flows.asking import say, study_by_uid


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """A house with one bound study of two objects."""
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    for number in (1, 2):
        found.instances.receive(spooled(found, image(PLAIN, "A1", number), "CT1"))
    return found


def study_of(house: House) -> Study:
    return study_by_uid(house.store, study_uid("A1"))


def later(house: House) -> datetime:
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(minutes=1)
    return house.clock.at


def forward(house: House) -> None:
    """Note that the archive took everything with the present binding."""
    study, at = study_of(house), later(house)
    with house.store.write() as tx:
        owed = publications.owed_instances(tx, study.key, "PACS", study.binding_version)
        sent = [(key, "0000", at) for key in owed]
        publications.put_forwards(tx, study.key, "PACS", study.binding_version, sent)


def rule(house: House, action: str, **on: PatientIdentifier | str) -> None:
    later(house)
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling(action, "looked again", "user:maria", **on))  # type: ignore[arg-type]


def told(house: House) -> int:
    with house.store.read() as tx:
        lines = events.timeline(tx, [], [study_of(house).key])
    return [line.what for line in lines].count("Archive PACS has 2 objects under an earlier binding")


def test_a_hold_says_once_what_an_archive_has(house: House) -> None:
    forward(house)
    rule(house, "unbind")
    assert told(house) == 1
    rule(house, "reject")
    assert told(house) == 1


def test_another_patient_s_study_says_what_an_archive_has_under_the_first(house: House) -> None:
    forward(house)
    rule(house, "bind", patient=PatientIdentifier(STRANGER.patient_id))
    assert told(house) == 1
    forward(house)
    rule(house, "unbind")
    assert told(house) == 2


def test_the_same_patient_s_new_binding_and_a_study_that_no_archive_has_say_nothing(house: House) -> None:
    rule(house, "unbind")
    rule(house, "bind", accession_number="A1")
    forward(house)
    rule(house, "bind", patient=PatientIdentifier(PLAIN.patient_id))
    assert told(house) == 0
