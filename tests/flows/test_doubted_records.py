"""An update that makes another person of a record: what was bound is held, what comes waits, a person says which it is."""

from __future__ import annotations

import pytest

from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.domain.study import StudyState
from bridge.errors import Conflict
from bridge.flows.resolve_mismatch import Ruling
from bridge.store import patients
from bridge.wiring import House
from tests import cast
from tests.cast import PLAIN, adt, image, merge, order, study_uid
from tests.flows.asking import say, study_of
from tests.flows.test_images import house, leaving, receive, resolver, states

__all__ = ["house"]

_SOMEBODY_ELSE = cast.renamed(PLAIN, "OKONKWO^DANIEL", "19991224")


def registered(house: House) -> Patient:
    with house.store.read() as tx:
        found = patients.find(tx, PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"))
    assert found is not None
    return found


def test_an_update_that_makes_another_person_of_a_record_holds_its_studies(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1"))
    other = cast.renamed(PLAIN, "OKONKWO^DANIEL", "19991224")
    (answer,) = say(house, adt(other, "A08", at="20260302113000"))
    assert b"MSA|AA" in answer
    study = study_of(house, "A1")
    assert study.state == StudyState.REVIEW
    assert study.held_from_patient_key is not None


def test_images_that_come_after_such_an_update_wait_for_a_person(house: House) -> None:
    say(house, order(PLAIN, "A1"), adt(_SOMEBODY_ELSE, "A08", at="20260302093000"))
    receive(house, image(PLAIN, "A1"), image(_SOMEBODY_ELSE, "A2"))
    assert [study_of(house, accession).state for accession in ("A1", "A2")] == [StudyState.REVIEW] * 2
    assert study_of(house, "A1").rule == "V03"
    assert leaving(house, "A1") == []


def test_they_wait_too_when_the_record_ends_in_another(house: House) -> None:
    survivor = cast.Person("00047777", "OKONKWO^DANIEL", "19991224", "F")
    say(house, order(PLAIN, "A1"), adt(_SOMEBODY_ELSE, "A08", at="20260302093000"))
    say(house, merge(survivor, _SOMEBODY_ELSE, at="20260302094000"))
    receive(house, image(PLAIN, "A1"))
    assert study_of(house, "A1").rule == "V03"


def test_a_person_who_binds_says_whose_the_record_is(house: House) -> None:
    say(house, adt(_SOMEBODY_ELSE, "A08", at="20260302093000"))
    receive(house, image(_SOMEBODY_ELSE, "A1"), image(_SOMEBODY_ELSE, "A2"), image(PLAIN, "A3"))
    whom = PatientIdentifier(PLAIN.patient_id, "RIVERSIDE")
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "passport seen", "user:maria", patient=whom))
    assert not registered(house).in_question
    assert (study_of(house, "A1").is_bound, study_of(house, "A2").rule) == (True, "B03")
    assert study_of(house, "A3").state == StudyState.REVIEW


def test_a_person_gives_a_record_its_earlier_values_back(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1"))
    say(house, adt(_SOMEBODY_ELSE, "A08", at="20260302113000"))
    receive(house, image(PLAIN, "A2"), image(_SOMEBODY_ELSE, "A3"))
    resolver(house).resolve(study_uid("A1"), Ruling("restore", "typed over the wrong record", "user:maria"))
    record = registered(house)
    assert (record.patient_name, record.patient_birth_date, record.in_question) == (PLAIN.name, PLAIN.birth_date, False)
    assert (study_of(house, "A1").is_bound, study_of(house, "A2").is_bound) == (True, True)
    assert study_of(house, "A3").state == StudyState.REVIEW
    ((leaves, _),) = leaving(house, "A1")
    assert str(leaves.PatientName) == PLAIN.name


def test_a_record_that_nobody_doubts_is_not_restored(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1"))
    resolver(house).resolve(study_uid("A1"), Ruling("unbind", "doubt", "user:maria"))
    with pytest.raises(Conflict) as refused:
        resolver(house).resolve(study_uid("A1"), Ruling("restore", "to be safe", "user:maria"))
    assert refused.value.code == "not_in_question"


def test_a_merge_of_the_record_in_doubt_does_not_end_a_hold(house: House) -> None:
    say(house, order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1"))
    other = cast.renamed(PLAIN, "OKONKWO^DANIEL", "19991224")
    say(house, adt(other, "A08", at="20260302113000"))
    survivor = cast.Person("00047777", "OKONKWO^DANIEL", "19991224", "F")
    say(house, merge(survivor, other, at="20260302120000"))
    assert study_of(house, "A1").state == StudyState.REVIEW
    assert states(house) == [("imaging_study", "held")]
