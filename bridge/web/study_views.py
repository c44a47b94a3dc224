"""A study as /api/studies and the decision page show it: state, evidence, differences, candidates, where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.domain.accounts import Caller, Role
from bridge.domain.image_warnings import WarningWords, in_words
from bridge.domain.import_checklist import Line
from bridge.domain.order import Order
from bridge.domain.outside import waits_for_an_answer
from bridge.domain.rejection import Rejection
from bridge.domain.study import Study
from bridge.errors import Refused
from bridge.flows.check_tags import check_tags
from bridge.store import (
    case_proposals,
    commitments,
    decisions,
    looks,
    orders,
    outside_questions,
    patients,
    publications,
    rejections,
    splits,
    stated_copies,
    studies,
)
from bridge.store.case_proposals import CaseProposal
from bridge.store.commitments import Kept
from bridge.store.db import ReadTx
from bridge.store.decisions import Decision
from bridge.store.deliveries import Delivery, DeliveryState, HoldKind
from bridge.store.listings import set_aside
from bridge.store.listings.exam_detail import Published, StudyOnExam, study_on_exam
from bridge.store.listings.people import Person, person_of
from bridge.store.listings.set_aside import SetAside
from bridge.store.looks import Look
from bridge.store.outside_questions import Asked
from bridge.store.retention import OnShelf, on_shelf
from bridge.store.splits import Split
from bridge.store.stated_copies import StatedCopy
from bridge.web import question_views
from bridge.web.access import services
from bridge.web.question_views import AskedQuestion


@dataclass(frozen=True, slots=True)
class Candidate:
    """Someone the study may belong to. compared: rows of keyword, received, record, grade."""

    patient: Person
    accession_number: str
    score: int
    why: str
    compared: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class StudyView:
    """
    A study with everything that a decision about it rests on. accession_number: the binding's, "" unless bound.

    asked: other registries, and what came of it; may_ask: they can be asked again.
    checklist: what its images say beside its order, line by line; seen: the lines that people are asked to look at.
    questions: what technologists were asked, newest first. needs_two: what is decided now waits for a second person;
    proposals: what was proposed so, newest first. stood_in_chart: it was in the held-from patient's.
    """

    on_exam: StudyOnExam
    patient: Person | None
    accession_number: str
    held_from: tuple[Person, str] | None
    decisions: tuple[Decision, ...]
    candidates: tuple[Candidate, ...]
    on_shelf: OnShelf
    set_aside: tuple[SetAside, ...] = ()
    copies: tuple[Kept, ...] = ()
    warnings: tuple[WarningWords, ...] = ()
    stated: tuple[StatedCopy, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    asked: tuple[Asked, ...] = ()
    may_ask: bool = False
    checklist: tuple[Line, ...] = ()
    seen: Mapping[str, Look] = field(default_factory=dict)
    splits: tuple[Split, ...] = ()
    questions: tuple[AskedQuestion, ...] = ()
    proposals: tuple[CaseProposal, ...] = ()
    needs_two: bool = False
    stood_in_chart: bool = False

    @property
    def study(self) -> Study:
        return self.on_exam.study

    @property
    def latest(self) -> Decision | None:
        return self.decisions[0] if self.decisions else None

    @property
    def proposal(self) -> CaseProposal | None:
        """What waits for a second person."""
        return next((one for one in self.proposals if one.is_open), None)

    @property
    def published(self) -> tuple[Published, ...]:
        return self.on_exam.published

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        return self.on_exam.deliveries

    @property
    def waiting(self) -> tuple[Delivery, ...]:
        """The deliveries that a decision frees."""
        return tuple(
            one for one in self.deliveries if one.state == DeliveryState.HELD and one.hold_kind == HoldKind.IDENTITY
        )


def uid_of(study_key: int) -> str:
    """Return the Study Instance UID of a study's row. Raises: LookupError."""
    with services().store.read() as tx:
        return studies.get(tx, study_key).study_instance_uid


def read(tx: ReadTx, study_instance_uid: str, caller: Caller) -> StudyView:
    """
    Return a study for *caller*.

    Raises: LookupError, if there is none; Refused, if it is unbound and the caller's role does not include those.
    """
    study = studies.by_uid(tx, study_instance_uid)
    if study is None:
        raise LookupError(study_instance_uid)
    if not study.is_bound and not caller.sees_unbound and caller.role != Role.IT:
        raise Refused("nobody has bound this study yet: ask the intake desk", code="unbound")
    decided, on_exam = decisions.of_study(tx, study.key), study_on_exam(tx, study)
    return StudyView(
        on_exam=on_exam,
        patient=_person(tx, study.patient_key),
        accession_number=_accession(tx, study.order_key),
        held_from=_held_from(tx, study),
        decisions=tuple(decided),
        candidates=tuple(_candidates(tx, decided[0].candidates if decided and not study.is_bound else ())),
        set_aside=tuple(set_aside.of_study(tx, study.key)),
        copies=tuple(commitments.of_study(tx, study.key)),
        warnings=tuple(warnings_in_words(on_exam, _order(tx, study.order_key))),
        stated=tuple(stated_copies.of_study(tx, study.study_instance_uid)),
        checklist=check_tags(tx, study, services().flows.studies.casework.looks.rules),
        seen=looks.of_study(tx, study.key),
        questions=tuple(question_views.of_study(tx, study.key)),
        on_shelf=on_shelf(tx, study.key),
        rejections=tuple(rejections.of_study(tx, study.study_instance_uid)),
        asked=tuple(outside_questions.of_study(tx, study.key)),
        may_ask=bool(services().settings.outside.names) and waits_for_an_answer(study),
        splits=tuple(splits.of_study(tx, study.key)),
        proposals=tuple(case_proposals.of_study(tx, study.key)),
        needs_two=services().flows.studies.second_person.needs_two(tx, study),
        stood_in_chart=_stood_in_chart(tx, study),
    )


def warnings_in_words(one: StudyOnExam, order: Order | None) -> list[WarningWords]:
    """Return what a person should know of a study's images. order: what they were made for, None if nobody knows."""
    is_oncology = order is not None and services().oncology.says_so(order, one.study.received.study_description)
    return in_words(one.warnings, one.instance_count, is_oncology=is_oncology)


def _person(tx: ReadTx, key: int | None) -> Person | None:
    return person_of(patients.get(tx, key)) if key is not None else None


def _order(tx: ReadTx, key: int | None) -> Order | None:
    return orders.get(tx, key) if key is not None else None


def _accession(tx: ReadTx, order_key: int | None) -> str:
    return orders.get(tx, order_key).accession_number if order_key is not None else ""


def _held_from(tx: ReadTx, study: Study) -> tuple[Person, str] | None:
    person = _person(tx, study.held_from_patient_key)
    return (person, _accession(tx, study.held_from_order_key)) if person is not None else None


def _stood_in_chart(tx: ReadTx, study: Study) -> bool:
    """Return whether a chart of whom it was bound to has it, or had it before it was withdrawn."""
    if study.held_from_patient_key is None:
        return False
    person = patients.survivor(tx, study.held_from_patient_key).key
    subjects = {one.patient_key for one in publications.of_study(tx, study.key)}
    return any(patients.survivor(tx, key).key == person for key in subjects if key is not None)


def _candidates(tx: ReadTx, rows: Any) -> list[Candidate]:
    found = []
    for row in rows:
        person = person_of(patients.survivor(tx, row["patient_key"]))
        number = _accession(tx, row.get("order_key"))
        found.append(Candidate(person, number, row["score"], row["why"], tuple(row.get("compared", ()))))
    return found
