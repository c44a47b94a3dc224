"""What payers paid and denied: their files, and what of them nobody could be found for."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows.take_claim import OUTCOME_WORDS
from bridge.flows.take_payer_file import TakenFile
from bridge.store import claim_outcomes, orders
from bridge.web import paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.desks.payer_files import handed_in

blueprint = Blueprint("claims", __name__)

_ASSIGNED_SHOWN = 10
_OLDER_MOST = 1000


@blueprint.get("/claims")
@needs(Permission.BILL)
def waiting() -> str:
    """Ask for a payer's file, and show which claims are about nobody known."""
    return _page(None, "")


@blueprint.post("/claims")
@needs(Permission.BILL)
def take() -> Response | str:
    """Take a file in, and say what came of it."""
    try:
        raw, name = handed_in()
        done = services().flows.billing.claims.import_file(raw, caller().name, name)
    except (Malformed, Incomplete) as fault:
        return make_response(_page(None, fault.detail), 422)
    return _page(done, "")


@blueprint.post("/claims/<int:outcome_key>/assign")
@needs(Permission.BILL)
def assign(outcome_key: int) -> Response | str:
    """Say which exam a claim is about."""
    try:
        number = request.form.get("accession_number", "").strip()
        services().flows.billing.claims.assign(outcome_key, number, caller().name)
    except (Incomplete, Conflict) as fault:
        return make_response(_page(None, fault.detail), 422)
    return redirect(url_for("claims.waiting"), 303)


@blueprint.post("/claims/<int:outcome_key>/undo")
@needs(Permission.BILL)
def undo(outcome_key: int) -> Response | str:
    """Take back which exam a claim is about."""
    try:
        reason = request.form.get("reason", "")
        services().flows.billing.claims.take_back(outcome_key, reason, caller().name)
    except (Incomplete, Conflict) as fault:
        return make_response(_page(None, fault.detail), 422)
    return redirect(url_for("claims.waiting"), 303)


def _page(done: TakenFile | None, sentence: str) -> str:
    with services().store.read() as tx:
        rows = claim_outcomes.waiting(tx, limit=paging.LIMIT)
        older = claim_outcomes.older(tx, _OLDER_MOST)
        assigned = claim_outcomes.assigned(tx, limit=_ASSIGNED_SHOWN)
        keys = [one.match.order_key for one in assigned if one.match.order_key is not None]
        exams = {key: orders.get(tx, key).accession_number for key in dict.fromkeys(keys)}
    reads.note("claims_listed", detail={"count": len(rows) + len(assigned)})
    return render_template(
        "billing/claims.html",
        done=done,
        sentence=sentence,
        rows=rows,
        older=older,
        older_most=_OLDER_MOST,
        assigned=assigned,
        exams=exams,
        words=OUTCOME_WORDS,
    )
