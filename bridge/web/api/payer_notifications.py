"""Where others tell by themselves what they decided, or that something changed: whoever shows the secret that its subscription has."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.sections.payer import CHANGES, NOTIFICATIONS
from bridge.web.access import needs, services

blueprint = Blueprint("api_payer_notifications", __name__)


@blueprint.post(f"{NOTIFICATIONS}/<path:payer>")
@needs(Permission.OPEN)
def hear(payer: str) -> Response:
    """Keep what a payer tells, then say that we have it. Source: Subscriptions R5 Backport 1.1, notifications."""
    return jsonify(heard=services().flows.billing.ear.hear(payer, _secret(), request.get_data()).kind)


@blueprint.post(f"{CHANGES}/<path:name>")
@needs(Permission.OPEN)
def note_change(name: str) -> Response:
    """Fetch what changed; what a server says beside that is not read. Source: FHIR R4 Subscription, channel rest-hook."""
    services().flows.billing.changes.hear(name, _secret())
    return jsonify(heard=True)


def _secret() -> str:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""
