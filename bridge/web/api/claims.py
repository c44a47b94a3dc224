"""What payers said of claims: what waits for a person, and what persons said of it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.domain.claim_match import MatchRule
from bridge.errors import Malformed
from bridge.store import claim_outcomes
from bridge.store.claim_outcomes import KeptOutcome
from bridge.web import bodies, paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.api.shapes import date, instant

blueprint = Blueprint("api_claims", __name__, url_prefix="/api/claims")

_LISTED = {"waiting": MatchRule.NONE, "by-hand": MatchRule.BY_HAND}


@blueprint.get("")
@needs(Permission.BILL)
def list_claims() -> Response:
    """Return payers' words on claims that are about nobody known (state=waiting), or whose exam a person named (by-hand), newest first."""
    paging.only("state")
    state, limit = request.args.get("state", "waiting"), paging.limit()
    if state not in _LISTED:
        raise Malformed(f"one of {', '.join(_LISTED)}", where="state")
    with services().store.read() as tx:
        rows = claim_outcomes.matched_by(tx, _LISTED[state], limit, before_key=paging.before())
    reads.note("claims_listed", detail={"count": len(rows)})
    end = rows[-1].key if len(rows) == limit else None
    return jsonify(claims=[_row(one) for one in rows], next=paging.next_url(end, state=state))


@blueprint.post("/<int:outcome_key>/assign")
@needs(Permission.BILL)
def assign_claim(outcome_key: int) -> Response:
    """Say which exam a payer's word is about."""
    body = bodies.only(bodies.json_object(), "accession_number")
    number = bodies.text(body, "accession_number", required=True, limit=64)
    services().flows.billing.claims.assign(outcome_key, number, caller().name)
    return _one(outcome_key)


@blueprint.post("/<int:outcome_key>/undo")
@needs(Permission.BILL)
def undo_claim_assignment(outcome_key: int) -> Response:
    """Take back what a person said a payer's word is about."""
    reason = bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True)
    services().flows.billing.claims.take_back(outcome_key, reason, caller().name)
    return _one(outcome_key)


def _one(outcome_key: int) -> Response:
    with services().store.read() as tx:
        return jsonify(_row(claim_outcomes.get(tx, outcome_key)))


def _row(one: KeptOutcome) -> dict[str, Any]:
    """Return one word. why: why it waits. authorization: by its id here."""
    return {
        "id": one.key,
        "claim_number": one.claim_number or None,
        "payer_claim_number": one.payer_claim_number or None,
        "payer": one.payer_name or None,
        "status": one.status.value,
        "charged": str(one.charged),
        "paid": str(one.paid),
        "lacks_documents": one.lacks_documents,
        "reasons": list(one.reasons),
        "wanted": list(one.wanted),
        "said_on": date(one.said_on),
        "heard_at": instant(one.heard_at),
        "matched_by": one.match.rule.value,
        "authorization": one.match.authorization_key,
        "exam": f"order-{one.match.order_key}" if one.match.order_key is not None else None,
        "why": one.match.why or None,
    }
