"""The ways to the images as FHIR serves them, R4 and R5. Source: FHIR R4 and R5, Endpoint."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from bridge.codecs.fhir import r4, r5
from bridge.domain.accounts import Permission
from bridge.web import addresses
from bridge.web.access import needs, services
from bridge.web.fhir import search

blueprint = Blueprint("fhir_endpoints", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
_ENDPOINT = "dicomweb"


@blueprint.get("/Endpoint")
@needs(Permission.READ_FHIR)
def search_endpoints(release: str) -> Response:
    """Return the one way to the images."""
    search.version_of(release)
    asked = search.parameters("Endpoint").get("_id", _ENDPOINT)
    found = [_endpoint(release)] if asked == _ENDPOINT else []
    return search.bundle(release, found, len(found), None)


@blueprint.get("/Endpoint/<resource_id>")
@needs(Permission.READ_FHIR)
def read_endpoint(release: str, resource_id: str) -> Response:
    """Return the way to the images."""
    search.version_of(release)
    if resource_id != _ENDPOINT:
        raise LookupError(resource_id)
    return search.answer(_endpoint(release))


def _endpoint(release: str) -> Json:
    build_endpoint = r4.endpoint if release == "r4" else r5.endpoint
    address = f"{addresses.base_url()}/dicom-web"
    return build_endpoint(address, services().settings.bridge.organization) | {"id": _ENDPOINT}
