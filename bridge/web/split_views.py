"""What became of the other part of a study that somebody parted."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.study import Study
from bridge.store import decisions, patients, splits, studies
from bridge.store.db import ReadTx
from bridge.store.listings.people import Person, person_of
from bridge.store.splits import Split


@dataclass(frozen=True, slots=True)
class OtherPart:
    """
    A split, seen from one of its sides. study: the other side, as it stands now; patient: whose it is, None if nobody's yet.

    sentence: what was decided of it last. is_rest: it is what stayed, and this side was split off it.
    """

    split: Split
    study: Study
    patient: Person | None
    sentence: str
    is_rest: bool


def other_parts(tx: ReadTx, study_key: int) -> list[OtherPart]:
    """Return every split that a study was a side of, oldest first, each with its other side."""
    return [_other(tx, study_key, one) for one in splits.of_study(tx, study_key)]


def _other(tx: ReadTx, study_key: int, split: Split) -> OtherPart:
    is_rest = split.new_study_key == study_key
    study = studies.get(tx, split.study_key if is_rest else split.new_study_key)
    decided = decisions.of_study(tx, study.key)
    patient = person_of(patients.get(tx, study.patient_key)) if study.patient_key is not None else None
    return OtherPart(split, study, patient, decided[0].sentence if decided else "", is_rest)
