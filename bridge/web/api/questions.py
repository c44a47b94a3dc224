"""Questions to technologists over REST."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.domain.questions import AnswerKind
from bridge.errors import Malformed
from bridge.flows.ask_technologist import Said
from bridge.store import questions, studies
from bridge.web import bodies, question_views, reads
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes
from bridge.web.question_views import AskedQuestion

blueprint = Blueprint("api_questions", __name__, url_prefix="/api")


@blueprint.get("/questions")
@needs(Permission.ANSWER_QUESTIONS)
def list_questions() -> Response:
    """Return the questions that wait for an answer, longest waiting first; `as`: of one device."""
    with services().store.read() as tx:
        rows = question_views.shown(tx, questions.open_ones(tx, request.args.get("as", "")))
    reads.note("questions_listed", detail={"count": len(rows)})
    return jsonify(questions=[question_row(row) for row in rows], next=None)


@blueprint.post("/studies/<study_instance_uid>/questions")
@needs(Permission.DECIDE)
def ask_question(study_instance_uid: str) -> tuple[Response, int]:
    """Ask whoever made the images of an undecided study."""
    body = bodies.only(bodies.json_object(), "remark")
    key = services().flows.studies.casework.questions.ask(
        study_instance_uid, bodies.text(body, "remark"), caller().name
    )
    return _one(key), 201


@blueprint.post("/questions/<int:question_key>/answer")
@needs(Permission.ANSWER_QUESTIONS)
def answer_question(question_key: int) -> Response:
    """Answer a question: with the row of a person it is about, with neither, or in words."""
    body = bodies.only(bodies.json_object(), "answer", "person", "remark")
    said = bodies.text(body, "answer", required=True)
    if said not in tuple(AnswerKind):
        raise Malformed(f"one of {', '.join(AnswerKind)} is wanted", code="not_in_table", where="answer")
    person = body.get("person")
    if person is not None and (isinstance(person, bool) or not isinstance(person, int)):
        raise Malformed("the id of a person is wanted", where="person")
    given = Said(AnswerKind(said), person if said == AnswerKind.PATIENT else None, bodies.text(body, "remark"))
    services().flows.studies.casework.questions.answer(question_key, given, caller().name)
    return _one(question_key)


@blueprint.post("/questions/<int:question_key>/withdraw")
@needs(Permission.DECIDE)
def withdraw_question(question_key: int) -> Response:
    """Take a question back."""
    services().flows.studies.casework.questions.withdraw(question_key, caller().name)
    return _one(question_key)


@blueprint.get("/studies/<study_instance_uid>/questions")
@needs(Permission.DECIDE)
def list_study_questions(study_instance_uid: str) -> Response:
    """Return what was asked about a study, newest first, with every answer."""
    with services().store.read() as tx:
        study = studies.by_uid(tx, study_instance_uid)
        if study is None:
            raise LookupError(study_instance_uid)
        rows = question_views.of_study(tx, study.key)
    reads.note("study_viewed", study_key=study.key)
    return jsonify(questions=[question_row(row) for row in rows], next=None)


def _one(question_key: int) -> Response:
    with services().store.read() as tx:
        (row,) = question_views.shown(tx, [questions.get(tx, question_key)])
    return jsonify(question_row(row))


def question_row(row: AskedQuestion) -> dict[str, Any]:
    """
    Return one question. state: open, answered, withdrawn or decided.

    people: whom it is about; once it is settled, nobody, for those who see no unbound study.
    """
    one = row.question
    people = row.people if one.is_open or caller().sees_unbound else ()
    return {
        "id": one.key,
        "study_instance_uid": row.study.study_instance_uid,
        "state": one.settled_as or "open",
        "question": one.wording,
        "remark": one.remark or None,
        "ae_title": one.ae_title or None,
        "asked_by": one.asked_by,
        "asked_at": shapes.instant(one.asked_at),
        "is_old": row.is_old,
        "people": [{"id": person.key, **(shapes.person(person) or {})} for person in people],
        "answers": [
            {
                "answer": answer.kind.value,
                "person": answer.patient_key,
                "remark": answer.remark or None,
                "by": answer.answered_by,
                "at": shapes.instant(answer.answered_at),
            }
            for answer in one.answers
        ],
    }
