"""Many cases with one cause, done as one: chosen in the queue, watched, and taken back as one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.bulk import Repairing
from bridge.errors import Incomplete, Malformed
from bridge.store import bulk_jobs
from bridge.store.listings import bulk_rows
from bridge.store.listings.mismatch_queue import tally_queue
from bridge.web import case_words, reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("bulk", __name__)

_LISTED_MAX = 50
_SHOWN_MAX = 200
_REASON_MAX = 400
_DAY_LENGTH = len("2026-03-02")
# What is filled in for each cause: whoever fills it in has chosen it.
_FIELDS = {"clock": ("clock_by",), "strip": ("prefix", "suffix"), "charset": ("is",)}


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


@blueprint.get("/mismatches/bulk/repair")
@needs(Permission.DECIDE)
def repair_form() -> str:
    """Ask which device, when, and what it wrote wrongly."""
    today = services().clock.now().astimezone(services().settings.time_zone)
    return _form({"device": request.args.get("device", "")[:64], "since": f"{today:%Y-%m-%d} 00:00"}, "")


@blueprint.post("/mismatches/bulk/repair")
@needs(Permission.DECIDE)
def preview() -> Response | str:
    """Try what a device's waiting studies would come to; nothing changes."""
    form = request.form
    try:
        repairing = Repairing(form.get("device", "").strip()[:64], _time("since"), _until(), _entry(form))
        key = services().flows.studies.casework.bulk.preview(repairing, caller().name)
    except (Incomplete, Malformed) as fault:
        return make_response(_form(form, fault.to_caller), 422)
    return redirect(url_for("bulk.one", bulk_key=key), 303)


@blueprint.post("/mismatches/bulk/<int:bulk_key>/apply")
@needs(Permission.DECIDE)
def apply(bulk_key: int) -> Response:
    """Let a repair count that was tried."""
    reason = request.form.get("reason", "")[:_REASON_MAX]
    services().flows.studies.casework.bulk.apply(bulk_key, reason, caller().name)
    return redirect(url_for("bulk.one", bulk_key=bulk_key), 303)


@blueprint.post("/mismatches/bulk/<int:bulk_key>/drop")
@needs(Permission.DECIDE)
def drop(bulk_key: int) -> Response:
    """Let go of a repair that was tried."""
    services().flows.studies.casework.bulk.drop(bulk_key, caller().name)
    return redirect(url_for("bulk.listed"), 303)


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


def _form(said: Mapping[str, str], fault: str) -> str:
    with services().store.read() as tx:
        devices = sorted(name for name in tally_queue(tx, services().clock.now()).devices if name)
    return render_template("intake/bulk_repair.html", said=said, devices=devices, fault=fault)


def _until() -> datetime | None:
    """Return the end of the time; a day without a time counts whole."""
    said = request.form.get("until", "").strip()
    if not said:
        return None
    return _time("until") + timedelta(days=1 if len(said) == _DAY_LENGTH else 0)


def _time(name: str) -> datetime:
    """Return a time of the hospital's clock."""
    try:
        told = datetime.fromisoformat(request.form.get(name, "").strip())
    except ValueError:
        words = "say when: a day and a time, as 2026-03-02 08:00"
        raise Incomplete(words, code="not_a_time", where=name) from None
    return told if told.tzinfo is not None else told.replace(tzinfo=services().settings.time_zone)


def _entry(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the repair as a device's file would have it."""
    kind = form.get("do") or _kind_filled_in(form)
    if kind == "clock":
        return {"do": kind, "ahead_minutes": _minutes(form)}
    if kind == "charset":
        return {"do": kind, "is": form.get("is", "").strip()[:64], "always": True}
    wrong = {name: text for name in ("prefix", "suffix") if (text := form.get(name, "").strip()[:64])}
    of = form.get("of", "")
    return {"do": kind, "of": ["PatientID", "AccessionNumber"] if of == "both" else [of], **wrong}


def _kind_filled_in(form: Mapping[str, str]) -> str:
    """Return what was wrong by what is filled in. Raises: Incomplete, where that is nothing or of several kinds."""
    filled = [kind for kind, names in _FIELDS.items() if any(form.get(name, "").strip() for name in names)]
    if len(filled) != 1:
        raise Incomplete("choose what was wrong", code="missing", where="do")
    return filled[0]


def _minutes(form: Mapping[str, str]) -> int:
    """Return how far the clock went ahead. Raises: Incomplete, if that is no whole number."""
    said = form.get("clock_by", "").strip()[:8]
    if not (said.isascii() and said.isdecimal()) or not int(said):
        raise Incomplete("say by how much the clock went wrong, as a whole number", code="missing", where="clock_by")
    minutes = int(said) * {"hours": 60, "days": 24 * 60}.get(form.get("clock_unit", ""), 1)
    return -minutes if form.get("clock_way") == "behind" else minutes


def _key(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise Malformed("a study's number is wanted", where="study")
    return int(text)
