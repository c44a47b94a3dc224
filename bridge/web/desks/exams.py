"""The search box, and the exam page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.codecs.dicom.performed_details import details_of
from bridge.domain.accounts import Permission
from bridge.domain.by_hand import may_take_back
from bridge.domain.device_losses import LOSS_WORDS, TEXT_WORDS
from bridge.domain.order import LIVE, WAITING
from bridge.domain.performed_reasons import reason_in_words
from bridge.domain.study import Study
from bridge.flows.offer_evidence import OfferedAuthorization
from bridge.flows.sign_in import remember_search
from bridge.store.listings import study_page
from bridge.store.listings.exam_detail import Exam
from bridge.store.listings.study_page import ShownSeries
from bridge.web import reads
from bridge.web.access import caller, needs, services, session
from bridge.web.page import STATIONS
from bridge.web.study_views import warnings_in_words

blueprint = Blueprint("exams", __name__)


@blueprint.post("/search")
@needs(Permission.SIGNED_IN)
def search() -> Response:
    """Keep what was typed with the session and go to its result: the address never holds it."""
    text = request.form.get("q", "").strip()
    if not text:
        return redirect(url_for("sign_in.home"), 303)
    number = remember_search(services().store, session(), text)
    return redirect(url_for("exams.found", number=number), 303)


@blueprint.get("/search/<int:number>")
@needs(Permission.SIGNED_IN)
def found(number: int) -> Response | str:
    """Show what a search found, or the exam itself where there is just one."""
    searches = session().searches
    if not 1 <= number <= len(searches):
        return make_response(render_template("exams/search_gone.html"), 410)
    text = searches[number - 1]
    if not caller().may(Permission.READ_EXAMS):
        return redirect(url_for("messages.found", number=number), 303)
    result = reads.find_exams(text)
    if len(result.exams) == 1:
        return redirect(url_for("exams.exam", reference=result.exams[0].id), 303)
    return render_template("exams/search.html", text=text, recognised=result.recognised, rows=result.exams, messages=[])


@blueprint.get("/exams/<reference>")
@needs(Permission.READ_EXAMS)
def exam(reference: str) -> str:
    """Show one exam: its head, the seven stations, its timeline."""
    one = reads.read_exam(reference)
    return render_template(
        "exams/exam.html",
        exam=one,
        shown=_shown(one),
        problems=_problems(one),
        minded=_minded(one),
        names=STATIONS,
        undoable=may_take_back,
        attachable=_attachable(one),
        details_of=details_of,
        reason_in_words=reason_in_words,
    )


@blueprint.get("/documents/<int:document_key>")
@needs(Permission.READ_EXAMS)
def document(document_key: int) -> Response:
    """Hand out a document of a report that stands."""
    return reads.open_document(document_key)


def _attachable(one: Exam) -> list[tuple[Study, list[OfferedAuthorization]]]:
    """Return each bound study of an exam with the authorizations of its patient, for those who bill."""
    if not caller().may(Permission.BILL):
        return []
    desk = services().flows.billing.evidence
    with services().store.read() as tx:
        return [(each.study, desk.authorizations_for(tx, each.study)) for each in one.studies if each.study.is_bound]


def _shown(one: Exam) -> dict[int, list[ShownSeries]]:
    """Return the series of each study of an exam."""
    with services().store.read() as tx:
        return {each.study.key: study_page.series_of(tx, each.study.key) for each in one.studies}


def _kept_off(order_key: int | None) -> list[dict[str, str]]:
    """Return whose worklist an exam that waits is kept off, and why."""
    found: list[dict[str, str]] = []
    for title, why in services().flows.kept_off(order_key) if order_key is not None else ():
        parameters: dict[str, Any] = {"order_key": order_key} | ({"as": title} if title else {})
        may = caller().may(Permission.EXPLAIN_WORKLIST)
        address = url_for("worklist.explained_order", **parameters) if may else ""
        whose = f"Kept off {title}'s worklist. " if title else ""
        sentence = why.sentence if why.code == "withheld" else f"{whose or 'Kept off every worklist. '}{why.sentence}"
        found.append({"sentence": sentence, "action": "Explain", "url": address})
    return found


def _not_whole(order_key: int | None) -> list[dict[str, str]]:
    """Return what of an exam that waits its device does not get whole."""
    found: list[dict[str, str]] = []
    for title, one in services().flows.devices.losses_of(order_key) if order_key is not None else ():
        address = url_for("devices.device", title=title) if caller().may(Permission.READ_PEERS) else ""
        words = " and ".join(LOSS_WORDS[loss] for loss in one.losses)
        sentence = f"On {title}, {TEXT_WORDS[one.keyword]} reads {one.shown}: it {words}."
        found.append({"sentence": sentence, "action": "Look", "url": address})
    return found


def _minded(one: Exam) -> dict[int, list[str]]:
    """Return what to mind about the images of each study, beside the grave things that stand on top of the page."""
    return {
        study.study.key: [each.sentence for each in warnings_in_words(study, one.order) if not each.is_grave]
        for study in one.studies
    }


def _problems(one: Exam) -> list[dict[str, str]]:
    """Return what is wrong, each in one sentence with the page where it is mended."""
    found = _kept_off(one.row.order_key) if one.order is not None and one.order.status in WAITING else []
    found += _not_whole(one.row.order_key) if one.order is not None and one.order.status in LIVE else []
    for study in one.studies:
        if not study.study.is_bound and not study.study.closed_reason:
            address = url_for("intake.study", study_key=study.study.key) if caller().may(Permission.DECIDE) else ""
            sentence = "Nobody has confirmed yet whose images these are; nothing leaves until someone does."
            found.append({"sentence": sentence, "action": "Decide", "url": address})
        grave = [each for each in warnings_in_words(study, one.order) if each.is_grave]
        found += [{"sentence": each.sentence, "action": "", "url": ""} for each in grave]
        for delivery in study.deliveries:
            if delivery.state == "dead" and delivery.settled_at is None:
                may = caller().may(Permission.READ_DELIVERIES)
                address = url_for("it.delivery", delivery_key=delivery.key) if may else ""
                sentence = f"Sending to {delivery.destination} was given up after {delivery.attempts} tries."
                found.append({"sentence": sentence, "action": "Look", "url": address})
    if one.is_deleted:
        address = url_for("intake.merges") if caller().may(Permission.DECIDE) else ""
        sentence = "Registration deleted this patient's record; nothing of the exam was erased."
        found.append({"sentence": sentence, "action": "Look", "url": address})
    if one.order is not None and one.order.status == "CANCELED" and one.studies:
        found.append({"sentence": "The order was cancelled, but images have arrived.", "action": "", "url": ""})
    return found
