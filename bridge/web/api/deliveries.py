"""The outbox: what waits, what failed, sending it again."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.store import deliveries
from bridge.store.deliveries import DeliveryState
from bridge.store.listings import queues
from bridge.web import paging
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_deliveries", __name__, url_prefix="/api")


@blueprint.get("/deliveries")
@needs(Permission.READ_DELIVERIES)
def list_deliveries() -> Response:
    """Return deliveries, newest first, in one state= or in any."""
    paging.only("state")
    state, size = delivery_state(request.args.get("state", "")), paging.limit()
    with services().store.read() as tx:
        found = queues.delivery_rows(tx, state=state, before=paging.before(), limit=size + 1)
    rows, more = paging.cut(found, size)
    following = paging.next_url(rows[-1].delivery.key if more else None, state=state)
    return jsonify(deliveries=[shapes.delivery_row(row) for row in rows], next=following)


@blueprint.get("/deliveries/<int:delivery_key>")
@needs(Permission.READ_DELIVERIES)
def read_delivery(delivery_key: int) -> Response:
    """Return one delivery with every attempt."""
    with services().store.read() as tx:
        row = queues.with_studies(tx, [deliveries.get(tx, delivery_key)])[0]
        attempts = deliveries.attempts_of(tx, delivery_key)
    tried = [
        {
            "started_at": shapes.instant(one.started_at),
            "ended_at": shapes.instant(one.ended_at),
            "outcome": one.outcome,
            "detail": one.detail,
        }
        for one in attempts
    ]
    return jsonify(shapes.delivery_row(row) | {"tried": tried})


@blueprint.post("/deliveries/<int:delivery_key>/retry")
@needs(Permission.READ_DELIVERIES)
def retry_delivery(delivery_key: int) -> Response:
    """Send a delivery again, now."""
    services().flows.retry_delivery(delivery_key=delivery_key, actor=caller().name)
    return _state(delivery_key)


@blueprint.post("/deliveries/<int:delivery_key>/drop")
@needs(Permission.READ_DELIVERIES)
def drop_delivery(delivery_key: int) -> Response:
    """Give a delivery up."""
    services().flows.drop_delivery(delivery_key=delivery_key, actor=caller().name)
    return _state(delivery_key)


def delivery_state(text: str) -> str:
    """Return *text* if it is a state of deliveries, or "". Raises: Malformed."""
    if text and text not in list(DeliveryState):
        raise Malformed(f"one of {', '.join(DeliveryState)} is wanted", code="not_in_table", where="state")
    return text


def _state(delivery_key: int) -> Response:
    with services().store.read() as tx:
        return jsonify(shapes.delivery_row(queues.with_studies(tx, [deliveries.get(tx, delivery_key)])[0]))
