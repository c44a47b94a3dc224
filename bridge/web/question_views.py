"""Questions to technologists as pages and REST show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bridge.domain.study import Study
from bridge.store import questions, studies
from bridge.store.db import ReadTx
from bridge.store.listings import people, study_page
from bridge.store.listings.people import Person
from bridge.store.listings.study_page import ShownSeries
from bridge.store.questions import Question
from bridge.web.access import services

# A patient is still in the house, and a technologist still knows.
OLD_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with whom it is about. received: whom the images name. is_old: it should have been answered by now."""

    question: Question
    study: Study
    people: tuple[Person, ...]
    is_old: bool

    @property
    def received(self) -> Person:
        header = self.study.received
        return Person(
            0,
            header.patient_name,
            header.patient_id,
            header.issuer_of_patient_id,
            header.patient_birth_date,
            header.patient_sex,
        )

    def person(self, key: int | None) -> Person | None:
        """Return one of those asked about."""
        return next((one for one in self.people if one.key == key), None)


def shown(tx: ReadTx, found: Sequence[Question]) -> list[AskedQuestion]:
    """Return *found* as people read them."""
    known = people.by_key(tx, (key for one in found for key in one.candidates))
    now = services().clock.now()
    return [
        AskedQuestion(
            one,
            studies.get(tx, one.study_key),
            tuple(known[key] for key in one.candidates if key in known),
            one.is_open and now - one.asked_at >= OLD_AFTER,
        )
        for one in found
    ]


def of_study(tx: ReadTx, study_key: int) -> list[AskedQuestion]:
    """Return what was asked about a study, newest first."""
    return shown(tx, questions.of_studies(tx, [study_key]).get(study_key, []))


def pictured(tx: ReadTx, study_key: int) -> list[ShownSeries]:
    """Return the series whose pictures help to remember."""
    return study_page.series_of(tx, study_key)[:4]
