"""What the FHIR server is and may be asked: its CapabilityStatement. Source: FHIR R4 and R5, 3.1.0.9."""

from __future__ import annotations

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from bridge.codecs.fhir import server
from bridge.domain.accounts import Permission
from bridge.web.access import needs, services
from bridge.web.fhir import search
from bridge.web.fhir.orders import TAKEN

blueprint = Blueprint("fhir_capability", __name__, url_prefix="/fhir/<any(r4,r5):release>")


@blueprint.get("/metadata")
@needs(Permission.OPEN)
def metadata(release: str) -> Response:
    """Return what is served."""
    here = services()
    software = server.Software("Imaging Bridge", here.version or "0", here.clock.now().date().isoformat())
    return search.answer(
        server.capability_statement(search.version_of(release), search.base(release), software, search.SEARCH, TAKEN)
    )


@blueprint.get("/.well-known/<path:name>")
@needs(Permission.OPEN)
def well_known(release: str, name: str) -> Response:
    """Say that nothing is published here: tokens come from the administrator."""
    raise NotFound
