"""A person who binds another hospital's study teaches whose number that is; taking it back unteaches it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import Study, StudyState
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import cross_references
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, Person, adt, image, spooled
from tests.flows.asking import say, study_by_uid

FIRST, SECOND, THIRD = "2.25.9001", "2.25.9002", "2.25.9003"
NUMBER = PatientIdentifier("S-77", "SUMMIT")


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(NEAR_TWIN))
    return found


def foreign(uid: str, person: Person = PLAIN, number: PatientIdentifier = NUMBER) -> Dataset:
    """Return an image of *person* as SUMMIT made it, under a number of SUMMIT's."""
    dataset = image(person, "", study=uid)
    dataset.PatientID, dataset.IssuerOfPatientID = number.patient_id, number.issuer_of_patient_id
    return dataset


def arrives(house: House, dataset: Dataset) -> Study:
    house.instances.receive(spooled(house, dataset))
    return study(house, str(dataset.StudyInstanceUID))


def study(house: House, uid: str) -> Study:
    return study_by_uid(house.store, uid)


def rule(house: House, uid: str, action: str, person: Person | None = None) -> None:
    whom = PatientIdentifier(person.patient_id, "RIVERSIDE") if person else None
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(uid, Ruling(action, "asked the patient", "user:maria", patient=whom))


def learned(house: House) -> list[tuple[str, str]]:
    with house.store.read() as tx:
        return [(one.identifier.patient_id, one.source) for one in cross_references.of_number(tx, NUMBER)]


def test_the_next_study_under_a_number_that_a_person_taught_is_bound_by_it(house: House) -> None:
    assert arrives(house, foreign(FIRST)).rule == "V07"
    rule(house, FIRST, "bind", PLAIN)
    assert learned(house) == [("S-77", "user:maria")]
    second = arrives(house, foreign(SECOND))
    assert (second.rule, second.patient_key) == ("B04", study(house, FIRST).patient_key)


def test_studies_that_wait_under_that_number_are_bound_once_it_is_taught(house: House) -> None:
    arrives(house, foreign(FIRST))
    assert arrives(house, foreign(SECOND)).rule == "V07"
    rule(house, FIRST, "bind", PLAIN)
    assert study(house, SECOND).rule == "B04"


def test_what_was_taught_is_taken_back_with_the_binding_and_holds_what_rested_on_it(house: House) -> None:
    arrives(house, foreign(FIRST))
    rule(house, FIRST, "bind", PLAIN)
    arrives(house, foreign(SECOND))
    rule(house, FIRST, "unbind")
    assert learned(house) == []
    second = study(house, SECOND)
    assert second.state == StudyState.REVIEW
    assert second.held_from_patient_key is not None
    assert arrives(house, foreign(THIRD)).rule == "V07"


def test_a_taught_number_does_not_overrule_a_veto(house: House) -> None:
    arrives(house, foreign(FIRST))
    rule(house, FIRST, "bind", PLAIN)
    twin = arrives(house, foreign(SECOND, NEAR_TWIN))
    assert (twin.state, twin.rule) == (StudyState.REVIEW, "V08")


def test_a_number_that_registration_gave_somebody_else_is_not_learned(house: House) -> None:
    said = adt(NEAR_TWIN, "A08", at="20260302090000").replace(b"^^^RIVERSIDE^MR", b"^^^RIVERSIDE^MR~S-77^^^SUMMIT^MR")
    say(house, said)
    arrives(house, foreign(FIRST))
    rule(house, FIRST, "bind", PLAIN)
    assert learned(house) == []


def test_a_number_of_ours_is_not_learned(house: House) -> None:
    ours = PatientIdentifier("00049999", "RIVERSIDE")
    arrives(house, foreign(FIRST, number=ours))
    rule(house, FIRST, "bind", PLAIN)
    with house.store.read() as tx:
        assert cross_references.of_number(tx, ours) == []


def test_a_binding_to_another_person_teaches_the_other(house: House) -> None:
    arrives(house, foreign(FIRST))
    rule(house, FIRST, "bind", PLAIN)
    rule(house, FIRST, "unbind")
    rule(house, FIRST, "bind", NEAR_TWIN)
    with house.store.read() as tx:
        (one,) = cross_references.of_number(tx, NUMBER)
    assert one.patient_key == study(house, FIRST).patient_key


def test_two_bindings_teach_the_same_and_one_that_ends_leaves_the_other(house: House) -> None:
    arrives(house, foreign(FIRST))
    arrives(house, foreign(SECOND, NEAR_TWIN))
    rule(house, FIRST, "bind", PLAIN)
    rule(house, SECOND, "bind", PLAIN)
    rule(house, FIRST, "unbind")
    assert learned(house) == [("S-77", "user:maria")]
    assert study(house, SECOND).is_bound
