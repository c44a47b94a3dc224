"""Links that open images once and soon, for systems that cannot launch: made, looked at, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.viewer_links import open_link
from bridge.errors import Malformed
from bridge.flows.make_viewer_link import WantedLink
from bridge.store.viewer_links import ViewerLink
from bridge.web import access, addresses, bodies, reads
from bridge.web.access import caller, needs, services
from bridge.web.api.shapes import instant

blueprint = Blueprint("api_viewer_links", __name__, url_prefix="/api")

_MINUTES = 5


@blueprint.post("/viewer-links")
@needs(Permission.MAKE_LINKS)
def make_viewer_link() -> Response:
    """Make a link that opens a study, or all studies of a patient, once; its address is shown this once."""
    body = bodies.only(bodies.json_object(), "study_instance_uid", "patient", "for", "minutes")
    minutes = body.get("minutes", _MINUTES)
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 0 < minutes < 1000:
        raise Malformed("a whole number of minutes is wanted", where="minutes")
    wanted = WantedLink(
        bodies.text(body, "study_instance_uid", limit=64),
        _patient(body),
        bodies.text(body, "for", required=True, limit=64),
        timedelta(minutes=minutes),
    )
    made = services().viewing.links.make(wanted, caller(), access.origin())
    answer = jsonify(id=made.key, url=open_link(addresses.base_url(), made.secret), ends_at=instant(made.ends_at))
    answer.status_code = 201
    answer.headers["Location"] = f"/api/viewer-links/{made.key}"
    return answer


@blueprint.get("/viewer-links/<int:link_key>")
@needs(Permission.MAKE_LINKS)
def read_viewer_link(link_key: int) -> Response:
    """Return how a link stands: by whom and for whom it was made, whether it was opened or revoked; never its address."""
    link = services().viewing.links.get(link_key)
    reads.note("viewer_link_viewed", study_key=link.study_key, detail={"link": link_key})
    return jsonify(_said(link))


@blueprint.delete("/viewer-links/<int:link_key>")
@needs(Permission.MAKE_LINKS)
def revoke_viewer_link(link_key: int) -> Response:
    """End a link; what it opened is closed."""
    return jsonify(_said(services().viewing.links.revoke(link_key, caller(), access.origin())))


def _patient(body: dict[str, Any]) -> PatientIdentifier | None:
    said = body.get("patient")
    if said is None:
        return None
    if not isinstance(said, dict):
        raise Malformed("an object with id and issuer is wanted", where="patient")
    number = bodies.only(said, "id", "issuer")
    issuer = bodies.text(number, "issuer", limit=64) or services().settings.identity.authority
    return PatientIdentifier(bodies.text(number, "id", required=True, limit=64), issuer)


def _said(link: ViewerLink) -> dict[str, Any]:
    return {
        "id": link.key,
        "for": link.made_for,
        "made_by": link.made_by,
        "made_at": instant(link.made_at),
        "ends_at": instant(link.ends_at),
        "opened_at": instant(link.opened_at),
        "revoked_at": instant(link.revoked_at),
    }
