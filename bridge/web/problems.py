"""Errors as answers: the one table from error classes to HTTP, and its three forms (RFC 9457, OperationOutcome, a page)."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException

from bridge.errors import OUR_FAULT, BridgeError, Conflict, Incomplete, Malformed, Refused, Unavailable, Unsupported

log = structlog.get_logger()

STATUS_OF: dict[type[BridgeError], int] = {
    Malformed: 400,
    Refused: 403,
    Conflict: 409,
    Unsupported: 415,
    Incomplete: 422,
    Unavailable: 503,
}
_STATUS_OF_CODE = {"version": 412, "not_acceptable": 406, "too_many_exports": 429}
# OperationOutcome.issue.code. Source: FHIR R4, value set issue-type.
_ISSUE_OF = {
    412: "conflict",
    400: "structure",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    409: "conflict",
}
_ISSUE_OF |= {413: "too-long", 415: "not-supported", 422: "required", 429: "throttled", 503: "transient"}
_ISSUE_OF_CODE = {
    "not_supported": "not-supported",
    "not_in_table": "code-invalid",
    "unknown": "not-found",
    "duplicate_key": "duplicate",
    "too_long": "too-long",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, in the caller's terms. Never holds patient data, never anything the caller sent."""

    status: int
    detail: str
    code: str = ""
    where: str = ""
    source: str = ""
    retry_after_secs: float | None = None
    incident: str = ""
    faults: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase


def register(app: Flask) -> None:
    """Answer every error of *app* in its caller's form."""
    app.register_error_handler(BridgeError, lambda error: answer(of_error(error)))
    app.register_error_handler(LookupError, _not_found)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _bug)


def of_error(error: BridgeError) -> Problem:
    """Return the problem that *error* is."""
    status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 500)
    wait = error.retry_after_secs if isinstance(error, Unavailable) else None
    wait = wait or (2 if status == 503 else None)
    status = _STATUS_OF_CODE.get(error.code, status)
    faults = error.faults if isinstance(error, Incomplete) else ()
    return Problem(status, error.detail, error.code, error.where, error.source, wait, faults=faults)


def answer(problem: Problem) -> Response:
    """Return *problem* as problem document, OperationOutcome or page, by where it happened."""
    path = request.path
    if path.startswith("/fhir"):
        response = _json(operation_outcome(problem), problem.status, "application/fhir+json")
    elif path.startswith(("/api", "/dicom-web", "/metrics", "/healthz", "/readyz")) or request.is_json:
        response = _json(document(problem), problem.status, "application/problem+json")
    else:
        page = render_template("shell/problem.html", problem=problem)
        response = Response(page, problem.status, content_type="text/html; charset=utf-8")
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="imaging-bridge"'
    if problem.retry_after_secs is not None:
        response.headers["Retry-After"] = str(max(1, round(problem.retry_after_secs)))
    return response


def document(problem: Problem) -> dict[str, Any]:
    """Return *problem* as problem details. Source: RFC 9457 3.1."""
    said = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "where": problem.where,
        "source": problem.source,
        "incident": problem.incident,
    }
    each = {"errors": [{"where": where, "detail": detail} for where, detail in problem.faults]}
    return {key: value for key, value in said.items() if value != ""} | (each if problem.faults else {})


def operation_outcome(problem: Problem) -> dict[str, Any]:
    """Return *problem* as an OperationOutcome. Source: FHIR R4 2.28."""
    issue: dict[str, Any] = {
        "severity": "fatal" if problem.status >= 500 else "error",
        "code": _ISSUE_OF_CODE.get(problem.code)
        or _ISSUE_OF.get(problem.status, "exception" if problem.status >= 500 else "invalid"),
        "diagnostics": " ".join(filter(None, (problem.detail, problem.incident and f"incident {problem.incident}"))),
    }
    if problem.where:
        issue["expression"] = [problem.where]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _json(body: dict[str, Any], status: int, content_type: str) -> Response:
    return Response(orjson.dumps(body), status, content_type=content_type)


def _not_found(_: LookupError) -> Response:
    return answer(Problem(404, "there is nothing here by that name", "not_found"))


_SENTENCES = {
    401: "sign in, or send a valid token (Authorization: Bearer …); images opened from a chart or by a link are seen on their own pages alone",
    404: "there is nothing here by that name",
    405: "this address does not take that method",
    413: "the body is too large, or a form has too many files",
}


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    detail = _SENTENCES.get(status) or HTTPStatus(status).phrase.lower()
    response = answer(Problem(status, detail, HTTPStatus(status).phrase.lower().replace(" ", "_")))
    allow = dict(error.get_headers()).get("Allow")
    if allow:
        response.headers["Allow"] = allow
    return response


def _bug(error: Exception) -> Response:
    """Answer a fault of ours with a number that the log knows; its text may hold patient data and stays out of both."""
    incident: str = current_app.extensions["bridge"].clock.new_id()[:12]
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    at = f"{place.tb_frame.f_code.co_filename.rpartition('/')[2]}:{place.tb_lineno}" if place is not None else ""
    route = str(request.url_rule) if request.url_rule is not None else ""
    log.error("request_failed", incident=incident, kind=type(error).__name__, at=at, route=route)
    return answer(Problem(500, f"{OUR_FAULT}; nothing was changed", "internal", incident=incident))
