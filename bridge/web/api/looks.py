"""Lines of import checklists that wait for somebody to look."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.import_checklist import Line
from bridge.store import studies
from bridge.store.listings import look_rows
from bridge.web import bodies, paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_looks", __name__, url_prefix="/api")


@blueprint.get("/looks")
@needs(Permission.DECIDE)
def list_looks() -> Response:
    """Return the lines of bound studies that wait for a look, newest first."""
    size = paging.limit()
    with services().store.read() as tx:
        rows, more = paging.cut(look_rows.bound_waiting(tx, before=paging.before(), limit=size + 1), size)
    reads.note_each("looks_listed", (row.patient for row in rows))
    following = paging.next_url(rows[-1].key if more else None)
    shown = [
        {
            "id": row.key,
            "study_instance_uid": row.study_instance_uid,
            "subject": row.subject,
            "sentence": row.sentence,
            "found_at": shapes.instant(row.found_at),
            "patient": shapes.person(row.patient),
            "accession_number": row.accession_number or None,
        }
        for row in rows
    ]
    return jsonify(looks=shown, next=following)


@blueprint.post("/studies/<study_instance_uid>/looked")
@needs(Permission.DECIDE)
def look_at_line(study_instance_uid: str) -> Response:
    """Note that somebody looked at a line of a study's checklist."""
    body = bodies.only(bodies.json_object(), "subject", "remark")
    with services().store.read() as tx:
        study = studies.by_uid(tx, study_instance_uid)
    if study is None:
        raise LookupError("no such study")
    subject = bodies.text(body, "subject", required=True)
    services().flows.studies.casework.looks.see(
        study.key, subject, bodies.text(body, "remark", limit=400), caller().name
    )
    return jsonify(study_instance_uid=study_instance_uid, subject=subject, looked=True)


def checklist(lines: tuple[Line, ...]) -> list[dict[str, Any]]:
    """Return a checklist as rows. finding: fine, look or cannot_say."""
    return [
        {
            "subject": line.subject.value,
            "finding": line.finding.value,
            "sentence": line.sentence,
            "images": line.images or None,
            "order": line.order or None,
        }
        for line in lines
    ]
