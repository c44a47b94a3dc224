"""Viewers that live on another site: which of them a browser lets read DICOMweb. Source: Fetch standard 3.2 (CORS)."""

from __future__ import annotations

from typing import Final

from flask import Response, request

from bridge.web.access import services

_ROOT: Final = "/dicom-web"
_HEADERS: Final = "Authorization, Accept, Content-Type, If-None-Match, Range"
_SHOWN: Final = "Content-Location, Content-Range, ETag, Retry-After, Warning"
_KEPT_SECS: Final = 600


def preflight() -> Response | None:
    """Answer a browser that asks on behalf of an allowed site whether it may ask; None for every other request."""
    if request.method != "OPTIONS" or not _is_allowed() or "Access-Control-Request-Method" not in request.headers:
        return None
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST"
    response.headers["Access-Control-Allow-Headers"] = _HEADERS
    response.headers["Access-Control-Max-Age"] = str(_KEPT_SECS)
    return response


def allow(response: Response) -> None:
    """Let an allowed site read *response*. Cookies are not: whoever asks from there brings a token."""
    if not request.path.startswith(f"{_ROOT}/") or not services().settings.http.cors_origins:
        return
    response.vary.add("Origin")
    if _is_allowed():
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = _SHOWN
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"


def _is_allowed() -> bool:
    origins = services().settings.http.cors_origins
    return request.path.startswith(f"{_ROOT}/") and request.headers.get("Origin", "") in origins
