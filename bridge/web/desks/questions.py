"""Ask the technologist: from a case to the device that made the images, and one tap back."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.questions import AnswerKind
from bridge.errors import Conflict, Incomplete, Refused
from bridge.flows.ask_technologist import Said
from bridge.pictures.wish import Wish
from bridge.store import questions
from bridge.store.listings import study_page
from bridge.web import picture_answers, question_views, reads
from bridge.web.access import caller, needs, services
from bridge.web.picture_answers import THUMBNAIL
from bridge.web.study_views import uid_of

blueprint = Blueprint("questions", __name__)


@blueprint.get("/questions")
@needs(Permission.ANSWER_QUESTIONS)
def listed() -> str:
    """Show what waits for an answer: of the device in the address, or of all."""
    device = request.args.get("device", "")
    with services().store.read() as tx:
        rows = question_views.shown(tx, questions.open_ones(tx, device))
    reads.note("questions_listed", detail={"count": len(rows)})
    return render_template("intake/questions.html", rows=rows, device=device)


@blueprint.get("/questions/<int:question_key>")
@needs(Permission.ANSWER_QUESTIONS)
def question(question_key: int) -> str:
    """Show one question with pictures, and the people it is about."""
    return _page(question_key, "", "")


@blueprint.post("/questions/<int:question_key>")
@needs(Permission.ANSWER_QUESTIONS)
def answer(question_key: int) -> Response | str:
    """Take an answer, by one tap or in words."""
    choice, _, number = request.form.get("answer", "").partition(":")
    remark = request.form.get("remark", "").strip()[:400]
    try:
        services().flows.studies.casework.questions.answer(question_key, _said(choice, number, remark), caller().name)
    except (Conflict, Incomplete) as fault:
        return make_response(_page(question_key, fault.detail, remark), 422)
    return redirect(url_for("questions.question", question_key=question_key), 303)


@blueprint.post("/questions/<int:question_key>/withdraw")
@needs(Permission.DECIDE)
def withdraw(question_key: int) -> Response:
    """Take a question back."""
    study = services().flows.studies.casework.questions.withdraw(question_key, caller().name)
    return redirect(url_for("intake.study", study_key=study.key, _anchor="asked"), 303)


@blueprint.post("/mismatches/study/<int:study_key>/ask-technologist")
@needs(Permission.DECIDE)
def ask(study_key: int) -> Response:
    """Ask whoever made the images."""
    uid = uid_of(study_key)
    services().flows.studies.casework.questions.ask(uid, request.form.get("remark", "").strip()[:400], caller().name)
    return redirect(url_for("intake.study", study_key=study_key, _anchor="asked"), 303)


@blueprint.get("/questions/<int:question_key>/images/<int:instance_key>/picture")
@needs(Permission.ANSWER_QUESTIONS)
def picture(question_key: int, instance_key: int) -> Response:
    """Hand out a picture of what is asked about, to a browser that was shown the question, as long as it is open."""
    with services().store.read() as tx:
        asked = questions.get(tx, question_key)
        picture_answers.check_look(asked.study_key)
        if not asked.is_open and not caller().sees_unbound:
            raise Refused("this question waits no longer", code="settled")
        instance = study_page.instance_of(tx, asked.study_key, instance_key)
    wish = Wish(width=THUMBNAIL, height=THUMBNAIL)
    return picture_answers.answer(*picture_answers.draw_instance(instance, wish))


def _said(choice: str, number: str, remark: str) -> Said:
    if choice == AnswerKind.PATIENT and number.isdecimal() and len(number) <= 18:
        return Said(AnswerKind.PATIENT, int(number), remark)
    if choice in (AnswerKind.NEITHER, AnswerKind.WORDS):
        return Said(AnswerKind(choice), None, remark)
    raise Incomplete("choose an answer", code="not_in_table", where="answer")


def _page(question_key: int, sentence: str, remark: str) -> str:
    with services().store.read() as tx:
        (row,) = question_views.shown(tx, [questions.get(tx, question_key)])
        pictures = question_views.pictured(tx, row.study.key) if row.question.is_open else []
    # Once it is settled, those who see no unbound study see no more of this one than what they said.
    is_whole = row.question.is_open or caller().sees_unbound
    reads.note("question_viewed", study_key=row.study.key, detail={"question": question_key})
    reads.note_compared(row.study.key, row.people if is_whole else ())
    look = picture_answers.look_token(row.study.key)
    return render_template(
        "intake/question.html",
        row=row,
        shown=pictures,
        look=look,
        is_whole=is_whole,
        sentence=sentence,
        remark=remark,
    )
