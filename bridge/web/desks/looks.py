"""Bound studies at which somebody should look: what their images say does not fit what was ordered."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.store.listings import look_rows
from bridge.web import paging, reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("looks", __name__)


@blueprint.get("/mismatches/looks")
@needs(Permission.DECIDE)
def listed() -> str:
    """Show what waits for a look, newest first."""
    with services().store.read() as tx:
        found = look_rows.bound_waiting(tx, before=paging.before(), limit=paging.LIMIT + 1)
    rows, more = paging.cut(found, paging.LIMIT)
    reads.note_each("looks_listed", (row.patient for row in rows))
    following = paging.next_url(rows[-1].key if more else None)
    return render_template("intake/looks.html", rows=rows, following=following)


@blueprint.post("/studies/<int:study_key>/looked")
@needs(Permission.DECIDE)
def see(study_key: int) -> Response:
    """Note that somebody looked, and go back to where they came from."""
    form = request.form
    services().flows.studies.casework.looks.see(
        study_key, form.get("subject", ""), form.get("remark", "").strip()[:400], caller().name
    )
    if form.get("from") == "list":
        return redirect(url_for("looks.listed"), 303)
    return redirect(url_for("studies.study", study_key=study_key, _anchor="checklist"), 303)
