"""The desk of those who run it: what is kept, what room there is, how sound it is, and what may go."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.web.access import caller, needs, services

blueprint = Blueprint("shelf", __name__)


@blueprint.get("/storage")
@needs(Permission.READ_DELIVERIES)
def show() -> str:
    """Show the store of objects."""
    return render_template("it/storage.html", shelf=services().flows.shelf.look())


@blueprint.post("/storage/holds")
@needs(Permission.READ_DELIVERIES)
def hold() -> Response:
    """Keep a study here whatever archives have, or let the rule decide about it again."""
    study_instance_uid = request.form.get("study_instance_uid", "").strip()
    if request.form.get("action") == "release":
        services().flows.shelf.release(study_instance_uid, caller().name)
    else:
        services().flows.shelf.hold(study_instance_uid, request.form.get("reason", ""), caller().name)
    return redirect(url_for("shelf.show"), 303)
