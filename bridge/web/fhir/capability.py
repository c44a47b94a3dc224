"""What the FHIR server is and may be asked: its CapabilityStatement. Source: FHIR R4 and R5, 3.1.0.9."""

from __future__ import annotations

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from bridge.codecs.fhir import server
from bridge.codecs.fhir.also_served import with_offers
from bridge.codecs.fhir.server import Offer, Software
from bridge.domain.accounts import Permission
from bridge.web.access import needs, services
from bridge.web.fhir import answers, asked, endpoints, histories
from bridge.web.fhir.kinds import Kind
from bridge.web.fhir.orders import TAKEN
from bridge.web.fhir.registry import KINDS

blueprint = Blueprint("fhir_capability", __name__, url_prefix="/fhir/<any(r4,r5):release>")

_VERSIONED = {histories.KEPT: ("vread", "history-instance")}
_VALIDATE = "http://hl7.org/fhir/OperationDefinition/Resource-validate"


@blueprint.get("/metadata")
@needs(Permission.OPEN)
def metadata(release: str) -> Response:
    """Return what is served."""
    asked.negotiate()
    here = services()
    software = Software("Imaging Bridge", here.version or "0", here.clock.now().date().isoformat())
    version, base = asked.version_of(release), asked.base(release)
    return answers.plain(with_offers(server.capability_statement(version, base, software, offers(release)), base))


@blueprint.get("/.well-known/<path:name>")
@needs(Permission.OPEN)
def well_known(release: str, name: str) -> Response:
    """Say that nothing else is published here."""
    raise NotFound


def offers(release: str) -> list[Offer]:
    """Return what may be done with each resource in a release."""
    read = [_offer(one, release) for one in (*KINDS.values(), endpoints.KIND) if release in one.releases]
    return sorted([*read, Offer("Binary", ("read",))], key=lambda one: one.resource_type)


def _offer(kind: Kind, release: str) -> Offer:
    named = {one.name: one.called(release) for one in kind.parameters}
    return Offer(
        kind.name,
        ("read", *_VERSIONED.get(kind.name, ()), "search-type", *TAKEN.get(kind.name, ())),
        {one.called(release): one.kind for one in kind.offered(release)},
        tuple(f"{kind.name}:{named[name]}" for name in kind.includes if named.get(name)),
        tuple(
            _pointing(source, name, release) for source, name in kind.revincludes if release in KINDS[source].releases
        ),
        {"validate": _VALIDATE},
    )


def _pointing(source: str, name: str, release: str) -> str:
    found = next(one for one in KINDS[source].parameters if one.name == name)
    return f"{source}:{found.called(release) or found.name}"
