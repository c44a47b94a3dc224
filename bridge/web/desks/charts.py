"""What charts have: of one study version by version, publishing it again, withdrawing it; and what was written last."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission, Role
from bridge.domain.chart import OWN
from bridge.errors import Incomplete
from bridge.store import patients, studies
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
@needs(Permission.READ_STUDIES)
def chart(study_key: int) -> str:
    """Show what every chart has of a study, version by version."""
    desk, sees_all = services().flows.studies.chart_desk, caller().role != Role.IT
    with services().store.read() as tx:
        view = chart_views.read(tx, studies.get(tx, study_key), desk.servers, desk.takers, caller())
        key = view.study.patient_key
        patient = person_of(patients.survivor(tx, key)) if key is not None and sees_all else None
    reads.note("chart_viewed", study_key=study_key, patient_key=view.study.patient_key if sees_all else None)
    return render_template(
        "chart/study.html", view=view, patient=patient, sees_all=sees_all, own=OWN, done=request.args.get("done", "")
    )


@blueprint.post("/studies/<int:study_key>/chart/publish")
@needs(Permission.SEND_STUDIES)
def publish(study_key: int) -> Response:
    """Bring a chart, or every one, to what the study, or one part of its exam, is now."""
    form = request.form
    desk = services().flows.studies.chart_desk
    desk.publish(_uid(study_key), caller().name, form.get("server", ""), form.get("part", ""))
    return _back(study_key, "published")


@blueprint.post("/studies/<int:study_key>/chart/withdraw")
@needs(Permission.SEND_STUDIES)
def withdraw(study_key: int) -> Response:
    """Take a study with all that rests on it, or one part of its exam, out of every chart."""
    part = request.form.get("part", "")
    services().flows.studies.chart_desk.withdraw(_uid(study_key), _reason(), caller().name, part)
    return _back(study_key, "part_withdrawn" if part else "withdrawn")


@blueprint.post("/studies/<int:study_key>/chart/withdraw/undo")
@needs(Permission.SEND_STUDIES)
def take_back(study_key: int) -> Response:
    """Let a study, or one part of its exam, into the charts again."""
    part = request.form.get("part", "")
    services().flows.studies.chart_desk.take_back(_uid(study_key), _reason(), caller().name, part)
    return _back(study_key, "part_taken_back" if part else "taken_back")


def _uid(study_key: int) -> str:
    with services().store.read() as tx:
        return studies.get(tx, study_key).study_instance_uid


def _reason() -> str:
    text = request.form.get("reason", "").strip()
    if not text:
        raise Incomplete("say why, so that others understand it later", where="reason")
    return text[:1000]


def _back(study_key: int, done: str) -> Response:
    return redirect(url_for("charts.chart", study_key=study_key, done=done), code=303)
