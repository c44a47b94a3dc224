"""The worklist as a device would get it, and why an order is or is not on it."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from bridge.domain.accounts import Permission
from bridge.store.listings import worklists
from bridge.web import reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("worklist", __name__)

_SHOWN_MAX = 500


@blueprint.get("/worklist")
@needs(Permission.READ_WORKLIST)
def show() -> str:
    """Show the live entries of one device, or of all."""
    title = request.args.get("as", "")
    with services().store.read() as tx:
        rows = worklists.items(tx, title, limit=_SHOWN_MAX)
        known = worklists.device_titles(tx)
    reads.note("worklist_viewed", detail={"as": title, "count": len(rows)})
    modalities = [p.ae_title for p in services().settings.dicom.peers if "modality" in p.roles]
    titles = sorted({*known, *modalities})
    return render_template("exams/worklist.html", rows=rows, titles=titles, title=title, explained=None)


@blueprint.post("/worklist/explain")
@needs(Permission.EXPLAIN_WORKLIST)
def explain() -> str:
    """Say in words why a device is shown an order, or is not."""
    number, title = request.form.get("accession_number", "").strip(), request.form.get("as", "").strip()
    with services().store.read() as tx:
        shown, reasons = worklists.explain(tx, number, title)
        rows = worklists.items(tx, title, limit=_SHOWN_MAX)
        known = worklists.device_titles(tx)
    reads.note("worklist_explained", detail={"by": caller().role.value})
    explained = {"number": number, "shown": shown, "reasons": reasons}
    return render_template("exams/worklist.html", rows=rows, titles=known, title=title, explained=explained)
