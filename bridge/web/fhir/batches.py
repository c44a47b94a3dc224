"""Many reads in one: a Bundle of type batch, each entry answered as if it had been asked alone. Source: FHIR R4 and R5, 3.1.0.11."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any, cast
from urllib.parse import unquote

import orjson
from flask import Response, current_app, request

from bridge.codecs.fhir import server
from bridge.domain.accounts import Permission
from bridge.errors import Incomplete, Malformed
from bridge.web import access
from bridge.web.fhir import answers, asked

Json = dict[str, Any]
MOST_ENTRIES = 50
_MOST_BYTES = 16 << 20
_READS = ("GET", "HEAD")
# What an entry may ask for: what is read and searched, and nothing that waits, streams or asks for tokens.
_ASKED_BY = ("fhir_interactions", "fhir_histories", "fhir_capability")
_NOT_OF_ENTRIES = ("werkzeug.", "flask.", "CONTENT_", "HTTP_CONTENT_", "HTTP_IF_", "HTTP_ACCEPT_ENCODING")
_NOT_READ = "reads alone are done in a batch with reads: send what is to be written in a bundle of its own"


def of_reads(raw: bytes) -> Json | None:
    """Return the Bundle that a body is, if an entry of it asks to read; None for what is another door's."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or body.get("resourceType") != "Bundle" or not isinstance(body.get("entry"), list):
        return None
    return body if any(_method(one) in _READS for one in body["entry"]) else None


def answer(release: str, bundle: Mapping[str, Any]) -> Response:
    """Return what each entry is answered, in their order. Raises: Incomplete, for a transaction; Malformed, Refused."""
    asked.version_of(release)
    access.check(Permission.READ_FHIR)
    if bundle.get("type") != "batch":
        raise Incomplete("reads are done in a batch", code="not_supported", where="Bundle.type")
    entries = bundle["entry"]
    if len(entries) > MOST_ENTRIES:
        raise Malformed(f"more than {MOST_ENTRIES} entries", code="too_long", where="Bundle.entry")
    done, size = [], 0
    for one in entries:
        found, length = _answered(release, one) if size < _MOST_BYTES else (_TOO_MUCH, 0)
        size += length
        done.append(found)
    return answers.plain({"resourceType": "Bundle", "type": "batch-response", "entry": done})


def _method(entry: object) -> str:
    said = entry.get("request") if isinstance(entry, Mapping) else None
    return str(said.get("method", "")) if isinstance(said, Mapping) else ""


def _answered(release: str, entry: object) -> tuple[Json, int]:
    """Return what an entry is answered, and how long that is in bytes."""
    if _method(entry) not in _READS:
        return _refused(422, "not-supported", _NOT_READ), 0
    environ = _environ(release, cast(Mapping[str, Any], entry)["request"])
    if environ is None:
        return _refused(400, "value", "an address of this server's is wanted, as it stands behind its base"), 0
    app = cast(Any, current_app)._get_current_object()
    # A context of its own, so that nothing that is known of the whole request is changed by a part of it.
    with app.app_context(), app.request_context(environ):
        if request.url_rule is not None and request.blueprint not in _ASKED_BY:
            return _refused(422, "not-supported", "this is not read in a batch"), 0
        response: Response = app.full_dispatch_request()
    body = response.get_data() if environ["REQUEST_METHOD"] == "GET" else b""
    return _entry(response, orjson.loads(body) if body else None), len(body)


def _environ(release: str, said: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the request that an entry stands for, by the same caller; None where it names no address of ours."""
    url = said.get("url")
    path, _, query = str(url).removeprefix(f"{asked.base(release)}/").partition("?")
    is_ours = isinstance(url, str) and url.isascii() and "://" not in path and path[:1] not in ("", "/")
    if not is_ours or any(one in (".", "..") for one in unquote(path).split("/")):
        return None
    kept = {name: value for name, value in request.environ.items() if not name.startswith(_NOT_OF_ENTRIES)}
    headers = {"HTTP_IF_NONE_MATCH": said.get("ifNoneMatch"), "HTTP_IF_MODIFIED_SINCE": said.get("ifModifiedSince")}
    return kept | {
        "REQUEST_METHOD": said["method"],
        "PATH_INFO": f"/fhir/{release}/{unquote(path, 'latin-1')}",
        "QUERY_STRING": query,
        "CONTENT_LENGTH": "0",
        "wsgi.input": BytesIO(),
        **{name: value for name, value in headers.items() if isinstance(value, str)},
    }


def _entry(response: Response, said: Json | None) -> Json:
    """Return an answer as the entry of a Bundle. Source: FHIR R4 and R5, Bundle.entry.response."""
    about: Json = {"status": response.status}
    for name, element in (("ETag", "etag"), ("Location", "location")):
        if name in response.headers:
            about[element] = response.headers[name]
    if said is None:
        return {"response": about}
    if response.status_code >= 400:
        return {"response": about | {"outcome": said}}
    changed = said.get("meta", {}).get("lastUpdated")
    return {"resource": said, "response": about | ({"lastModified": changed} if changed else {})}


def _refused(status: int, code: str, why: str) -> Json:
    phrase = f"{status} {HTTPStatus(status).phrase}"
    return {"response": {"status": phrase, "outcome": server.operation_outcome(code, why)}}


_TOO_MUCH = _refused(413, "too-costly", "the answers before this one are as much as one batch is told: ask again")
