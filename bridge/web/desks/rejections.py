"""Rejections of images, as the intake desk sees them: what was rejected, by whom and why, and taking one back."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.store import rejections, studies
from bridge.web.access import caller, needs, services

blueprint = Blueprint("rejections", __name__)


@blueprint.post("/studies/<int:study_key>/rejections/<int:rejection_key>")
@needs(Permission.DECIDE)
def decide(study_key: int, rejection_key: int) -> Response:
    """Take a rejection back, or let one count."""
    with services().store.read() as tx:
        uid = studies.get(tx, study_key).study_instance_uid
        if rejections.get(tx, rejection_key).study_instance_uid != uid:
            raise LookupError(rejection_key)
    action, reason = request.form.get("action", ""), request.form.get("reason", "").strip()[:1000]
    services().flows.studies.second_person.decide_rejection(rejection_key, action, reason, caller().name)
    return redirect(url_for("studies.study", study_key=study_key, _anchor="rejected"), 303)
