"""What payers ask to see, the soonest due first: whose it is, what answers it, and what is declined."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.evidence_request import AskState, in_words
from bridge.errors import Conflict, Incomplete
from bridge.store import authorizations, evidence_requests
from bridge.web import reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("evidence_requests", __name__, url_prefix="/authorizations/requests")

_ENDED = (AskState.ANSWERED, AskState.DECLINED, AskState.CLOSED)


@blueprint.get("")
@needs(Permission.BILL)
def every() -> str:
    """Show what payers ask to see."""
    return _page("")


@blueprint.post("/<int:request_key>/assign")
@needs(Permission.BILL)
def assign(request_key: int) -> Response | str:
    """Say which authorization a request is about."""
    number = request.form.get("number", "").strip()
    try:
        found = services().flows.billing.requests.assign(request_key, number, caller().name)
    except Conflict as fault:
        return make_response(_page(fault.detail), 422)
    except LookupError:
        return make_response(_page("no one authorization goes by that number"), 422)
    return redirect(url_for("billing.authorization", authorization_key=found.authorization_key), 303)


@blueprint.post("/<int:request_key>/decline")
@needs(Permission.BILL)
def decline(request_key: int) -> Response | str:
    """Tell a payer that it gets nothing, and why."""
    try:
        services().flows.billing.requests.decline(request_key, request.form.get("reason", ""), caller().name)
    except (Conflict, Incomplete) as fault:
        return make_response(_page(fault.detail), 422)
    return redirect(url_for("evidence_requests.every"), 303)


def _page(sentence: str) -> str:
    with services().store.read() as tx:
        waiting = evidence_requests.open_ones(tx)
        ended = evidence_requests.open_ones(tx, states=_ENDED, limit=20)
        keys = {one.authorization_key for one in (*waiting, *ended) if one.authorization_key is not None}
        named = {key: authorizations.get(tx, key) for key in keys}
        times = {one.key: len(evidence_requests.with_repetitions(tx, one.key)) for one in waiting}
    reads.note("evidence_requests_listed", detail={"count": len(waiting)})
    return render_template(
        "billing/requests.html",
        waiting=waiting,
        ended=ended,
        named=named,
        times=times,
        words=in_words,
        sentence=sentence,
        now=services().clock.now(),
    )
