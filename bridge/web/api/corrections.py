"""What leaves of a study otherwise than it came: its versions, corrections by a person, and taking one back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission, Role
from bridge.domain.overlay import Change, OverlayVersion, undone_by
from bridge.errors import Malformed
from bridge.flows.correct_study import Correction
from bridge.store import overlays
from bridge.web import bodies, reads, study_views
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_corrections", __name__, url_prefix="/api")

_MOST_ATTRIBUTES = 20


@blueprint.get("/studies/<study_instance_uid>/versions")
@needs(Permission.READ_STUDIES)
def list_versions(study_instance_uid: str) -> Response:
    """Return every version of what lies over a study, newest first."""
    with services().store.read() as tx:
        view = study_views.read(tx, study_instance_uid, caller())
        versions = overlays.of_study(tx, view.study.key)
    patient_key = view.patient.key if view.patient is not None else None
    reads.note("study_viewed", study_key=view.study.key, patient_key=patient_key)
    rows = [_version(one, versions, view.study.binding_version) for one in versions]
    if caller().role == Role.IT:
        rows = [row | {"changes": [], "leaves": [], "why": ""} for row in rows]
    return jsonify(versions=rows, next=None)


@blueprint.post("/studies/<study_instance_uid>/corrections")
@needs(Permission.DECIDE)
def correct(study_instance_uid: str) -> Response:
    """Correct attributes of a bound study, or only show what that would change."""
    body = bodies.only(bodies.json_object(), "attributes", "reason", "preview")
    is_preview = body.get("preview", False)
    if not isinstance(is_preview, bool):
        raise Malformed("true or false is wanted", where="preview")
    values, corrector = _attributes(body), services().flows.studies.corrector
    if is_preview:
        return jsonify(preview=True, changes=_changes(corrector.preview(study_instance_uid, values)))
    reason = bodies.text(body, "reason", required=True, limit=1000)
    version = corrector.correct(study_instance_uid, Correction(values, reason, caller().name))
    return jsonify(_version(version, [version], version.binding_version))


@blueprint.post("/studies/<study_instance_uid>/corrections/<int:number>/undo")
@needs(Permission.DECIDE)
def undo(study_instance_uid: str, number: int) -> Response:
    """Take a correction back: a new version without it."""
    body = bodies.only(bodies.json_object(), "reason")
    reason = bodies.text(body, "reason", required=True, limit=1000)
    version = services().flows.studies.corrector.undo(study_instance_uid, number, reason, caller().name)
    return jsonify(_version(version, [version], version.binding_version))


def _attributes(body: dict[str, Any]) -> dict[str, str]:
    said = body.get("attributes")
    if not isinstance(said, dict) or len(said) > _MOST_ATTRIBUTES:
        raise Malformed(f"an object of at most {_MOST_ATTRIBUTES} keywords is wanted", where="attributes")
    return {keyword: bodies.text(said, keyword, limit=400) for keyword in said}


def _version(one: OverlayVersion, versions: Sequence[OverlayVersion], binding_version: int) -> dict[str, Any]:
    return {
        "id": one.number,
        "version": one.number,
        "kind": one.kind.value,
        "by": one.actor,
        "at": shapes.instant(one.made_at),
        "why": one.why,
        "changes": _changes(one.changes),
        "leaves": [
            {"keyword": keyword, "value": value, "reason": layer.reason.value, "version": layer.version}
            for layer in one.layers
            for keyword, value in layer.values.items()
        ],
        "undoes": one.undoes,
        "undone_by": undone_by(one, versions),
        "current": one.binding_version == binding_version,
    }


def _changes(changes: Sequence[Change]) -> list[dict[str, str]]:
    return [{"keyword": one.keyword, "before": one.before, "after": one.after} for one in changes]
