"""$validate: says what is wrong with a resource, and stores nothing. Source: FHIR R4 and R5, Resource-operation $validate."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from bridge.codecs.fhir import validate
from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.web import bodies
from bridge.web.access import needs
from bridge.web.fhir import answers, asked

blueprint = Blueprint("fhir_validation", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
_BYTES_MAX = 4 << 20


@blueprint.post("/$validate")
@needs(Permission.READ_FHIR)
def validate_any(release: str) -> Response:
    """Judge a resource of any type."""
    return _judge(release, "")


@blueprint.post("/<kind>/$validate")
@needs(Permission.READ_FHIR)
def validate_one(release: str, kind: str) -> Response:
    """Judge a resource that must be of this type."""
    return _judge(release, kind)


def _judge(release: str, kind: str) -> Response:
    version = asked.version_of(release)
    asked.negotiate()
    body = bodies.parsed_json(bodies.raw_body(asked.CONTENT, "application/json", limit=_BYTES_MAX))
    resource = _resource(body)
    if kind and resource.get("resourceType") != kind:
        raise Malformed("the resource is not of the type in the address", where="resourceType")
    return answers.plain(validate.outcome(validate.faults(resource, version)))


def _resource(body: object) -> Json:
    """Return what is to be judged: the body, or the parameter "resource" of it. Raises: Malformed."""
    if isinstance(body, dict) and body.get("resourceType") == "Parameters":
        named = body.get("parameter")
        found = [one for one in named if isinstance(one, dict)] if isinstance(named, list) else []
        body = next((one.get("resource") for one in found if one.get("name") == "resource"), body)
    if not isinstance(body, dict) or not isinstance(body.get("resourceType"), str):
        raise Malformed("a resource is wanted", where="resourceType")
    return body
