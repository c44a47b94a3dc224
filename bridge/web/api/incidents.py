"""Incidents and tasks at other systems over REST."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.incident import Incident, OutsideTask
from bridge.store import incidents, studies
from bridge.store.db import ReadTx
from bridge.store.listings.people import survivor
from bridge.web import bodies, paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_incidents", __name__, url_prefix="/api")

_MOST_TASKS = 500


@blueprint.get("/incidents")
@needs(Permission.DECIDE)
def list_incidents() -> Response:
    """Return what had left under a wrong patient, newest first."""
    size = paging.limit()
    with services().store.read() as tx:
        rows, more = paging.cut(incidents.recent(tx, before=paging.before(), limit=size + 1), size)
        listed = [_incident(tx, row) for row in rows]
        people = [survivor(tx, key) for row in rows for key in (row.wrong_patient_key, row.right_patient_key)]
    reads.note_each("incidents_listed", people)
    return jsonify(incidents=listed, next=paging.next_url(rows[-1].key if more else None))


@blueprint.get("/incidents/tasks")
@needs(Permission.DECIDE)
def list_tasks() -> Response:
    """Return what people are asked to do at other systems, oldest first."""
    with services().store.read() as tx:
        found = incidents.tasks(tx, is_open=True, limit=_MOST_TASKS)
    return jsonify(tasks=[_task(one) for one in found], next=None)


@blueprint.post("/incidents/tasks/<int:task_key>/done")
@needs(Permission.DECIDE)
def task_done(task_key: int) -> Response:
    """Note that what was asked at another system was done."""
    reason = bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True, limit=1000)
    return jsonify(_task(services().flows.studies.outside_tasks.done(task_key, reason, caller().name)))


def _incident(tx: ReadTx, row: Incident) -> dict[str, Any]:
    return {
        "id": row.key,
        "study_instance_uid": studies.get(tx, row.study_key).study_instance_uid,
        "found_at": shapes.instant(row.found_at),
        "found_by": row.found_by,
        "left_as": shapes.person(survivor(tx, row.wrong_patient_key)),
        "turned_out": shapes.person(survivor(tx, row.right_patient_key)),
        "disclosures": [
            {
                "kind": one.kind.value,
                "recipient": one.recipient,
                "what": one.what,
                "count": one.count,
                "first_at": shapes.instant(one.first_at),
                "last_at": shapes.instant(one.last_at),
            }
            for one in row.disclosures
        ],
    }


def _task(one: OutsideTask) -> dict[str, Any]:
    return {
        "id": one.key,
        "study_key": one.study_key,
        "destination": one.destination,
        "what": one.what,
        "opened_at": shapes.instant(one.opened_at),
        "done_at": shapes.instant(one.done_at),
        "done_by": one.done_by or None,
        "why": one.why or None,
    }
