"""Today's board, the search box, and the exam page."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.flows.sign_in import remember_search
from bridge.store.listings import exams
from bridge.store.listings.exam_detail import Exam
from bridge.store.listings.exams import ExamRow
from bridge.web import reads
from bridge.web.access import caller, needs, services, session
from bridge.web.page import STATIONS

blueprint = Blueprint("exams", __name__)

_BOARD_MAX = 300


@blueprint.get("/today")
@needs(Permission.READ_EXAMS)
def today() -> str:
    """Show the day's exams by time, and how far each has come."""
    day = _day(request.args.get("day", ""))
    device = request.args.get("device", "")
    with services().store.read() as tx:
        unbound = caller().sees_unbound
        rows = exams.on_day(tx, day.strftime("%Y%m%d"), _BOARD_MAX, unbound=unbound)
        newest = exams.recent(tx, before=None, limit=20, unbound=unbound) if not rows else []
    reads.note("exams_listed", detail={"count": len(rows or newest)})
    shown = [row for row in rows if not device or device in row.station_ae_titles]
    return render_template(
        "exams/today.html",
        day=day,
        rows=shown,
        newest=newest,
        devices=sorted({title for row in rows for title in row.station_ae_titles}),
        device=device,
        reached=_reached(shown),
        hours=_hours(shown),
        before=(day - timedelta(days=1)).isoformat()[:10],
        after=(day + timedelta(days=1)).isoformat()[:10],
    )


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
    return render_template("exams/exam.html", exam=one, problems=_problems(one), names=STATIONS)


@blueprint.get("/documents/<int:document_key>")
@needs(Permission.READ_EXAMS)
def document(document_key: int) -> Response:
    """Hand out a document of a report that stands."""
    return reads.open_document(document_key)


def _problems(one: Exam) -> list[dict[str, str]]:
    """Return what is wrong, each in one sentence with the page where it is mended."""
    found: list[dict[str, str]] = []
    for study in one.studies:
        if not study.study.is_bound and not study.study.closed_reason:
            address = url_for("intake.study", study_key=study.study.key) if caller().may(Permission.DECIDE) else ""
            sentence = "Nobody has confirmed yet whose images these are; nothing leaves until someone does."
            found.append({"sentence": sentence, "action": "Decide", "url": address})
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


def _day(text: str) -> datetime:
    zone = services().settings.time_zone
    if not text:
        return services().clock.now().astimezone(zone)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone)
    except ValueError:
        raise Malformed("YYYY-MM-DD is wanted", where="day") from None


def _reached(rows: list[ExamRow]) -> list[tuple[str, int]]:
    counted = Counter(row.station.value for row in rows if row.status != "CANCELED")
    return [(name, counted[name]) for name in STATIONS]


def _hours(rows: list[ExamRow]) -> list[tuple[int, int, int]]:
    """Return (hour, exams scheduled, of those performed) from the first to the last hour of the day's work."""
    performed = set(list(STATIONS)[2:])
    every = Counter(int(row.scheduled_local[8:10]) for row in rows if len(row.scheduled_local) >= 10)
    done = Counter(
        int(row.scheduled_local[8:10])
        for row in rows
        if len(row.scheduled_local) >= 10 and row.station.value in performed
    )
    if not every:
        return []
    return [(hour, every[hour], done[hour]) for hour in range(min(*every, 8), max(*every, 17) + 1)]
