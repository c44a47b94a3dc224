"""The desk of those who run it: a dry run of a message, deliveries, devices and servers."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.errors import BridgeError
from bridge.store import deliveries as outbox
from bridge.store.listings import counts, queues
from bridge.web import message_views, paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.api.deliveries import delivery_state

blueprint = Blueprint("it", __name__)


@blueprint.get("/messages/try")
@needs(Permission.READ_MESSAGES)
def try_form() -> str:
    """Show the form for a dry run."""
    return render_template("it/try.html", pasted="", result=None, segments=[], sentence="")


@blueprint.post("/messages/try")
@needs(Permission.READ_MESSAGES)
def try_message() -> Response | str:
    """Say what a pasted message would do; nothing is stored."""
    pasted = request.form.get("message", "")
    raw = message_views.raw_of(pasted)
    segments, fault = message_views.parsed(raw, "utf-8")
    reads.note("message_tried")
    try:
        result = services().flows.map_message(raw)
    except BridgeError as error:
        sentence = f"{error.detail}{f' ({error.where})' if error.where else ''}"
        page = render_template("it/try.html", pasted=pasted, result=None, segments=segments, sentence=sentence)
        return make_response(page, 422)
    return render_template("it/try.html", pasted=pasted, result=result, segments=segments, sentence=fault)


@blueprint.get("/deliveries")
@needs(Permission.READ_DELIVERIES)
def deliveries() -> str:
    """Show what leaves the house, and what does not get there."""
    state = delivery_state(request.args.get("state", ""))
    with services().store.read() as tx:
        found = queues.delivery_rows(tx, state=state, before=paging.before(), limit=paging.LIMIT + 1)
        tally = counts.unsettled_deliveries(tx)
    rows, more = paging.cut(found, paging.LIMIT)
    by_state: dict[str, int] = {}
    for (_, name), number in tally.items():
        by_state[name] = by_state.get(name, 0) + number
    following = paging.next_url(rows[-1].delivery.key if more else None, state=state)
    return render_template("it/deliveries.html", rows=rows, state=state, counts=by_state, following=following)


@blueprint.get("/deliveries/<int:delivery_key>")
@needs(Permission.READ_DELIVERIES)
def delivery(delivery_key: int) -> str:
    """Show one delivery with every try."""
    with services().store.read() as tx:
        row = queues.with_studies(tx, [outbox.get(tx, delivery_key)])[0]
        attempts = outbox.attempts_of(tx, delivery_key)
    return render_template("it/delivery.html", row=row, attempts=attempts)


@blueprint.post("/deliveries/<int:delivery_key>/retry")
@needs(Permission.READ_DELIVERIES)
def retry(delivery_key: int) -> Response:
    """Send it again, now."""
    services().flows.retry_delivery(delivery_key=delivery_key, actor=caller().name)
    return redirect(url_for("it.delivery", delivery_key=delivery_key), 303)


@blueprint.post("/deliveries/<int:delivery_key>/drop")
@needs(Permission.READ_DELIVERIES)
def drop(delivery_key: int) -> Response:
    """Give it up."""
    services().flows.drop_delivery(delivery_key=delivery_key, actor=caller().name)
    return redirect(url_for("it.delivery", delivery_key=delivery_key), 303)


@blueprint.get("/peers")
@needs(Permission.READ_PEERS)
def peers() -> str:
    """Show devices, servers and payers as the settings name them, and our own listeners."""
    with services().store.read() as tx:
        tally = counts.unsettled_deliveries(tx)
    waiting: dict[str, int] = {}
    for (destination, _), number in tally.items():
        waiting[destination] = waiting.get(destination, 0) + number
    return render_template("it/peers.html", settings=services().settings, waiting=waiting)
