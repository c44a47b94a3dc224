"""Describe /api as OpenAPI 3.1, from the routes themselves: paths, parameters, permissions, first sentences."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify
from werkzeug.routing import Rule

from bridge.domain.accounts import Permission
from bridge.flows.read_filter import PARAMETERS as MESSAGE_PARAMETERS
from bridge.mapping.typed_authorizations import KEYS as AUTHORIZATION_KEYS
from bridge.web.access import needs, permission_of, services
from bridge.web.api.order_schema import ORDER_SCHEMA

blueprint = Blueprint("api_openapi", __name__, url_prefix="/api")

_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
# What a route reads from the query, from its body and gives back: kept by hand, compared with the routes by a test.
QUERIES = {
    "/exams": ("q", "cursor", "limit"),
    "/worklist": ("as", "cursor", "limit"),
    "/worklist/explain": ("accession_number", "patient_id", "as"),
    "/worklist/queries": ("as", "cursor", "limit"),
    "/mismatches": ("cursor", "limit"),
    "/merges": ("cursor", "limit"),
    "/incidents": ("cursor", "limit"),
    "/looks": ("cursor", "limit"),
    "/questions": ("as",),
    "/figures": ("window",),
    "/messages": (*MESSAGE_PARAMETERS, "cursor", "limit"),
    "/replays": ("limit",),
    "/bulks": ("limit",),
    "/deliveries": ("state", "cursor", "limit"),
    "/authorizations": ("q", "payer", "status", "due", "gap", "cursor", "limit"),
    "/authorizations/news": ("cursor", "limit"),
    "/authorizations/{authorization_key}/attachments/{attachment_key}/packet": ("version",),
    "/authorizations/{authorization_key}/attachments/{attachment_key}/packet/{kind}": ("version",),
    "/proof": ("since", "from", "to"),
    "/audit": ("patient_id", "since", "cursor", "limit"),
}
_BODIES = {
    "/devices/{ae_title}/preview": ("name", "charset"),
    "/devices/{ae_title}/choices": ("choices", "version"),
    "/messages/replay": ("filter", "dry_run"),
    "/storage/holds": ("study_instance_uid", "action", "reason"),
    "/orders/{reference}/cancel": ("reason",),
    "/mismatches/{mismatch_key}/decision": ("action", "accession_number", "patient", "instances", "reason"),
    "/studies/{study_instance_uid}/decision": ("action", "accession_number", "patient", "instances", "reason"),
    "/bulks": ("study_instance_uids", "reason", "device", "since", "until", "repair"),
    "/bulks/{bulk_key}/undo": ("reason",),
    "/bulks/{bulk_key}/apply": ("reason",),
    "/splits/{split_key}/join": ("reason",),
    "/proposals/{proposal_key}/decline": ("reason",),
    "/studies/{study_instance_uid}/corrections": ("attributes", "reason", "preview"),
    "/studies/{study_instance_uid}/corrections/{number}/undo": ("reason",),
    "/studies/{study_instance_uid}/send": ("to",),
    "/studies/{study_instance_uid}/publish": ("server", "part"),
    "/studies/{study_instance_uid}/withdraw": ("reason", "part"),
    "/studies/{study_instance_uid}/withdraw/undo": ("reason", "part"),
    "/viewer-links": ("study_instance_uid", "patient", "for", "minutes"),
    "/merges/{merge_key}/undo": ("reason",),
    "/rejections/{rejection_key}/decision": ("action", "reason"),
    "/incidents/tasks/{task_key}/done": ("reason",),
    "/studies/{study_instance_uid}/looked": ("subject", "remark"),
    "/studies/{study_instance_uid}/questions": ("remark",),
    "/questions/{question_key}/answer": ("answer", "person", "remark"),
    "/authorizations": AUTHORIZATION_KEYS,
    "/authorizations/{authorization_key}/answers": AUTHORIZATION_KEYS,
    "/authorizations/{authorization_key}/anew": ("reason",),
    "/authorizations/{authorization_key}/orders": ("accession_number", "line"),
    "/authorizations/{authorization_key}/orders/{link_key}/undo": ("reason",),
    "/authorizations/news/{news_key}/assign": ("patient",),
    "/authorizations/{authorization_key}/requests": ("as", "reason"),
    "/authorizations/{authorization_key}/requests/{request_key}/settle": ("payer_has_it", "reason"),
    "/authorizations/{authorization_key}/attachments": ("study_instance_uid", "instances", "as", "payer"),
    "/authorizations/{authorization_key}/attachments/{attachment_key}/release": ("reason", "version", "digest"),
    "/authorizations/{authorization_key}/attachments/{attachment_key}/share": ("reason",),
    "/evidence-requests/{request_key}/assign": ("number",),
    "/claims/{outcome_key}/assign": ("accession_number",),
    "/claims/{outcome_key}/undo": ("reason",),
    "/evidence-requests/{request_key}/decline": ("reason",),
    "/authorizations/{authorization_key}/attachments/{attachment_key}/settle": ("is_there", "reason"),
}


@blueprint.get("/openapi.json")
@needs(Permission.SIGNED_IN)
def openapi() -> Response:
    """Return this description."""
    return jsonify(describe(current_app, services().version))


def describe(app: Flask, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of every /api route of *app*. Source: OpenAPI 3.1.0."""
    paths: dict[str, Any] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.rule.startswith("/api/"):
            path = _PARAMETER.sub(r"{\2}", rule.rule.removeprefix("/api"))
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                paths.setdefault(path, {})[method.lower()] = _operation(app, rule, path, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Imaging Bridge", "version": version or "0"},
        "servers": [{"url": "/api"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


_OTHER_ANSWERS = {
    "/hl7": "application/hl7-v2",
    "/documents/{document_key}": "application/octet-stream",
    "/authorizations/{authorization_key}/attachments/{attachment_key}/packet": "application/pdf",
    "/authorizations/{authorization_key}/attachments/{attachment_key}/packet/{kind}": "application/octet-stream",
    "/authorizations/{authorization_key}/attachments/{attachment_key}/answers/{answer_key}": "application/octet-stream",
    "/authorizations/{authorization_key}/requests/answers/{answer_key}": "application/octet-stream",
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "properties": {name: {"type": "string"} for name in ("type", "title", "detail", "code", "where", "source")}
    | {"status": {"type": "integer"}, "errors": {"type": "array", "description": "every fault, with its field"}},
}


def _operation(app: Flask, rule: Rule, path: str, method: str) -> dict[str, Any]:
    view = app.view_functions[rule.endpoint]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation: dict[str, Any] = {
        "operationId": view.__name__,
        "summary": (view.__doc__ or "").strip().partition("\n")[0],
        "description": f"Needs the permission {permission_of(app, rule.endpoint)}.",
        "parameters": _parameters(rule, path, method),
        "responses": {
            "2XX": {"description": "done", "content": {_answers(path): {}}},
            "4XX": {"description": "the caller's to mend", "content": problem},
            "5XX": {"description": "ours; later may work", "content": problem},
        },
    }
    if method in ("POST", "PUT", "PATCH"):
        operation |= _request(path)
    return operation


def _parameters(rule: Rule, path: str, method: str) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer" if kind == "int" else "string"}}
        for kind, name in _PARAMETER.findall(rule.rule)
    ]
    if (method, path) == ("POST", "/orders"):
        found.append({"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}})
    if (method, path) == ("DELETE", "/orders/{reference}"):
        found.append({"name": "reason", "in": "query", "schema": {"type": "string"}})
    if method == "GET":
        found += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in QUERIES.get(path, ())]
    return found


def _request(path: str) -> dict[str, Any]:
    if path == "/hl7":
        return {"requestBody": {"required": True, "content": {"application/hl7-v2": {"schema": {"type": "string"}}}}}
    if path in ("/orders", "/orders/{reference}"):
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": ORDER_SCHEMA}}}}
    keys = _BODIES.get(path, ())
    schema = {"type": "object", "properties": {key: {} for key in keys}, "additionalProperties": False}
    return (
        {"requestBody": {"required": bool(keys), "content": {"application/json": {"schema": schema}}}} if keys else {}
    )


def _answers(path: str) -> str:
    return _OTHER_ANSWERS.get(path, "application/json")
