"""What the intake desk asks about cases, and what people answered: answers are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from bridge.domain.questions import AnswerKind, SettledAs
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import question_answers, questions

_columns = questions.c


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person said. patient_key: who was imaged, for an answer of that kind."""

    kind: AnswerKind
    patient_key: int | None
    remark: str
    answered_by: str
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """
    One question about a study, asked of whoever made its images on *ae_title*.

    wording: the preset sentence; remark: what the asker added. candidates: rows of patients to choose from. settled_as: ""
    while it waits. answers: oldest first; the newest counts.
    """

    key: int
    study_key: int
    wording: str
    remark: str
    rule: str
    candidates: tuple[int, ...]
    ae_title: str
    asked_by: str
    asked_at: datetime
    settled_at: datetime | None = None
    settled_as: str = ""
    answers: tuple[Answer, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.settled_at is None


def add(tx: WriteTx, question: Question) -> int:
    """Ask; return the row's key."""
    names = ("study_key", "wording", "remark", "rule", "ae_title", "asked_by", "asked_at")
    values = {name: getattr(question, name) for name in names}
    return insert_row(tx, questions, candidates=list(question.candidates), **values)


def get(tx: ReadTx, key: int) -> Question:
    """Return the question in row *key*. Raises: LookupError."""
    found = _read(tx, tx.execute(select(questions).where(_columns.key == key)))
    if not found:
        raise LookupError(f"no question {key}")
    return found[0]


def of_studies(tx: ReadTx, study_keys: Iterable[int]) -> dict[int, list[Question]]:
    """Return what was asked about each of these studies, newest first."""
    wanted = _columns.study_key.in_(list(study_keys))
    found: dict[int, list[Question]] = {}
    for one in _read(tx, tx.execute(select(questions).where(wanted).order_by(_columns.key.desc()))):
        found.setdefault(one.study_key, []).append(one)
    return found


def open_ones(tx: ReadTx, ae_title: str = "", limit: int = 100) -> list[Question]:
    """Return what waits for an answer, longest waiting first: of one device, or of all."""
    query = select(questions).where(_columns.settled_at.is_(None))
    if ae_title:
        query = query.where(_columns.ae_title == ae_title)
    # Not the bare key: planners would walk all that was ever asked instead of the index of what waits.
    return _read(tx, tx.execute(query.order_by(_columns.key + 0).limit(limit)))


def count_open(tx: ReadTx, ae_title: str = "") -> int:
    """Return how many questions wait: of one device, or of all."""
    query = select(func.count()).select_from(questions).where(_columns.settled_at.is_(None))
    return int(tx.execute(query.where(_columns.ae_title == ae_title) if ae_title else query).scalar_one())


def add_answer(tx: WriteTx, question_key: int, answer: Answer) -> None:
    """Keep one more answer; the question waits no longer."""
    insert_row(
        tx,
        question_answers,
        question_key=question_key,
        kind=answer.kind.value,
        patient_key=answer.patient_key,
        remark=answer.remark,
        answered_by=answer.answered_by,
        answered_at=answer.answered_at,
    )
    _settle(tx, _columns.key == question_key, SettledAs.ANSWERED, answer.answered_at)


def withdraw(tx: WriteTx, question_key: int, at: datetime) -> bool:
    """Take a question back; False if it waits no longer."""
    return _settle(tx, _columns.key == question_key, SettledAs.WITHDRAWN, at) > 0


def settle_decided(tx: WriteTx, study_key: int, at: datetime) -> None:
    """The case was decided: nobody need answer any more."""
    _settle(tx, _columns.study_key == study_key, SettledAs.DECIDED, at)


def _settle(tx: WriteTx, which: Any, how: SettledAs, at: datetime) -> int:
    query = update(questions).where(which, _columns.settled_at.is_(None))
    return int(tx.execute(query.values(settled_at=at, settled_as=how.value)).rowcount)


def _read(tx: ReadTx, rows: Iterable[Any]) -> list[Question]:
    found = list(rows)
    answers = _answers(tx, [row.key for row in found])
    plain = [name for name in Question.__slots__ if name not in ("answers", "candidates")]
    return [
        Question(
            **{name: getattr(row, name) for name in plain},
            candidates=tuple(row.candidates),
            answers=tuple(answers.get(row.key, ())),
        )
        for row in found
    ]


def _answers(tx: ReadTx, keys: Sequence[int]) -> dict[int, list[Answer]]:
    c = question_answers.c
    found: dict[int, list[Answer]] = {}
    for row in tx.execute(select(question_answers).where(c.question_key.in_(list(keys))).order_by(c.key)):
        one = Answer(AnswerKind(row.kind), row.patient_key, row.remark, row.answered_by, row.answered_at)
        found.setdefault(row.question_key, []).append(one)
    return found
