"""What each chart has of a study, version by version; publishing it again, withdrawing it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission, Role
from bridge.flows.charted import charted
from bridge.web import bodies, chart_views, reads
from bridge.web.access import caller, needs, services
from bridge.web.api import chart_shapes

blueprint = Blueprint("api_charts", __name__, url_prefix="/api")


@blueprint.get("/studies/<study_instance_uid>/chart")
@needs(Permission.READ_STUDIES)
def read_chart(study_instance_uid: str) -> Response:
    """Return what each chart has of a study, every version before it and why it came to be, and what waits."""
    return _chart(study_instance_uid)


@blueprint.post("/studies/<study_instance_uid>/publish")
@needs(Permission.SEND_STUDIES)
def publish_again(study_instance_uid: str) -> Response:
    """Bring every chart, or that of server alone, to what a bound study, or one part of its exam, is now."""
    body = bodies.only(bodies.json_object(), "server", "part")
    server, part = bodies.text(body, "server"), bodies.text(body, "part")
    to = services().flows.studies.chart_desk.publish(study_instance_uid, caller().name, server, part)
    return jsonify(study_instance_uid=study_instance_uid, servers=list(to), queued=True)


@blueprint.post("/studies/<study_instance_uid>/withdraw")
@needs(Permission.SEND_STUDIES)
def withdraw_from_charts(study_instance_uid: str) -> Response:
    """Take a bound study with all that rests on it, or one part of its exam, out of every chart until that is taken back."""
    reason, part = _reason()
    services().flows.studies.chart_desk.withdraw(study_instance_uid, reason, caller().name, part)
    return _chart(study_instance_uid)


@blueprint.post("/studies/<study_instance_uid>/withdraw/undo")
@needs(Permission.SEND_STUDIES)
def let_into_charts(study_instance_uid: str) -> Response:
    """Take the withdrawal of a study, or of one part of its exam, from every chart back."""
    reason, part = _reason()
    services().flows.studies.chart_desk.take_back(study_instance_uid, reason, caller().name, part)
    return _chart(study_instance_uid)


def _reason() -> tuple[str, str]:
    """Return why, and of which part alone ("" for the study)."""
    body = bodies.only(bodies.json_object(), "reason", "part")
    return bodies.text(body, "reason", required=True, limit=1000), bodies.text(body, "part")


def _chart(study_instance_uid: str) -> Response:
    sees_all = caller().role != Role.IT
    with services().store.read() as tx:
        desk = services().flows.studies.chart_desk
        exam = charted(tx, study_instance_uid)
        view = chart_views.read(tx, exam, desk.servers, desk.takers, caller())
    reads.note_charts(exam, sees_all=sees_all)
    return jsonify(chart_shapes.whole(view, sees_all=sees_all))
