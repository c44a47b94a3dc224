"""What had left under a wrong patient, and what people must do about it at other systems."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.store import incidents, studies
from bridge.store.listings.people import survivor
from bridge.web import paging, reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("incidents", __name__)

_MOST_TASKS = 200


@blueprint.get("/incidents")
@needs(Permission.DECIDE)
def listed() -> str:
    """Show the open tasks, then every incident, newest first."""
    with services().store.read() as tx:
        rows, more = paging.cut(incidents.recent(tx, before=paging.before(), limit=paging.LIMIT + 1), paging.LIMIT)
        tasks = [] if paging.before() else incidents.tasks(tx, is_open=True, limit=_MOST_TASKS)
        done = [] if paging.before() else incidents.tasks(tx, is_open=False, limit=20)
        people = {key: survivor(tx, key) for row in rows for key in (row.wrong_patient_key, row.right_patient_key)}
        now = {one.key: one.patient_key for one in studies.many(tx, list({row.study_key for row in rows}))}
    reads.note_each("incidents_listed", people.values())
    following = paging.next_url(rows[-1].key if more else None)
    return render_template(
        "intake/incidents.html", rows=rows, tasks=tasks, done=done, people=people, now=now, following=following
    )


@blueprint.post("/incidents/tasks/<int:task_key>")
@needs(Permission.DECIDE)
def done(task_key: int) -> Response:
    """Note that what was asked at another system was done."""
    reason = request.form.get("reason", "").strip()[:1000]
    services().flows.studies.outside_tasks.done(task_key, reason, caller().name)
    return redirect(url_for("incidents.listed"), 303)
