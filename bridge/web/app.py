"""Build the Flask application: blueprints, the question before every view, headers after it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from flask import Flask, Response, g, request
from werkzeug.routing import IntegerConverter

from bridge.errors import Malformed
from bridge.web import (
    access,
    compression,
    cross_origin,
    health,
    launch_pages,
    own_keys,
    page,
    problems,
    sign_in_pages,
    view_pages,
)
from bridge.web.api import routes as api
from bridge.web.desks import routes as desks
from bridge.web.dicomweb import routes as dicomweb
from bridge.web.fhir import routes as fhir
from bridge.web.services import WebServices
from bridge.web.workitems import blueprint as workitems

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MAX_FORM_PARTS = 500


class _RowConverter(IntegerConverter):
    """A row in an address: no longer than the database's own numbers, so that a longer one is simply not found."""

    regex = r"[0-9]{1,18}"


def create_app(services: WebServices) -> Flask:
    """Return the application that serves console, REST, FHIR, DICOMweb, health and metrics."""
    app = Flask("bridge.web", root_path=str(Path(__file__).parent))
    app.extensions["bridge"] = services
    app.config.update(
        MAX_CONTENT_LENGTH=services.settings.http.max_body_mb << 20,
        MAX_FORM_MEMORY_SIZE=4 << 20,
        MAX_FORM_PARTS=_MAX_FORM_PARTS,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=30),
    )
    # Redirects that routing makes by itself would carry the Host header that the caller sent.
    app.url_map.strict_slashes = False
    app.url_map.converters["int"] = _RowConverter
    app.url_map.merge_slashes = False
    served = (*fhir.blueprints, *dicomweb.blueprints, workitems)
    for blueprint in (
        health.blueprint,
        own_keys.blueprint,
        sign_in_pages.blueprint,
        launch_pages.blueprint,
        view_pages.blueprint,
        *desks.blueprints,
        *api.blueprints,
        *served,
    ):
        app.register_blueprint(blueprint)
    page.register(app)
    problems.register(app)
    app.before_request(cross_origin.preflight)
    app.before_request(_read_address)
    access.guard(app)
    app.after_request(_finish)
    return app


def _read_address() -> None:
    """Refuse an address with a NUL, which nothing here is called by and no database compares. Raises: Malformed."""
    if "\x00" in request.path:
        raise Malformed("a NUL is in no address")
    for name, value in request.args.items(multi=True):
        if "\x00" in name + value:
            raise Malformed("a NUL is in no address", where=name.replace("\x00", "")[:40])


def _finish(response: Response) -> Response:
    """Lay the headers over every answer. Source: OWASP ASVS 5.0 V3.4."""
    headers = response.headers
    headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Frame-Options"] = "DENY"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if request.is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint != "static":
        headers["Cache-Control"] = "no-store"
    cross_origin.allow(response)
    compression.compress(response)
    if g.get("form_secret"):
        access.set_form_cookie(response)
    health.count(response)
    return response
