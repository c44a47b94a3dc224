"""On a case's page: let other registries be asked once more who this is."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.flows.ask_outside import ask_again
from bridge.store import studies
from bridge.web.access import caller, needs, services

blueprint = Blueprint("asking", __name__)


@blueprint.post("/mismatches/study/<int:study_key>/ask")
@needs(Permission.DECIDE)
def ask(study_key: int) -> Response:
    """Let everybody be asked again, whatever was said before; the answers come onto the case's page."""
    here = services()
    with here.store.read() as tx:
        uid = studies.get(tx, study_key).study_instance_uid
    ask_again(here.store, here.clock, here.settings.outside.names, uid, caller().name)
    return redirect(url_for("intake.study", study_key=study_key), 303)
