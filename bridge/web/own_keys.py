"""The public keys by which servers know our signature. Source: RFC 7517 5, HL7 SMART App Launch 2.0 (JWKS by URL)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import structlog
from flask import Blueprint, Response

from bridge.codecs.signing_keys import public_key, read_signing_key
from bridge.domain.accounts import Permission
from bridge.errors import Misconfigured
from bridge.sections.remote import SmartBackendAuth
from bridge.settings import Settings
from bridge.web.access import needs, services

blueprint = Blueprint("own_keys", __name__)

# A server that keeps the answer learns of a new key in this time.
_KEPT_SECS = 300
_log = structlog.get_logger(__name__)


@blueprint.get("/.well-known/jwks.json")
@needs(Permission.OPEN)
def jwks() -> Response:
    """Return the public part of every key that the settings name, each once; a file that holds none is left out."""
    keys = {}
    for client_id, path, key_id in _signing(services().settings):
        try:
            found = public_key(read_signing_key(path), key_id)
        except Misconfigured as fault:
            _log.warning("signing_key_unread", client_id=client_id, code=fault.code)
            continue
        keys[found["kid"]] = found
    answer = Response(orjson.dumps({"keys": list(keys.values())}), content_type="application/jwk-set+json")
    answer.headers["Cache-Control"] = f"public, max-age={_KEPT_SECS}"
    return answer


def _signing(settings: Settings) -> Iterator[tuple[str, Path, str]]:
    """Return of each key whose it is, its file, and what it is called."""
    servers = [one.auth for one in settings.fhir.servers]
    asked = [one.auth for one in settings.outside.fhir]
    archives = [one.auth for one in settings.dicomweb.servers]
    for auth in (*servers, *asked, *archives):
        if isinstance(auth, SmartBackendAuth):
            yield auth.client_id, auth.key, auth.key_id
            yield from ((auth.client_id, one, "") for one in auth.also_published)
    for launch in filter(None, (one.launch for one in settings.fhir.servers)):
        if launch.key is not None:
            yield launch.client_id, launch.key, launch.key_id
        yield from ((launch.client_id, one, "") for one in launch.also_published)
