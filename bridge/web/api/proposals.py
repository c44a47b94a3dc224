"""Decisions that wait for a second person, over REST."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.store.case_proposals import CaseProposal
from bridge.web import bodies
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_proposals", __name__, url_prefix="/api")


@blueprint.post("/proposals/<int:proposal_key>/confirm")
@needs(Permission.DECIDE)
def confirm_proposal(proposal_key: int) -> Response:
    """Carry out what somebody else proposed; never with a token."""
    return jsonify(row(services().flows.studies.second_person.confirm(proposal_key, caller().name)))


@blueprint.post("/proposals/<int:proposal_key>/decline")
@needs(Permission.DECIDE)
def decline_proposal(proposal_key: int) -> Response:
    """Say no to what somebody else proposed, and why; never with a token."""
    reason = bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True, limit=1000)
    return jsonify(row(services().flows.studies.second_person.decline(proposal_key, reason, caller().name)))


@blueprint.post("/proposals/<int:proposal_key>/withdraw")
@needs(Permission.DECIDE)
def withdraw_proposal(proposal_key: int) -> Response:
    """Take back what the caller proposed."""
    return jsonify(row(services().flows.studies.second_person.withdraw(proposal_key, caller().name)))


def waits(proposal: CaseProposal) -> Response:
    """Return the answer to a decision that a second person has to confirm."""
    answer = jsonify(proposal=row(proposal))
    answer.status_code = 202
    return answer


def row(one: CaseProposal) -> dict[str, Any]:
    """Return a decision that one person proposed. state: "open" while it waits for the second one."""
    return {
        "id": one.key,
        "decides": one.action,
        "reason": one.reason,
        "proposed_by": one.proposed_by,
        "proposed_at": shapes.instant(one.proposed_at),
        "state": one.settled_as or "open",
        "settled_by": one.settled_by or None,
        "settled_at": shapes.instant(one.settled_at),
        "settled_reason": one.settled_reason or None,
    }
