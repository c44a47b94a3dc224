"""What each chart has of a study, version by version; publishing it again, withdrawing it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission, Role
from bridge.domain.chart import Cause, ChartVersion, ChartWithdrawal
from bridge.store import studies
from bridge.web import bodies, chart_views, reads
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes
from bridge.web.chart_views import Chart, ChartView, ShownVersion

blueprint = Blueprint("api_charts", __name__, url_prefix="/api")


@blueprint.get("/studies/<study_instance_uid>/chart")
@needs(Permission.READ_STUDIES)
def read_chart(study_instance_uid: str) -> Response:
    """Return what each chart has of a study, every version before it and why it came to be, and what waits."""
    return _chart(study_instance_uid)


@blueprint.post("/studies/<study_instance_uid>/publish")
@needs(Permission.SEND_STUDIES)
def publish_again(study_instance_uid: str) -> Response:
    """Bring every chart, or that of server alone, to what a bound study is now."""
    server = bodies.text(bodies.only(bodies.json_object(), "server"), "server")
    to = services().flows.studies.chart_desk.publish(study_instance_uid, caller().name, server)
    return jsonify(study_instance_uid=study_instance_uid, servers=list(to), queued=True)


@blueprint.post("/studies/<study_instance_uid>/withdraw")
@needs(Permission.SEND_STUDIES)
def withdraw_from_charts(study_instance_uid: str) -> Response:
    """Take a bound study out of every chart until that is taken back."""
    services().flows.studies.chart_desk.withdraw(study_instance_uid, _reason(), caller().name)
    return _chart(study_instance_uid)


@blueprint.post("/studies/<study_instance_uid>/withdraw/undo")
@needs(Permission.SEND_STUDIES)
def let_into_charts(study_instance_uid: str) -> Response:
    """Take the withdrawal of a study from every chart back."""
    services().flows.studies.chart_desk.take_back(study_instance_uid, _reason(), caller().name)
    return _chart(study_instance_uid)


def _reason() -> str:
    return bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True, limit=1000)


def _chart(study_instance_uid: str) -> Response:
    sees_all = caller().role != Role.IT
    with services().store.read() as tx:
        study = studies.by_uid(tx, study_instance_uid)
        if study is None:
            raise LookupError(study_instance_uid)
        view = chart_views.read(tx, study, services().flows.studies.chart_desk.servers, caller())
    reads.note("chart_viewed", study_key=study.key, patient_key=study.patient_key if sees_all else None)
    return jsonify(_whole(view, sees_all=sees_all))


def _whole(view: ChartView, *, sees_all: bool) -> dict[str, Any]:
    return {
        "id": view.study.key,
        "study_instance_uid": view.study.study_instance_uid,
        "withdrawn": _withdrawal(view.withdrawal, sees_all=sees_all) if view.withdrawal is not None else None,
        "withdrawals": [_withdrawal(one, sees_all=sees_all) for one in view.withdrawals],
        "charts": [_of_server(one, sees_all=sees_all) for one in view.charts],
    }


def _of_server(chart: Chart, *, sees_all: bool) -> dict[str, Any]:
    sent = chart.delivery
    return {
        "server": chart.server,
        "own": chart.is_own,
        "standing": [_version(one, sees_all=sees_all) for one in chart.standing],
        "delivery": None
        if sent is None
        else {
            "id": sent.key,
            "state": sent.state.value,
            "held_reason": sent.held_reason or None,
            "last_error": sent.last_error or None,
            "attempts": sent.attempts,
            "next_at": shapes.instant(sent.next_at),
        },
        "versions": [_shown(one, sees_all=sees_all) for one in chart.versions],
    }


def _shown(one: ShownVersion, *, sees_all: bool) -> dict[str, Any]:
    changed = one.changed
    return _version(one.version, sees_all=sees_all) | {
        "stands": one.stands,
        "kept": one.version.has_content,
        "changes": list(changed.sentences) if changed is not None else None,
        "elements": None
        if changed is None
        else [{"path": each.path, "before": each.before, "after": each.after} for each in changed.elements],
    }


def _version(one: ChartVersion, *, sees_all: bool) -> dict[str, Any]:
    tells_all = sees_all or one.why.cause == Cause.EVENT
    return {
        "reference": one.reference,
        "number": one.number,
        "server_version": one.server_version or None,
        "at": shapes.instant(one.at),
        "status": one.status,
        "subject": one.subject if sees_all else None,
        "cause": one.why.cause.value,
        "by": one.why.by or None,
        "why": (one.why.words or None) if tells_all else None,
    }


def _withdrawal(one: ChartWithdrawal, *, sees_all: bool) -> dict[str, Any]:
    return {
        "at": shapes.instant(one.made_at),
        "by": one.made_by,
        "reason": one.reason if sees_all else None,
        "taken_back_at": shapes.instant(one.taken_back_at),
        "taken_back_by": one.taken_back_by or None,
        "taken_back_reason": (one.taken_back_reason or None) if sees_all else None,
    }
