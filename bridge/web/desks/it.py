"""The desk of those who run it: a dry run of a message, deliveries, devices and servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.store import deliveries as outbox
from bridge.store.listings import counts, queues
from bridge.web import paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.api.deliveries import delivery_state

blueprint = Blueprint("it", __name__)


@blueprint.get("/messages/try")
@needs(Permission.READ_MESSAGES)
def try_form() -> str:
    """Show the form for a dry run."""
    return _trial("", "", [])


@blueprint.post("/messages/try")
@needs(Permission.READ_MESSAGES)
def try_message() -> Response | str:
    """Say what a pasted message or a file of messages would do; nothing is stored."""
    pasted, site = request.form.get("message", ""), request.form.get("site", "")
    sent = request.files.get("file")
    raw = sent.read() if sent is not None else b""
    names = services().flows.site_names()
    reads.note("message_tried")
    results = services().flows.map_messages(
        raw or pasted.encode("utf-8", "replace"), site if site in names else "", is_text=not raw
    )
    page = _trial(pasted, site, results)
    return make_response(page, 422) if all(result["error"] for result in results) else page


def _trial(pasted: str, site: str, results: Sequence[Mapping[str, Any]]) -> str:
    names = services().flows.site_names()
    return render_template("it/try.html", pasted=pasted, site=site, names=names, results=results)


@blueprint.get("/deliveries")
@needs(Permission.READ_DELIVERIES)
def deliveries() -> str:
    """Show what leaves the house, and what does not get there."""
    state = delivery_state(request.args.get("state", ""))
    with services().store.read() as tx:
        found = queues.delivery_rows(tx, state=state, before=paging.before(), limit=paging.LIMIT + 1)
        tally = counts.unsettled_deliveries(tx)
        failing = counts.failing_destinations(tx)
    rows, more = paging.cut(found, paging.LIMIT)
    by_state: dict[str, int] = {}
    for (_, name), number in tally.items():
        by_state[name] = by_state.get(name, 0) + number
    following = paging.next_url(rows[-1].delivery.key if more else None, state=state)
    shown = {"rows": rows, "chosen": state or "", "counts": by_state, "failing": failing, "following": following}
    return render_template("it/deliveries.html", **shown)


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
