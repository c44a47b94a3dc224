"""Where payers tell by themselves what they decided: whoever shows the secret that its subscription has, and nobody else."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.payer_section import NOTIFICATIONS
from bridge.web.access import needs, services

blueprint = Blueprint("api_payer_notifications", __name__, url_prefix=NOTIFICATIONS)


@blueprint.post("/<path:payer>")
@needs(Permission.OPEN)
def hear(payer: str) -> Response:
    """Keep what a payer tells, then say that we have it. Source: Subscriptions R5 Backport 1.1, notifications."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    shown = secret.strip() if kind.lower() == "bearer" else ""
    return jsonify(heard=services().flows.billing.ear.hear(payer, shown, request.get_data()).kind)
