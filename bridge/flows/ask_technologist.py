"""The intake desk asks whoever made the images; the answer is a person's word on the case and binds nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.questions import AnswerKind, wording_for
from bridge.domain.study import Study
from bridge.errors import Conflict, Incomplete
from bridge.store import audit, decisions, events, patients, questions, studies
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station
from bridge.store.questions import Answer, Question


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it was given. patient_key: who was imaged, one of those that were asked about."""

    kind: AnswerKind
    patient_key: int | None = None
    remark: str = ""


class TechnologistQuestions:
    """Asks, takes answers, takes questions back. Each is one transaction, audited, and a line on the exam's timeline."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def ask(self, study_instance_uid: str, remark: str, actor: str) -> int:
        """
        Ask about an undecided study; return the question's key.

        Raises: LookupError; Conflict, if the study is decided, or its question waits already.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = studies.by_uid(tx, study_instance_uid)
            if study is None:
                raise LookupError("no such study")
            if study.is_bound or study.closed_reason:
                raise Conflict("the case is decided: there is nothing to ask", code="decided")
            if any(one.is_open for one in questions.of_studies(tx, [study.key]).get(study.key, ())):
                raise Conflict("it was asked already, and nobody has answered yet", code="asked")
            latest = decisions.latest(tx, study.key)
            people = [patients.survivor(tx, row["patient_key"]).key for row in latest.candidates] if latest else []
            asked = Question(
                0,
                study.key,
                wording_for(study.rule),
                remark,
                study.rule,
                tuple(dict.fromkeys(people))[:_MOST_CANDIDATES],
                study.source_ae_title,
                actor,
                now,
            )
            key = questions.add(tx, asked)
            where = study.source_ae_title or "whoever made the images"
            self._note(tx, study, "question_asked", f"Asked at {where}: {asked.wording}", (actor, key, now))
        return key

    def answer(self, question_key: int, said: Said, actor: str) -> Study:
        """
        Keep an answer; a later one of the same or another person stands beside it, as long as the case is open.

        Raises: LookupError; Incomplete, if it says nothing; Conflict, if the case is decided or the question taken back.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            question = questions.get(tx, question_key)
            study = studies.get(tx, question.study_key)
            lock(tx, f"study:{study.study_instance_uid}")
            question, study = questions.get(tx, question_key), studies.get(tx, study.key)
            if question.settled_as not in ("", "answered") or study.is_bound or study.closed_reason:
                raise Conflict("the case was decided meanwhile, or the question taken back", code="settled")
            _check(question, said)
            questions.add_answer(tx, question_key, Answer(said.kind, said.patient_key, said.remark, actor, now))
            self._note(
                tx, study, "question_answered", f"{_place(question)} says: {_words(said)}", (actor, question_key, now)
            )
        return study

    def withdraw(self, question_key: int, actor: str) -> Study:
        """Take a question back. Raises: LookupError; Conflict, if it waits no longer."""
        now = self._clock.now()
        with self._store.write() as tx:
            question = questions.get(tx, question_key)
            study = studies.get(tx, question.study_key)
            if not questions.withdraw(tx, question_key, now):
                raise Conflict("this question waits no longer", code="settled")
            self._note(tx, study, "question_withdrawn", "The question was taken back", (actor, question_key, now))
        return study

    def _note(self, tx: WriteTx, study: Study, action: str, what: str, by: tuple[str, int, datetime]) -> None:
        actor, key, now = by
        line = Event(now, Station.RECONCILED, what, actor, "question", str(key), study_key=study.key)
        events.add(tx, line)
        audit.add(tx, at=now, action=action, actor=actor, study_key=study.key, detail={"question": key})


_MOST_CANDIDATES = 6


def _check(question: Question, said: Said) -> None:
    if said.kind == AnswerKind.PATIENT and said.patient_key not in question.candidates:
        raise Incomplete("choose one of the people that were asked about", code="not_in_table", where="patient")
    if said.kind == AnswerKind.WORDS and not said.remark:
        raise Incomplete("say it in a few words", code="missing", where="remark")


def _place(question: Question) -> str:
    return question.ae_title or "Whoever made the images"


def _words(said: Said) -> str:
    if said.kind == AnswerKind.PATIENT:
        return "one of the people asked about was imaged"
    return "none of the people asked about was imaged" if said.kind == AnswerKind.NEITHER else "an answer in words"
