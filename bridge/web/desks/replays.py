"""Replays of many messages: what a filter names, a dry run, progress, and the way to stop it."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.errors import Conflict, Incomplete
from bridge.store import replays
from bridge.store.listings.message_search import MessageSearch
from bridge.web import message_filters
from bridge.web.access import caller, needs, services, session

blueprint = Blueprint("replays", __name__)

_LISTED_MAX = 50


@blueprint.get("/messages/replay")
@needs(Permission.READ_MESSAGES)
def ask_form() -> Response | str:
    """Show how many messages a filter names, and ask what to do with them."""
    return _ask_page(request.args, "")


@blueprint.post("/messages/replay")
@needs(Permission.READ_MESSAGES)
def ask() -> Response | str:
    """Ask for a replay, or for a dry run of one."""
    wanted = message_filters.of_query(_filter(request.form))
    dry_run = request.form.get("then") != "replay"
    try:
        key = services().flows.ask_replay(wanted=wanted, actor=caller().name, dry_run=dry_run)
    except (Incomplete, Conflict) as fault:
        return make_response(_ask_page(request.form, fault.to_caller), 422)
    return redirect(url_for("replays.one", replay_key=key), 303)


@blueprint.get("/messages/replays")
@needs(Permission.READ_MESSAGES)
def listed() -> str:
    """Show the newest replays."""
    with services().store.read() as tx:
        rows = replays.recent(tx, _LISTED_MAX)
    return render_template("messages/replays.html", rows=rows)


@blueprint.get("/messages/replays/<int:replay_key>")
@needs(Permission.READ_MESSAGES)
def one(replay_key: int) -> str:
    """Show how far a replay has come."""
    with services().store.read() as tx:
        replay = replays.get(tx, replay_key)
    now = services().clock.now()
    worked = ((replay.ended_at or now) - replay.started_at).total_seconds() if replay.started_at else 0.0
    rate = replay.done / worked if worked > 1 else 0.0
    return render_template("messages/replay.html", replay=replay, rate=rate)


@blueprint.post("/messages/replays/<int:replay_key>/cancel")
@needs(Permission.READ_MESSAGES)
def cancel(replay_key: int) -> Response:
    """Stop a replay; what it has done stays done."""
    services().flows.cancel_replay(replay_key=replay_key, actor=caller().name)
    return redirect(url_for("replays.one", replay_key=replay_key), 303)


@blueprint.post("/messages/replays/<int:replay_key>/again")
@needs(Permission.READ_MESSAGES)
def again(replay_key: int) -> Response:
    """Do for good what a dry run tried."""
    with services().store.read() as tx:
        tried = replays.get(tx, replay_key)
    key = services().flows.ask_replay(wanted=tried.wanted, actor=caller().name, dry_run=False)
    return redirect(url_for("replays.one", replay_key=key), 303)


def _filter(given: Mapping[str, str]) -> dict[str, str]:
    """Return the filter's parameters: the chips, and what was typed in the search of this session that is named."""
    chips = message_filters.in_address(given)
    number, searches = given.get("search", ""), session().searches
    if number.isdecimal() and 1 <= int(number[:6]) <= len(searches):
        chips["q"] = searches[int(number[:6]) - 1]
    return chips


def _ask_page(given: Mapping[str, str], fault: str) -> str:
    said = _filter(given)
    wanted = message_filters.of_query(said)
    with services().store.read() as tx:
        total = MessageSearch(tx, wanted).count()
    return render_template(
        "messages/ask_replay.html",
        said=said,
        search=given.get("search", ""),
        total=total,
        is_everything=wanted.is_everything,
        fault=fault,
        mapping_faults=services().flows.mapping_faults(),
    )
