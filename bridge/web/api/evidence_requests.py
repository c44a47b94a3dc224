"""What payers ask to see."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.evidence_request import EvidenceRequest, in_words
from bridge.store import evidence_requests
from bridge.web import bodies, reads
from bridge.web.access import caller, needs, services
from bridge.web.api.shapes import date, instant

blueprint = Blueprint("api_evidence_requests", __name__, url_prefix="/api/evidence-requests")


@blueprint.get("")
@needs(Permission.BILL)
def list_evidence_requests() -> Response:
    """Return what payers wait for, the soonest due first; what repeats another request is counted with it."""
    with services().store.read() as tx:
        rows = [
            _row(one, [each.task_id for each in evidence_requests.with_repetitions(tx, one.key)])
            for one in evidence_requests.open_ones(tx)
        ]
    reads.note("evidence_requests_listed", detail={"count": len(rows)})
    return jsonify(evidence_requests=rows, next=None)


@blueprint.post("/<int:request_key>/assign")
@needs(Permission.BILL)
def assign_evidence_request(request_key: int) -> Response:
    """Say which authorization a request is about."""
    body = bodies.only(bodies.json_object(), "number")
    number = bodies.text(body, "number", required=True, limit=64)
    found = services().flows.billing.requests.assign(request_key, number, caller().name)
    return jsonify(_row(found, [found.task_id]))


@blueprint.post("/<int:request_key>/decline")
@needs(Permission.BILL)
def decline_evidence_request(request_key: int) -> Response:
    """Tell a payer that it gets nothing, and why."""
    body = bodies.only(bodies.json_object(), "reason")
    reason = bodies.text(body, "reason", required=True)
    found = services().flows.billing.requests.decline(request_key, reason, caller().name)
    return jsonify(_row(found, [found.task_id]))


def _row(one: EvidenceRequest, tasks: list[str]) -> dict[str, Any]:
    return {
        "id": one.key,
        "payer": one.payer,
        "state": one.state.value,
        "why": one.why or None,
        "authorization": one.authorization_key,
        "tracking_id": one.tracking_id,
        "administrative_reference": one.administrative_reference or None,
        "attach_to": one.attach_to,
        "claim_number": one.claim_number or None,
        "member_id": one.member_id or None,
        "wanted": [{"code": code, "words": in_words(code)} for code in one.codes],
        "gaps": list(one.gaps),
        "lines": list(one.lines),
        "service_on": date(one.service_on),
        "due_at": instant(one.due_at),
        "tasks": tasks,
    }
