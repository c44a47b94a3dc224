"""A merge that is taken back gives every binding back that it moved, linked or held, and none that is still in doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import Study
from bridge.flows.resolve_mismatch import Ruling
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import orders, patients
from bridge.store.tables import merges
from bridge.wiring import House
from tests.cast import MERGED, PLAIN, STRANGER, Person, adt, image, merge, order
from tests.flows.asking import say, study_by_uid
from tests.flows.test_images import receive, resolver

MakeHouse = Callable[..., House]

# PLAIN again, under another number.
TWICE = replace(PLAIN, patient_id="00041011")
STUDY = "2.25.77001"


class Clinic:
    """A house in which an hour passes between any two things."""

    def __init__(self, house: House, clock: FixedClock) -> None:
        self.house, self._clock = house, clock

    def hear(self, *said: bytes) -> None:
        self._clock.at += timedelta(hours=1)
        say(self.house, *said)

    def receive(self, person: Person, accession: str = "") -> None:
        self._clock.at += timedelta(hours=1)
        receive(self.house, image(person, accession, study=STUDY))

    def rule(self, action: str, patient: PatientIdentifier | None = None) -> None:
        self._clock.at += timedelta(hours=1)
        ruling = Ruling(action, "asked the technologist", "user:maria", patient=patient)
        resolver(self.house).resolve(STUDY, ruling)

    def undo_last_merge(self) -> None:
        self._clock.at += timedelta(hours=1)
        with self.house.store.read() as tx:
            key = tx.execute(select(merges.c.key).order_by(merges.c.key.desc())).scalars().first()
        assert key is not None
        house = self.house
        MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(key, "two people", "user:maria")

    def study(self) -> Study:
        return study_by_uid(self.house.store, STUDY)

    def seen(self) -> tuple[bool, str, str]:
        """Return whether the study is bound, whose number it is under, and by which accession number."""
        study = self.study()
        with self.house.store.read() as tx:
            whose = patients.get(tx, study.patient_key).primary.patient_id if study.patient_key else ""
            by = orders.get(tx, study.order_key).accession_number if study.order_key else ""
        return study.is_bound, whose, by


@pytest.fixture
def clinic(make_house: MakeHouse) -> Clinic:
    """A clinic that knows PLAIN under both numbers, and STRANGER."""
    clock = FixedClock(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
    found = Clinic(make_house(clock), clock)
    found.hear(adt(PLAIN), adt(STRANGER))
    return found


def test_a_study_that_got_the_other_record_s_order_through_a_merge_is_without_an_order_again(clinic: Clinic) -> None:
    clinic.receive(PLAIN)
    before = clinic.seen()
    assert before == (True, PLAIN.patient_id, "")
    clinic.hear(order(TWICE, "A1"))
    clinic.hear(merge(PLAIN, TWICE, at="20260302110000"))
    assert clinic.seen() == (True, PLAIN.patient_id, "A1")
    clinic.undo_last_merge()
    assert clinic.seen() == before


def test_a_study_that_a_merge_put_in_question_is_bound_again_as_it_was(clinic: Clinic) -> None:
    clinic.hear(order(STRANGER, "A1"))
    clinic.receive(replace(STRANGER, patient_id=MERGED.patient_id), "A1")
    before = clinic.seen()
    assert before == (True, STRANGER.patient_id, "A1")
    # The number that nobody held is said to be PLAIN's.
    clinic.hear(merge(PLAIN, MERGED, at="20260302110000"))
    assert not clinic.study().is_bound
    clinic.undo_last_merge()
    assert clinic.seen() == before
    assert clinic.study().decided_by == "B02"


def test_what_a_person_took_back_while_records_were_one_stays_taken_back(clinic: Clinic) -> None:
    clinic.hear(order(STRANGER, "A1"))
    clinic.receive(replace(STRANGER, patient_id=MERGED.patient_id), "A1")
    clinic.hear(merge(STRANGER, MERGED, at="20260302110000"))
    clinic.rule("unbind")
    clinic.undo_last_merge()
    assert not clinic.study().is_bound


def test_what_another_thing_put_in_question_meanwhile_stays_so(clinic: Clinic) -> None:
    clinic.hear(order(STRANGER, "A1"))
    clinic.receive(replace(STRANGER, patient_id=MERGED.patient_id), "A1")
    clinic.hear(merge(PLAIN, MERGED, at="20260302110000"))
    clinic.hear(order(PLAIN, "A1", "XO", at="20260302120000"))
    clinic.undo_last_merge()
    assert not clinic.study().is_bound


def test_a_merge_of_a_number_s_next_holder_taken_back_leaves_what_came_by_the_first(clinic: Clinic) -> None:
    clinic.hear(adt(TWICE), order(TWICE, "A1"))
    clinic.hear(merge(PLAIN, TWICE, at="20260302110000"))
    clinic.receive(PLAIN, "A1")
    before = clinic.seen()
    assert before == (True, PLAIN.patient_id, "A1")
    clinic.hear(adt(replace(STRANGER, patient_id=TWICE.patient_id), at="20260302120000"))
    clinic.hear(merge(PLAIN, TWICE, at="20260302130000"))
    clinic.undo_last_merge()
    assert clinic.seen() == before


def test_a_study_that_was_bound_because_who_fits_better_was_merged_away_waits_again(clinic: Clinic) -> None:
    namesake = replace(PLAIN, patient_id="00041012", sex="M")
    clinic.hear(adt(namesake), adt(MERGED))
    clinic.receive(replace(PLAIN, patient_id=namesake.patient_id))
    before = clinic.seen()
    assert (before, clinic.study().rule) == ((False, "", ""), "V08")
    clinic.hear(merge(MERGED, PLAIN, at="20260302120000"))
    assert clinic.seen() == (True, namesake.patient_id, "")
    clinic.undo_last_merge()
    assert (clinic.seen(), clinic.study().rule) == (before, "V08")


def test_a_person_s_binding_that_got_an_order_through_a_merge_stands_without_it_again(clinic: Clinic) -> None:
    clinic.receive(replace(STRANGER, patient_id="00049999"))
    clinic.rule("bind", patient=PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"))
    before = clinic.seen()
    assert before == (True, PLAIN.patient_id, "")
    clinic.hear(order(TWICE, "A1"))
    clinic.hear(merge(PLAIN, TWICE, at="20260302120000"))
    assert clinic.seen() == (True, PLAIN.patient_id, "A1")
    clinic.undo_last_merge()
    assert clinic.seen() == before
