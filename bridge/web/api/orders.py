"""Orders without HL7: what a clinic's own program sends, changes and cancels."""

from __future__ import annotations

import re

import orjson
from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.domain.identifiers import digest_of
from bridge.errors import Conflict, Malformed
from bridge.flows.enter_order import Entered, Repeat
from bridge.mapping.typed_orders import ORDER_KEYS
from bridge.store import orders
from bridge.web import bodies
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_orders", __name__, url_prefix="/api")

_ROW = re.compile(r"order-([0-9]{1,18})")
_KEY_MAX = 200


@blueprint.post("/orders")
@needs(Permission.ENTER_ORDERS)
def enter_order() -> tuple[Response, int]:
    """Put an exam on the worklist, or change the one with the same numbers; a key repeats it without harm."""
    body = bodies.only(bodies.json_object(), *ORDER_KEYS)
    repeat = Repeat(_idempotency_key(), digest_of(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)))
    entered = services().flows.enter_order(said=body, actor=caller().name, repeat=repeat)
    return _answer(entered), 201 if entered.is_new else 200


@blueprint.get("/orders/<reference>")
@needs(Permission.ENTER_ORDERS)
def read_order(reference: str) -> Response:
    """Return how an order stands, by accession number or row id."""
    return _answer(services().flows.read_order(order_key=_key_of(reference), actor=caller().name))


@blueprint.route("/orders/<reference>", methods=["PUT"])
@needs(Permission.ENTER_ORDERS)
def replace_order(reference: str) -> Response:
    """Say an order anew, whole; patient and procedure are wanted as for a new one."""
    return _change(reference, is_whole=True)


@blueprint.patch("/orders/<reference>")
@needs(Permission.ENTER_ORDERS)
def change_order(reference: str) -> Response:
    """Change what is said of an order: an absent field stays, null erases, another patient's number moves it there."""
    return _change(reference, is_whole=False)


@blueprint.delete("/orders/<reference>")
@needs(Permission.ENTER_ORDERS)
def delete_order(reference: str) -> Response:
    """Cancel an order that nobody has started; the parameter reason says why."""
    reason = request.args.get("reason", "").strip() or "cancelled by the program that ordered it"
    return _answer(services().flows.cancel_order(order_key=_key_of(reference), reason=reason, actor=caller().name))


@blueprint.post("/orders/<reference>/cancel")
@needs(Permission.ENTER_ORDERS)
def cancel_order(reference: str) -> Response:
    """Cancel an order that nobody has started, with a reason."""
    body = bodies.only(bodies.json_object(), "reason")
    reason = bodies.text(body, "reason", required=True)
    return _answer(services().flows.cancel_order(order_key=_key_of(reference), reason=reason, actor=caller().name))


def _change(reference: str, *, is_whole: bool) -> Response:
    body = bodies.only(bodies.json_object(), *ORDER_KEYS)
    key = _key_of(reference)
    changed = services().flows.change_order(order_key=key, said=body, actor=caller().name, is_whole=is_whole)
    return _answer(changed)


def _answer(entered: Entered) -> Response:
    response = jsonify(shapes.entered(entered))
    response.headers["Location"] = f"/api/exams/order-{entered.order.key}"
    return response


def _idempotency_key() -> str:
    key = request.headers.get("Idempotency-Key", "").strip().strip('"')
    if len(key) > _KEY_MAX or not key.isprintable():
        raise Malformed(f"at most {_KEY_MAX} printable characters", where="Idempotency-Key")
    return key


def _key_of(reference: str) -> int:
    """Return the row of an order by its row id or its accession number. Raises: LookupError; Conflict, if several share it."""
    row = _ROW.fullmatch(reference)
    with services().store.read() as tx:
        found = [orders.get(tx, int(row[1]))] if row else orders.by_accession(tx, reference)
    if not found:
        raise LookupError("no such order")
    if len(found) > 1:
        raise Conflict("several orders share this number: name one by its row id", code="ambiguous", where="reference")
    return found[0].key
