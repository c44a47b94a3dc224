"""UPS-RS on the wire: bodies in and out as JSON or XML, faults as the standard's status and Warning. Source: PS3.18 8, 11."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from flask import Response, request
from werkzeug.exceptions import NotAcceptable

from bridge.codecs.dicomweb import native_xml
from bridge.codecs.dicomweb.workitem_reading import read_data_set
from bridge.domain.workitem import Attributes
from bridge.errors import BridgeError, Incomplete
from bridge.web import bodies, problems
from bridge.web.access import services
from bridge.web.addresses import base_url

DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
_JSON = (DICOM_JSON, "application/json")
_MULTIPART = "multipart/related"

_CLAIMED_ELSE = "The submitted request is inconsistent with the state of the UPS Instance."
# By the fault's code: status and the standard's sentence. Source: PS3.18 11.6.3, 11.7.3, 11.8.3, 11.10.3.
_FAULTS: Mapping[str, tuple[int, str]] = {
    "transaction_uid_missing": (400, "The Transaction UID is missing."),
    "transaction_uid_wrong": (400, "The Transaction UID is incorrect."),
    "not_a_state": (400, _CLAIMED_ELSE),
    "final_state": (409, _CLAIMED_ELSE),
    "not_claimed": (409, "The target URI did not reference a claimed Workitem."),
    "already_completed": (409, "The UPS is already COMPLETED."),
    "performer_not_reached": (409, "The performer cannot be contacted."),
    "filtered_subscription": (403, "Filtered Worklist Subscriptions are not supported."),
    "gone": (410, ""),
    "too_broad": (413, ""),
}


def data_set() -> Attributes:
    """Return the data set of the request's body. Raises: Unsupported, Malformed. Source: PS3.18 11.4.1.4."""
    raw = bodies.raw_body(*_JSON, DICOM_XML)
    if request.mimetype == DICOM_XML:
        return read_data_set(native_xml.read_xml(raw))
    return read_data_set(bodies.parsed_json(raw))


def one(item: Mapping[str, Any]) -> Response:
    """Return a workitem in the form that is accepted. Raises: NotAcceptable. Source: PS3.18 11.5.3."""
    if _chosen(*_JSON, DICOM_XML) == DICOM_XML:
        return Response(native_xml.to_xml(item), content_type=DICOM_XML)
    # An array of one, as every other answer in DICOM JSON. Source: PS3.18 F.2.1.
    return Response(orjson.dumps([item]), content_type=DICOM_JSON)


def several(items: Sequence[Mapping[str, Any]], status: int) -> Response:
    """Return what a search found; XML one part each. Raises: NotAcceptable. Source: PS3.18 8.6.1, 11.9.3."""
    kind = _chosen(*_JSON, DICOM_XML, _MULTIPART)
    if kind in _JSON:
        return Response(orjson.dumps([*items]), status, content_type=DICOM_JSON)
    boundary = f"bridge-{services().clock.new_id()}"
    head = f"--{boundary}\r\nContent-Type: {DICOM_XML}\r\n\r\n".encode()
    body = b"".join(head + native_xml.to_xml(item) + b"\r\n" for item in items) + f"--{boundary}--\r\n".encode()
    return Response(body, status, content_type=f'{_MULTIPART}; type="{DICOM_XML}"; boundary={boundary}')


def done(status: int, warning: str = "", location: str = "") -> Response:
    """Return an answer without a body. location: the workitem's UID, where one was made or moved."""
    response = Response(status=status)
    if location:
        response.headers["Location"] = response.headers["Content-Location"] = address_of(location)
    return warned(response, warning)


def warned(response: Response, warning: str) -> Response:
    """Add a Warning, if there is one. Source: PS3.18 8.4 (RFC 7234 5.5)."""
    if warning:
        response.headers["Warning"] = f"299 {base_url()}/dicom-web: {warning}"
    return response


def address_of(workitem_uid: str) -> str:
    """Return where a workitem is found."""
    return f"{base_url()}/dicom-web/workitems/{workitem_uid}"


def fault(error: BridgeError) -> Response:
    """Return a fault as its status, its sentence and a problem document."""
    problem = problems.of_error(error)
    status, warning = _FAULTS.get(error.code, (problem.status, ""))
    if error.code == "wrong_state":
        # An update of what has ended is a bad request, a change of its state a conflict. Source: PS3.18 11.6.2.
        is_update = request.method == "POST"
        warning = (
            "The submitted request is inconsistent with the current state of the Workitem."
            if is_update
            else _CLAIMED_ELSE
        )
    elif isinstance(error, Incomplete) and error.code not in _FAULTS:
        status = 400
    return warned(problems.answer(problems.Problem(**{**_fields(problem), "status": status})), warning)


def _fields(problem: problems.Problem) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in problems.Problem.__slots__}


def _chosen(*kinds: str) -> str:
    """Return the media type to answer with: the parameter accept, else the header. Source: PS3.18 8.3.3.1."""
    asked = request.args.get("accept", "")
    wanted = [asked] if asked else [value for value, quality in request.accept_mimetypes if quality > 0] or ["*/*"]
    for value in wanted:
        # What stands behind a semicolon says which parts a multipart answer has, and ours has one kind.
        # An address that was not encoded turns the plus into a blank.
        kind = value.partition(";")[0].strip().lower().replace(" ", "+")
        found = next((one for one in kinds if kind in (one, "*/*", f"{one.partition('/')[0]}/*")), None)
        if found is not None:
            return found
    raise NotAcceptable
