"""What charts have: of one study version by version, publishing it again, withdrawing it; and what was written last."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission, Role
from bridge.domain.chart import OWN
from bridge.errors import Incomplete
from bridge.flows.charted import charted
from bridge.store import orders, patients, studies
from bridge.store.listings import recent_versions
from bridge.store.listings.people import person_of
from bridge.web import chart_views, paging, reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("charts", __name__)

_PAGE = 50


@blueprint.get("/chart")
@needs(Permission.READ_STUDIES)
def listed() -> str:
    """Show what was written to charts last, of one server or of all."""
    server = request.args.get("server", "")
    with services().store.read() as tx:
        found = recent_versions.of_all(
            tx, server=server, unbound=caller().sees_unbound, before=paging.before(), limit=_PAGE + 1
        )
    rows, more = paging.cut(found, _PAGE)
    reads.note("charts_listed", detail={"count": len(rows)})
    return render_template(
        "chart/list.html",
        rows=rows,
        server=server,
        servers=services().flows.studies.chart_desk.servers,
        own=OWN,
        sees_all=caller().role != Role.IT,
        next=paging.next_url(rows[-1].version.key if more else None, server=server),
    )


@blueprint.get("/studies/<int:study_key>/chart")
@blueprint.get("/orders/<int:order_key>/chart")
@needs(Permission.READ_STUDIES)
def chart(**row: int) -> str | Response:
    """Show what every chart has of a study, or of an order's exam of which no image is here, version by version."""
    uid = _uid(row)
    with services().store.read() as tx:
        study_key = studies.key_by_uid(tx, uid)
    if study_key is not None and "order_key" in row:
        return redirect(url_for("charts.chart", study_key=study_key), code=303)
    desk, sees_all = services().flows.studies.chart_desk, caller().role != Role.IT
    with services().store.read() as tx:
        view = chart_views.read(tx, charted(tx, uid), desk.servers, desk.takers, caller())
        owner = view.exam.patient_key
        patient = person_of(patients.survivor(tx, owner)) if owner is not None and sees_all else None
    reads.note_charts(view.exam, sees_all=sees_all)
    shown = {"view": view, "patient": patient, "sees_all": sees_all, "own": OWN}
    return render_template("chart/study.html", **shown, done=request.args.get("done", ""), row=row)


@blueprint.post("/studies/<int:study_key>/chart/publish")
@blueprint.post("/orders/<int:order_key>/chart/publish")
@needs(Permission.SEND_STUDIES)
def publish(**row: int) -> Response:
    """Bring a chart, or every one, to what the study, or one part of its exam, is now."""
    form = request.form
    desk = services().flows.studies.chart_desk
    desk.publish(_uid(row), caller().name, form.get("server", ""), form.get("part", ""))
    return _back(row, "published")


@blueprint.post("/studies/<int:study_key>/chart/withdraw")
@blueprint.post("/orders/<int:order_key>/chart/withdraw")
@needs(Permission.SEND_STUDIES)
def withdraw(**row: int) -> Response:
    """Take a study with all that rests on it, or one part of its exam, out of every chart."""
    part = request.form.get("part", "")
    services().flows.studies.chart_desk.withdraw(_uid(row), _reason(), caller().name, part)
    return _back(row, "part_withdrawn" if part else "withdrawn")


@blueprint.post("/studies/<int:study_key>/chart/withdraw/undo")
@blueprint.post("/orders/<int:order_key>/chart/withdraw/undo")
@needs(Permission.SEND_STUDIES)
def take_back(**row: int) -> Response:
    """Let a study, or one part of its exam, into the charts again."""
    part = request.form.get("part", "")
    services().flows.studies.chart_desk.take_back(_uid(row), _reason(), caller().name, part)
    return _back(row, "part_taken_back" if part else "taken_back")


def _uid(row: dict[str, int]) -> str:
    """Return the study's UID. row: of the study, or of an order. Raises: LookupError."""
    with services().store.read() as tx:
        if "order_key" in row:
            return orders.get(tx, row["order_key"]).study_instance_uid
        return studies.get(tx, row["study_key"]).study_instance_uid


def _reason() -> str:
    text = request.form.get("reason", "").strip()
    if not text:
        raise Incomplete("say why, so that others understand it later", where="reason")
    return text[:1000]


def _back(row: dict[str, int], done: str) -> Response:
    said: dict[str, Any] = {**row, "done": done}
    return redirect(url_for("charts.chart", **said), code=303)
