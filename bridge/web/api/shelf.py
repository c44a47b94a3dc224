"""The store of objects: what is kept, what room there is, how sound it is, and what a rule would remove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.store.listings.usage import Amount
from bridge.store.objects import Pass
from bridge.web.access import caller, needs, services
from bridge.web.bodies import json_object, only

blueprint = Blueprint("api_shelf", __name__, url_prefix="/api/storage")


@blueprint.get("")
@needs(Permission.READ_DELIVERIES)
def read_storage() -> Response:
    """Return what is kept, what room there is, what is damaged and what the rule would remove."""
    shelf = services().flows.shelf.look()
    used = shelf.used
    damaged = [
        {"study_instance_uid": one.study_instance_uid, "sop_instance_uid": one.sop_instance_uid, "damage": one.damage}
        | {"at": one.damaged_at.isoformat()}
        for one in shelf.damaged
    ]
    return jsonify(
        where=shelf.where,
        counted_at=used.counted_at.isoformat(),
        total=asdict(used.total),
        by_modality=_amounts(used.by_modality),
        by_source=_amounts(used.by_source),
        by_month=_amounts(used.by_month),
        documents=asdict(used.documents),
        set_aside=used.set_aside,
        removed=asdict(used.removed),
        bytes_per_day=round(used.bytes_per_day),
        free_bytes=shelf.free_bytes,
        low_water_bytes=shelf.low_water_bytes,
        room_days=shelf.room_days,
        spool_bytes=shelf.spool_bytes,
        cached_bytes=shelf.cached_bytes,
        damaged={"count": shelf.damaged_count, "objects": damaged},
        verification={"current": _pass(shelf.current_pass), "finished": _pass(shelf.finished_pass)},
        retention=asdict(shelf.rule),
        removable=[asdict(one) | {"last_instance_at": one.last_instance_at.isoformat()} for one in shelf.removable],
    )


@blueprint.post("/holds")
@needs(Permission.READ_DELIVERIES)
def hold_study() -> Response:
    """Keep a study here whatever archives have ("hold"), or let the rule decide about it again ("release")."""
    body = only(json_object(), "study_instance_uid", "action", "reason")
    uid, action = str(body.get("study_instance_uid", "")), body.get("action", "hold")
    if action == "hold":
        services().flows.shelf.hold(uid, str(body.get("reason", "")), caller().name)
    elif action == "release":
        services().flows.shelf.release(uid, caller().name)
    else:
        raise Malformed('"hold" or "release"', where="action")
    return jsonify(study_instance_uid=uid, action=action)


def _amounts(found: Mapping[str, Amount]) -> dict[str, Any]:
    return {name: asdict(amount) for name, amount in found.items()}


def _pass(found: Pass | None) -> dict[str, Any] | None:
    if found is None:
        return None
    ended = found.finished_at.isoformat() if found.finished_at is not None else None
    counts = {"objects": found.objects, "read_objects": found.read_objects, "read_bytes": found.read_bytes}
    return {"started_at": found.started_at.isoformat(), "finished_at": ended, "damaged": found.damaged, **counts}
