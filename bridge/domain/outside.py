"""What is asked of other registries about a study that nobody here is known for, and what their answers are worth.

An answer is evidence: it registers a patient or a number, and the rules decide again. It never binds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.domain.birth_dates import BirthDateGrade, read_birth_date
from bridge.domain.case import grade
from bridge.domain.evidence import PatientRecord, StudyEvidence
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.identity_keys import is_placeholder_id
from bridge.domain.leads import foreign_number, is_foreign, read_patient_id
from bridge.domain.name_grades import read_header_name
from bridge.domain.patient import Patient, PatientDraft
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study

# With these nobody's number names a patient here; what else holds a study no other registry can settle.
ASKED_FOR = frozenset({"V04", "V07"})
MOST_NUMBERS = 4
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=1)


class AnswerState(StrEnum):
    """
    How a question stands. FOUND: one patient, on record now. NOBODY: none, or none of ours. SEVERAL: more than one.
    REFUSED: the answer cannot be used. NO_ANSWER: asked as often as is set. UNNEEDED: decided before it was asked.
    """

    WAITING = "waiting"
    FOUND = "found"
    NOBODY = "nobody"
    SEVERAL = "several"
    REFUSED = "refused"
    NO_ANSWER = "no_answer"
    UNNEEDED = "unneeded"


@dataclass(frozen=True, slots=True)
class Question:
    """
    Who is meant. numbers: each with its issuer. patient_name: PN; birth_date: "YYYYMMDD" or ""; sex: M, F, O or "".

    evidence: what the question was made of.
    """

    evidence: StudyEvidence
    numbers: tuple[PatientIdentifier, ...]
    patient_name: str
    birth_date: str
    sex: str

    @property
    def names_a_person(self) -> bool:
        """Whether somebody can be looked for without a number."""
        family, _, given = self.patient_name.partition("=")[0].partition("^")
        return bool(family and given.strip("^ ") and len(self.birth_date) == 8)

    @property
    def is_empty(self) -> bool:
        return not self.numbers and not self.names_a_person

    @property
    def digest(self) -> str:
        """The same for the same question about another study; nobody can read it."""
        numbers = [part for one in self.numbers for part in one.key]
        parts = ["outside", self.patient_name, self.birth_date, self.sex, *numbers]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Found:
    """
    One patient that an answer names.

    draft: who it is, with every number the answer states; None where it states numbers alone. numbers: those. asked:
    which of the numbers that were asked for the answer says are this patient's. said_at: when the source came to know
    what it says, None if it does not say.
    """

    numbers: tuple[PatientIdentifier, ...]
    draft: PatientDraft | None = None
    asked: tuple[PatientIdentifier, ...] = ()
    said_at: datetime | None = None


def waits_for_an_answer(study: Study) -> bool:
    """Say whether another registry could still settle whose *study* is."""
    undecided = not study.is_bound and not study.closed_reason and study.held_from_patient_key is None
    return undecided and study.rule in ASKED_FOR


def question_of(evidence: StudyEvidence, rules: ReconcileRules) -> Question:
    """Return what may be asked about a study: numbers whose issuer is known, and the person as the header says."""
    header = evidence.header
    written = read_patient_id(header, rules)
    issuer = foreign_number(header, rules)[1] if is_foreign(evidence, rules) else written.issuer or rules.authority
    said = [(written.patient_id, issuer)]
    said += [(one.patient_id, rules.authority_of(one.issuer_of_patient_id)) for one in header.other_patient_ids]
    numbers = [PatientIdentifier(number.strip(" \0"), authority) for number, authority in said if authority]
    usable = [one for one in numbers if not is_placeholder_id(one.patient_id, rules)]
    sex = header.patient_sex.strip().upper()[:1]
    return Question(
        evidence,
        tuple(dict.fromkeys(usable))[:MOST_NUMBERS],
        header.patient_name.strip(),
        read_birth_date(header.patient_birth_date, rules.placeholder_birth_dates),
        sex if sex in ("M", "F", "O") else "",
    )


def is_who_was_asked_for(question: Question, draft: PatientDraft, rules: ReconcileRules) -> bool:
    """Say whether an answer that no number led to is about the person asked for: the name fits, the birth date is equal."""
    patient = Patient(
        0,
        draft.identifiers,
        patient_name=draft.patient_name or "",
        patient_birth_date=draft.patient_birth_date or "",
        other_patient_names=draft.other_patient_names or (),
    )
    name = read_header_name(question.evidence.header, rules)
    graded = grade(question.evidence, name, PatientRecord(patient), rules)
    return graded.is_namesake and graded.birth_date == BirthDateGrade.EQUAL


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many questions without an answer."""
    pause: timedelta = _FIRST_PAUSE * 4 ** min(max(0, attempts - 1), 10)
    return min(pause, _LONGEST_PAUSE)
