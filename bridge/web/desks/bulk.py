"""Many cases with one cause, done as one: chosen in the queue, watched, and taken back as one."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.store import bulk_jobs
from bridge.store.listings import bulk_rows
from bridge.web import case_words, reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("bulk", __name__)

_LISTED_MAX = 50
_SHOWN_MAX = 200
_REASON_MAX = 400


@blueprint.get("/mismatches/bulk")
@needs(Permission.DECIDE)
def listed() -> str:
    """Show the newest bulks."""
    with services().store.read() as tx:
        rows = [(job, bulk_jobs.tally(tx, job)) for job in bulk_jobs.recent(tx, _LISTED_MAX)]
    return render_template("intake/bulks.html", rows=rows)


@blueprint.post("/mismatches/bulk/close")
@needs(Permission.DECIDE)
def close() -> Response:
    """Close the cases that were ticked."""
    because = case_words.REJECTIONS.get(request.form.get("because", ""), "")
    said = request.form.get("reason", "").strip()[:_REASON_MAX]
    reason = ": ".join(filter(None, (because, said)))
    chosen = [_key(text) for text in request.form.getlist("study")]
    key = services().flows.studies.casework.bulk.close(chosen, reason, caller().name)
    return redirect(url_for("bulk.one", bulk_key=key), 303)


@blueprint.get("/mismatches/bulk/<int:bulk_key>")
@needs(Permission.DECIDE)
def one(bulk_key: int) -> str:
    """Show what was asked for, how far it has come, and what came of each study."""
    with services().store.read() as tx:
        job = bulk_jobs.get(tx, bulk_key)
        tally = bulk_jobs.tally(tx, job)
        rows = bulk_rows.of_bulk(tx, bulk_key, _SHOWN_MAX)
    reads.note("bulk_viewed", detail={"bulk": bulk_key, "count": len(rows)})
    return render_template("intake/bulk.html", job=job, tally=tally, rows=rows, words=case_words)


@blueprint.post("/mismatches/bulk/<int:bulk_key>/undo")
@needs(Permission.DECIDE)
def undo(bulk_key: int) -> Response:
    """Take all of it back."""
    reason = request.form.get("reason", "")[:_REASON_MAX]
    services().flows.studies.casework.bulk.undo(bulk_key, reason, caller().name)
    return redirect(url_for("bulk.one", bulk_key=bulk_key), 303)


def _key(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise Malformed("a study's number is wanted", where="study")
    return int(text)
