"""Many cases with one cause, done as one: asked for, watched and taken back by number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.bulk import Repairing
from bridge.errors import Malformed
from bridge.store import bulk_jobs, studies
from bridge.store.bulk_jobs import BulkJob
from bridge.store.db import ReadTx
from bridge.store.listings import bulk_rows
from bridge.web import bodies, paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.api.shapes import instant

blueprint = Blueprint("api_bulk", __name__, url_prefix="/api")

_SHOWN_MAX = 1_000


@blueprint.post("/bulks")
@needs(Permission.DECIDE)
def ask_bulk() -> tuple[Response, int]:
    """Close the named cases, or try how a device's studies would be read; answers 202 and the bulk's number."""
    body = bodies.json_object()
    if "repair" in body:
        return _said(_preview(bodies.only(body, "device", "since", "until", "repair"))), 202
    body = bodies.only(body, "study_instance_uids", "reason")
    uids = body.get("study_instance_uids")
    if not isinstance(uids, list) or not all(isinstance(uid, str) for uid in uids):
        raise Malformed("a list of Study Instance UIDs is wanted", where="study_instance_uids")
    with services().store.read() as tx:
        keys = [_key(tx, uid) for uid in uids]
    reason = bodies.text(body, "reason", required=True)
    return _said(services().flows.studies.casework.bulk.close(keys, reason, caller().name)), 202


@blueprint.get("/bulks")
@needs(Permission.DECIDE)
def list_bulks() -> Response:
    """Return the newest bulks."""
    with services().store.read() as tx:
        found = [_shape(tx, job) for job in bulk_jobs.recent(tx, paging.limit())]
    return jsonify(bulks=found, next=None)


@blueprint.get("/bulks/<int:bulk_key>")
@needs(Permission.DECIDE)
def read_bulk(bulk_key: int) -> Response:
    """Say how far a bulk has come, and what came of each of its studies."""
    return _said(bulk_key)


@blueprint.post("/bulks/<int:bulk_key>/apply")
@needs(Permission.DECIDE)
def apply_bulk(bulk_key: int) -> Response:
    """Let a repair count that was tried."""
    reason = bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True)
    services().flows.studies.casework.bulk.apply(bulk_key, reason, caller().name)
    return _said(bulk_key)


@blueprint.post("/bulks/<int:bulk_key>/drop")
@needs(Permission.DECIDE)
def drop_bulk(bulk_key: int) -> Response:
    """Let go of a repair that was tried."""
    services().flows.studies.casework.bulk.drop(bulk_key, caller().name)
    return _said(bulk_key)


@blueprint.post("/bulks/<int:bulk_key>/undo")
@needs(Permission.DECIDE)
def undo_bulk(bulk_key: int) -> Response:
    """Take a bulk back, all of it."""
    reason = bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True)
    services().flows.studies.casework.bulk.undo(bulk_key, reason, caller().name)
    return _said(bulk_key)


def _preview(body: dict[str, Any]) -> int:
    entry = body["repair"]
    if not isinstance(entry, dict):
        raise Malformed("an object is wanted", where="repair")
    until = _time(body, "until") if body.get("until") is not None else None
    repairing = Repairing(bodies.text(body, "device", required=True), _time(body, "since"), until, entry)
    return services().flows.studies.casework.bulk.preview(repairing, caller().name)


def _time(body: dict[str, Any], name: str) -> datetime:
    """Return a time; one without an offset is of the hospital's clock."""
    try:
        told = datetime.fromisoformat(bodies.text(body, name, required=True))
    except ValueError:
        raise Malformed("a time is wanted, as 2026-03-02T15:00", where=name) from None
    return told if told.tzinfo is not None else told.replace(tzinfo=services().settings.time_zone)


def _key(tx: ReadTx, uid: str) -> int:
    key = studies.key_by_uid(tx, uid)
    if key is None:
        raise LookupError("no such study")
    return key


def _said(key: int) -> Response:
    with services().store.read() as tx:
        said = _shape(tx, bulk_jobs.get(tx, key))
        rows = bulk_rows.of_bulk(tx, key, _SHOWN_MAX)
    reads.note("bulk_viewed", detail={"bulk": key, "count": len(rows)})
    said["studies"] = [
        {
            "study_instance_uid": row.study.study_instance_uid,
            "state": row.study.state.value,
            "rule": row.study.rule,
            "outcome": row.one.outcome.value,
            "foreseen": {name: row.one.foreseen[name] for name in ("outcome", "rule") if name in row.one.foreseen}
            or None,
            "fault": row.one.fault or None,
        }
        for row in rows
    ]
    return jsonify(said)


def _shape(tx: ReadTx, job: BulkJob) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": job.key,
        "kind": job.kind.value,
        "state": job.state.value,
        "reason": job.reason,
        "asked_by": job.asked_by,
        **bulk_jobs.tally(tx, job),
        "created_at": instant(job.created_at),
        "ended_at": instant(job.ended_at),
    }
    if job.repairing is not None:
        said |= {"device": job.repairing.device, "repair": dict(job.repairing.entry)}
        said |= {"since": instant(job.repairing.since), "until": instant(job.repairing.until)}
    return said
