"""What a payer was asked about an authorization by FHIR, what would be asked now, and its answers as they came."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.payer_request import PayerRequest, RequestKind
from bridge.errors import Malformed
from bridge.leaving.pas_way import Proposal
from bridge.store import authorizations, payer_requests
from bridge.store.payer_requests import HeardAnswer
from bridge.web import answer_files, bodies, reads
from bridge.web.access import caller, needs, services
from bridge.web.api.shapes import instant

blueprint = Blueprint("api_payer_requests", __name__, url_prefix="/api/authorizations/<int:authorization_key>/requests")
_ASKED = ("request", "cancel", "inquire")


@blueprint.get("")
@needs(Permission.BILL)
def list_requests(authorization_key: int) -> Response:
    """Return what the payer was asked about an authorization, what it answered, and what would be asked now."""
    with services().store.read() as tx:
        one = authorizations.get(tx, authorization_key)
        proposal = services().flows.billing.payers.propose(tx, one)
        asked = payer_requests.of_authorization(tx, authorization_key)
        answers = payer_requests.answers_of(tx, authorization_key)
    reads.note("payer_requests_viewed", patient_key=one.patient_key)
    return jsonify(
        requests=[_request(each) for each in asked],
        answers=[_response(each) for each in answers],
        proposed=_proposal(proposal),
        next=None,
    )


@blueprint.get("/answers/<int:answer_key>")
@needs(Permission.BILL)
def read_answer(authorization_key: int, answer_key: int) -> Response:
    """Return what the payer answered, as it came."""
    return answer_files.answer_to_request(authorization_key, answer_key)


@blueprint.post("")
@needs(Permission.BILL)
def ask(authorization_key: int) -> tuple[Response, int]:
    """Let a request go to the payer: request (the first one, or what changed), cancel or inquire."""
    body = bodies.only(bodies.json_object(), "as", "reason")
    what = bodies.text(body, "as", required=True)
    if what not in _ASKED:
        raise Malformed(f"any of {', '.join(_ASKED)} is wanted", code="not_in_table", where="as")
    desk, actor = services().flows.billing.payers, caller().name
    if what == RequestKind.INQUIRE:
        made = desk.inquire(authorization_key, actor)
    else:
        reason = bodies.text(body, "reason", required=True)
        made = (desk.cancel if what == RequestKind.CANCEL else desk.ask)(authorization_key, reason, actor)
    return jsonify(_request(made)), 201


@blueprint.post("/<int:request_key>/settle")
@needs(Permission.BILL)
def settle(authorization_key: int, request_key: int) -> Response:
    """Say whether the payer has a request that it never answered; if not, it is sent again."""
    body = bodies.only(bodies.json_object(), "payer_has_it", "reason")
    has_it = body.get("payer_has_it")
    if not isinstance(has_it, bool):
        raise Malformed("true or false is wanted", where="payer_has_it")
    reason = bodies.text(body, "reason", required=True)
    services().flows.billing.payers.settle_unknown(
        authorization_key, request_key, has_it=has_it, reason=reason, actor=caller().name
    )
    with services().store.read() as tx:
        return jsonify(_request(payer_requests.get(tx, request_key)))


def _request(one: PayerRequest) -> dict[str, Any]:
    return {
        "id": one.key,
        "as": one.kind.value,
        "payer": one.payer,
        "state": one.state.value,
        "trace": one.trace,
        "lines": [line.sequence for line in one.lines],
        "cancelled": list(one.cancelled),
        "control_numbers": list(one.control_numbers),
        "attachment": one.attachment_key,
        "asked_by": one.asked_by,
        "reason": one.reason or None,
        "asked_at": instant(one.asked_at),
        "begun_at": instant(one.begun_at),
        "ended_at": instant(one.ended_at),
        "detail": one.detail or None,
    }


def _response(one: HeardAnswer) -> dict[str, Any]:
    return {
        "id": one.key,
        "request": one.request_key,
        "heard_at": instant(one.heard_at),
        "read_at": instant(one.read_at),
        "why": one.why or None,
        "size_bytes": len(one.body),
    }


def _proposal(one: Proposal) -> dict[str, Any]:
    return {
        "as": one.request.kind.value,
        "payer": one.request.payer or None,
        "trace": one.request.trace,
        "lines": list(one.lines),
        "lacks": [{"where": each.where, "sentence": each.sentence, "needed": each.is_needed} for each in one.lacks],
        "why_not": one.why_not or None,
    }
