"""Where programs get their access tokens, and what is published of that. Source: SMART App Launch 2.2, backend services."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, current_app, jsonify, request

from bridge.codecs.fhir.client_assertion import KINDS, MAX_CHARS, NOT_KNOWN
from bridge.domain.accounts import Permission, Scope
from bridge.errors import Refused, Unavailable
from bridge.flows.give_access import Asking
from bridge.web import access
from bridge.web.access import needs, services
from bridge.web.fhir import asked, endpoints
from bridge.web.fhir.registry import READABLE
from bridge.web.throttle import Throttle

blueprint = Blueprint("fhir_tokens", __name__, url_prefix="/fhir/<any(r4,r5):release>")

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_GRANT = "client_credentials"
_SCOPES = (
    "system/*.rs",
    *(f"system/{name}.rs" for name in sorted((*READABLE, endpoints.KIND.name))),
    "system/Binary.r",
    "system/Subscription.cruds",
    *Scope,
)
_MAX_SCOPE_CHARS = 4000


@blueprint.get("/.well-known/smart-configuration")
@needs(Permission.OPEN)
def configuration(release: str) -> Response:
    """Say where tokens are given, for what, and how a program shows who it is."""
    return jsonify(
        token_endpoint=_token_endpoint(release),
        token_endpoint_auth_methods_supported=["private_key_jwt"],
        token_endpoint_auth_signing_alg_values_supported=sorted(KINDS),
        grant_types_supported=[_GRANT],
        scopes_supported=list(_SCOPES),
        capabilities=["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    )


@blueprint.post("/auth/token")
@needs(Permission.OPEN)
def give(release: str) -> Response:
    """Give a program a token for what it signed."""
    here, address = services(), access.origin()
    throttle, now = _throttle(), here.clock.now()
    wait = throttle.wait_secs(address, address, now)
    if wait:
        return _refused(429, "temporarily_unavailable", f"too many refusals: wait {wait} seconds", wait)
    fault = _fault()
    if fault is not None:
        throttle.failed(address, address, now)
        return fault
    scopes = tuple(request.form["scope"].split())
    try:
        given = here.peers.access.give(
            Asking(request.form["client_assertion"], scopes, _token_endpoint(release), address)
        )
    except Refused as refused:
        throttle.failed(address, address, now)
        return _refused(401 if refused.code == NOT_KNOWN else 400, refused.code, refused.detail)
    except Unavailable as missing:
        throttle.failed(address, address, now)
        return _refused(503, "temporarily_unavailable", missing.detail, 30)
    throttle.succeeded(address, address)
    said = {"access_token": given.token, "token_type": "bearer", "expires_in": given.life_secs}
    response = jsonify(said | {"scope": " ".join(given.scopes)})
    response.headers["Pragma"] = "no-cache"
    return response


def _fault() -> Response | None:
    """Return what is wrong with the form itself. Source: RFC 6749 3.2, 5.2."""
    form = request.form
    if request.mimetype != "application/x-www-form-urlencoded" or any(len(form.getlist(one)) > 1 for one in form):
        return _refused(400, "invalid_request", "a form is wanted in which nothing is said twice")
    if form.get("grant_type") != _GRANT:
        return _refused(400, "unsupported_grant_type", f"the grant is {_GRANT}")
    if form.get("client_assertion_type") != _ASSERTION_TYPE or not form.get("client_assertion"):
        return _refused(401, NOT_KNOWN, "a program shows who it is by a signed assertion")
    if len(form["client_assertion"]) > MAX_CHARS or len(form.get("scope", "")) > _MAX_SCOPE_CHARS:
        return _refused(400, "invalid_request", "the assertion or the scope is too long")
    if not form.get("scope", "").strip():
        return _refused(400, "invalid_scope", "say which scopes are wanted")
    return None


def _refused(status: int, error: str, sentence: str, wait: int = 0) -> Response:
    response = jsonify(error=error, error_description=sentence)
    response.status_code = status
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _token_endpoint(release: str) -> str:
    return f"{asked.base(release)}/auth/token"


def _throttle() -> Throttle:
    return cast(Throttle, current_app.extensions.setdefault("bridge_token_throttle", Throttle()))
