"""Rejections of images over REST."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.rejection import Rejection
from bridge.store.case_proposals import CaseProposal
from bridge.web import bodies
from bridge.web.access import caller, needs, services
from bridge.web.api import proposals, shapes

blueprint = Blueprint("api_rejections", __name__, url_prefix="/api")


@blueprint.post("/rejections/<int:rejection_key>/decision")
@needs(Permission.DECIDE)
def decide_rejection(rejection_key: int) -> Response:
    """Take a rejection back ("undo"), or let one count ("apply")."""
    body = bodies.only(bodies.json_object(), "action", "reason")
    action, reason = bodies.text(body, "action", required=True), bodies.text(body, "reason", required=True, limit=1000)
    desk = services().flows.studies.second_person
    made = desk.decide_rejection(rejection_key, action, reason, caller().name)
    return proposals.waits(made) if isinstance(made, CaseProposal) else jsonify(row(made))


def row(one: Rejection) -> dict[str, Any]:
    """Return a rejection as it stands in lists."""
    return {
        "id": one.key,
        "reason": one.reason.value,
        "state": one.state.value,
        "instances": one.instances,
        "note": one.sop_instance_uid,
        "from": one.received_from,
        "received_at": shapes.instant(one.received_at),
        "decided_by": one.decided_by or None,
        "decided_at": shapes.instant(one.decided_at),
        "why": one.why or None,
    }
