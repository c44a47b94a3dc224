"""Replays of many messages: asked for by filter, done by the worker, watched and stopped by number."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.flows.read_filter import PARAMETERS
from bridge.store import replays
from bridge.web import message_filters, paging
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes
from bridge.web.bodies import json_object, only

blueprint = Blueprint("api_replays", __name__, url_prefix="/api")


@blueprint.post("/messages/replay")
@needs(Permission.READ_MESSAGES)
def ask_replay() -> tuple[Response, int]:
    """Process every message of a filter again, or count what would come of it (dry_run); answers 202 and its number."""
    body = only(json_object(), "filter", "dry_run")
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise Malformed("true or false is wanted", where="dry_run")
    wanted = message_filters.of_query(_filter(body.get("filter")))
    key = services().flows.ask_replay(wanted=wanted, actor=caller().name, dry_run=dry_run)
    return _said(key), 202


@blueprint.get("/replays")
@needs(Permission.READ_MESSAGES)
def list_replays() -> Response:
    """Return the newest replays."""
    with services().store.read() as tx:
        found = replays.recent(tx, paging.limit())
    return jsonify(replays=[shapes.replay(one) for one in found], next=None)


@blueprint.get("/replays/<int:replay_key>")
@needs(Permission.READ_MESSAGES)
def read_replay(replay_key: int) -> Response:
    """Say how far a replay has come."""
    return _said(replay_key)


@blueprint.post("/replays/<int:replay_key>/cancel")
@needs(Permission.READ_MESSAGES)
def cancel_replay(replay_key: int) -> Response:
    """Stop a replay; what it has done stays done."""
    services().flows.cancel_replay(replay_key=replay_key, actor=caller().name)
    return _said(replay_key)


def _said(key: int) -> Response:
    with services().store.read() as tx:
        return jsonify(shapes.replay(replays.get(tx, key)))


def _filter(said: object) -> Mapping[str, str]:
    if not isinstance(said, dict) or not all(isinstance(value, str | bool) for value in said.values()):
        raise Malformed("an object of texts is wanted", where="filter")
    for name in said:
        if name not in PARAMETERS:
            raise Malformed(f"one of {', '.join(PARAMETERS)} is wanted", where=f"filter.{name}")
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in said.items()}
