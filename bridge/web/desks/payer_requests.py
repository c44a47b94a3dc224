"""What a payer is asked about an authorization, on one page: what would leave, what left, what came back."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.authorization import ASKED_ANEW
from bridge.domain.payer_request import RequestKind, RequestState
from bridge.errors import Conflict, Incomplete, Unsupported
from bridge.store import authorizations, payer_requests, tellings
from bridge.store.listings.people import by_key
from bridge.web import answer_files, reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("payer_requests", __name__, url_prefix="/authorizations/<int:authorization_key>/payer")

KIND_WORDS = {
    RequestKind.SUBMIT: "Asked for the authorization",
    RequestKind.UPDATE: "Sent what changed",
    RequestKind.CANCEL: "Asked to end it",
    RequestKind.INQUIRE: "Asked how it stands",
}
STATE_WORDS = {
    RequestState.WAITING: ("waiting", "on its way"),
    RequestState.BEGUN: ("waiting", "perhaps with the payer"),
    RequestState.ANSWERED: ("done", "answered"),
    RequestState.FAILED: ("failed", "not taken"),
    RequestState.DROPPED: ("done", "given up"),
}


@blueprint.get("")
@needs(Permission.BILL)
def page(authorization_key: int) -> str:
    """Show what the payer was asked, and what would be asked now."""
    return _page(authorization_key, "")


@blueprint.get("/answers/<int:answer_key>")
@needs(Permission.BILL)
def answer(authorization_key: int, answer_key: int) -> Response:
    """Hand out what the payer answered, as it came."""
    return answer_files.answer_to_request(authorization_key, answer_key)


@blueprint.post("/ask")
@needs(Permission.BILL)
def ask(authorization_key: int) -> Response | str:
    """Let the request go that the page shows."""
    desk = services().flows.billing.payers
    return _done(authorization_key, lambda: desk.ask(authorization_key, _reason(), caller().name))


@blueprint.post("/cancel")
@needs(Permission.BILL)
def cancel(authorization_key: int) -> Response | str:
    """Let the payer know that nothing of it is wanted any more."""
    desk = services().flows.billing.payers
    return _done(authorization_key, lambda: desk.cancel(authorization_key, _reason(), caller().name))


@blueprint.post("/inquire")
@needs(Permission.BILL)
def inquire(authorization_key: int) -> Response | str:
    """Ask the payer how it stands."""
    desk = services().flows.billing.payers
    return _done(authorization_key, lambda: desk.inquire(authorization_key, caller().name))


@blueprint.post("/trace")
@needs(Permission.BILL)
def name_trace(authorization_key: int) -> Response | str:
    """Say under which trace the payer has it."""
    entry, trace = services().flows.billing.entry, request.form.get("trace", "")
    return _done(authorization_key, lambda: entry.name_trace(authorization_key, trace, caller().name))


@blueprint.post("/anew")
@needs(Permission.BILL)
def ask_anew(authorization_key: int) -> Response | str:
    """Draft a request of its own for what was denied, or is over."""
    try:
        made = services().flows.billing.entry.ask_anew(authorization_key, _reason(), caller().name)
    except (Incomplete, Conflict) as fault:
        return make_response(_page(authorization_key, fault.detail), 422)
    return redirect(url_for("payer_requests.page", authorization_key=made), 303)


@blueprint.post("/<int:request_key>/settle")
@needs(Permission.BILL)
def settle(authorization_key: int, request_key: int) -> Response | str:
    """Say whether the payer has a request that it never answered."""
    desk, has_it = services().flows.billing.payers, request.form.get("has_it") == "yes"
    return _done(
        authorization_key,
        lambda: desk.settle_unknown(
            authorization_key, request_key, has_it=has_it, reason=_reason(), actor=caller().name
        ),
    )


def _done(authorization_key: int, work: Callable[[], object]) -> Response | str:
    try:
        work()
    except (Incomplete, Conflict, Unsupported) as fault:
        return make_response(_page(authorization_key, fault.detail), 422)
    return redirect(url_for("payer_requests.page", authorization_key=authorization_key), 303)


def _reason() -> str:
    return request.form.get("reason", "").strip()


def _page(authorization_key: int, sentence: str) -> str:
    with services().store.read() as tx:
        one = authorizations.get(tx, authorization_key)
        desk = services().flows.billing.payers
        proposal = desk.propose(tx, one)
        asked = payer_requests.of_authorization(tx, authorization_key)
        answers = payer_requests.answers_of(tx, authorization_key)
        patient = by_key(tx, [one.patient_key]).get(one.patient_key)
        payer = desk.payer_of(one)
        telling = tellings.find(tx, payer.name) if payer is not None and payer.tells else None
    reads.note("payer_requests_viewed", patient_key=one.patient_key)
    return render_template(
        "billing/payer.html",
        one=one,
        patient=patient,
        proposal=proposal,
        asked=asked,
        was_asked=any(each.state == RequestState.ANSWERED and each.changes_something for each in asked),
        answers=answers,
        is_over=one.status in ASKED_ANEW,
        kinds=KIND_WORDS,
        states=STATE_WORDS,
        payer=payer,
        telling=telling,
        sentence=sentence,
    )
