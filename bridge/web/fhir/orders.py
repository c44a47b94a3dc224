"""Orders by FHIR: ServiceRequest, Appointment and Task, one by one or in a Bundle, R4 and R5. Source: FHIR R4 and R5, 3.1 (REST)."""

from __future__ import annotations

import re
from typing import Any

import orjson
from flask import Blueprint, Response, request

from bridge.codecs.fhir import server
from bridge.domain.accounts import Permission
from bridge.errors import BridgeError
from bridge.flows.apply_fhir import Done
from bridge.flows.read_fhir import FhirRequest
from bridge.flows.receive_fhir import FhirAnswer
from bridge.store import fhir_resources
from bridge.store.db import ReadTx
from bridge.web import access, bodies, problems
from bridge.web.access import caller, needs, origin, services
from bridge.web.fhir import answers, asked, batches, service_requests

blueprint = Blueprint("fhir_orders", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
TAKEN = {
    "ServiceRequest": ("create", "update", "delete"),
    "Appointment": ("create", "update"),
    "Task": ("create", "update"),
}
_KINDS = "any(ServiceRequest,Appointment,Task)"
_BYTES_MAX = 4 << 20
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@blueprint.post("/")
@needs(Permission.SIGNED_IN)
def take_bundle(release: str) -> Response:
    """Do what a transaction or a batch asks for: the one whole or not at all, the other entry by entry; or read, in a batch."""
    raw = _raw()
    bundle = batches.of_reads(raw)
    if bundle is not None:
        return batches.answer(release, bundle)
    access.check(Permission.ENTER_ORDERS)
    answer = _receive(release, "", "", raw)
    if answer.fault is not None:
        raise answer.fault
    kind = "batch-response" if answer.body.is_batch else "transaction-response"
    with services().store.read() as tx:
        entries = [_entry(tx, release, one) for one in answer.done]
    return answers.plain({"resourceType": "Bundle", "type": kind, "entry": entries})


@blueprint.post(f"/<{_KINDS}:kind>")
@needs(Permission.ENTER_ORDERS)
def create(release: str, kind: str) -> Response:
    """Take an order, an appointment or a task."""
    return _one(release, _receive(release, kind, "", _raw()))


@blueprint.route(f"/<{_KINDS}:kind>/<resource_id>", methods=["PUT"])
@needs(Permission.ENTER_ORDERS)
def update(release: str, kind: str, resource_id: str) -> Response:
    """Take it by the name that its sender has for it; new or changed."""
    if not _ID.fullmatch(resource_id):
        raise LookupError("not an id")
    return _one(release, _receive(release, kind, resource_id, _raw()))


@blueprint.delete("/ServiceRequest/<resource_id>")
@needs(Permission.ENTER_ORDERS)
def cancel(release: str, resource_id: str) -> Response:
    """Cancel an order that nobody has started; it stays on record."""
    asked.version_of(release)
    with services().store.read() as tx:
        key = fhir_resources.order_key(tx, caller().name, resource_id)
    if key is None:
        raise LookupError("no such order")
    services().flows.cancel_order(order_key=key, reason="deleted by the system that ordered it", actor=caller().name)
    return Response(status=204)


def _raw() -> bytes:
    return bodies.check_depth(bodies.raw_body(asked.CONTENT, "application/json", limit=_BYTES_MAX))


def _receive(release: str, kind: str, resource_id: str, raw: bytes) -> FhirAnswer:
    asked.version_of(release)
    call = FhirRequest(
        raw,
        caller().name,
        origin(),
        resource_type=kind,
        resource_id=resource_id,
        if_none_exist=request.headers.get("If-None-Exist", ""),
        if_match=request.headers.get("If-Match", ""),
    )
    return services().flows.receive_fhir(call)


def _one(release: str, answer: FhirAnswer) -> Response:
    if answer.fault is not None:
        raise answer.fault
    done = answer.done[0]
    assert isinstance(done, Done)
    with services().store.read() as tx:
        wants = request.headers.get("Prefer", "")
        body = _body(tx, release, done) if "return=OperationOutcome" not in wants else _outcome(done)
    response = Response(orjson.dumps(body), done.status, content_type=asked.CONTENT)
    if "return=minimal" in wants:
        response.set_data(b"")
    for name, value in _headers(release, done).items():
        response.headers[name] = value
    return response


def _headers(release: str, done: Done) -> dict[str, str]:
    if done.kind != "ServiceRequest" or not done.resource_id:
        return {}
    place = f"{asked.base(release)}/ServiceRequest/{done.resource_id}/_history/{done.version}"
    return {"Location": place, "ETag": f'W/"{done.version}"'}


def _body(tx: ReadTx, release: str, done: Done) -> Json:
    if done.kind == "ServiceRequest" and done.order_key is not None:
        return _order(tx, release, done.order_key, done.resource_id)
    return _outcome(done)


def _outcome(done: Done) -> Json:
    issues = [server.operation_outcome("informational", done.what or "done", "information")["issue"][0]]
    for notice in done.notices:
        severity = "warning" if notice.severity == "W" else "information"
        issues += server.operation_outcome("informational", notice.detail, severity, notice.where)["issue"]
    return {"resourceType": "OperationOutcome", "issue": issues}


def _entry(tx: ReadTx, release: str, done: Done | BridgeError) -> Json:
    if isinstance(done, BridgeError):
        problem = problems.of_error(done)
        outcome = problems.operation_outcome(problem)
        return {"response": {"status": f"{problem.status} {problem.title}", "outcome": outcome}}
    headers = _headers(release, done)
    response: Json = {"status": "201 Created" if done.status == 201 else "200 OK", "outcome": _outcome(done)}
    if headers:
        response |= {"location": headers["Location"], "etag": headers["ETag"]}
    if done.kind == "ServiceRequest" and done.order_key is not None:
        return {"resource": _order(tx, release, done.order_key, done.resource_id), "response": response}
    return {"response": response}


def _order(tx: ReadTx, release: str, key: int, resource_id: str) -> Json:
    return service_requests.made_one(tx, key, asked.serving(tx, release), resource_id).resource
