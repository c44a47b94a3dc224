"""STOW-RS: objects that others bring. Source: PS3.18 10.5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound
from werkzeug.http import parse_options_header

from bridge.codecs.dicom.status import Service, outcome_of
from bridge.codecs.dicomweb import native_xml
from bridge.codecs.dicomweb.media_types import DICOM, DICOM_JSON, DICOM_XML, MULTIPART
from bridge.codecs.dicomweb.multipart_reader import Content, End, Event, Head, MultipartReader
from bridge.domain.accounts import Permission
from bridge.domain.identifiers import check_uid
from bridge.errors import Malformed, Refused, Unavailable, Unsupported
from bridge.flows.store_parts import PartStorer, Sender, Stored, StoredPart
from bridge.web.access import caller, needs, origin, services
from bridge.web.addresses import base_url
from bridge.web.dicomweb import answers

blueprint = Blueprint("dicomweb_store", __name__, url_prefix="/dicom-web")

_CHUNK_BYTES: Final = 64 << 10
_AFTERWARDS_BYTES: Final = 1 << 20
_STORING_ROLES: Final = frozenset({"modality", "archive", "referrer"})


@blueprint.post("/studies")
@blueprint.post("/studies/<study>")
@needs(Permission.STORE)
def store(study: str = "") -> Response:
    """Keep the objects of the request; each that is reported as stored is committed and on disk."""
    is_xml = answers.wants_xml()
    if study:
        check_uid(study, "study", tolerate_leading_zeros=True)
    flow, sender = _flow(), _sender()
    stored = flow.store(_events(), sender, study)
    if not stored.parts:
        raise Malformed("there is no part that could be read", code="no_parts", source="PS3.18 10.5.1")
    said = _response(stored.parts)
    body, kind = (native_xml.to_xml(said), DICOM_XML) if is_xml else (orjson.dumps(said), DICOM_JSON)
    response = Response(body, _status(stored), content_type=kind)
    if stored.was_cut:
        answers.warned(response, "The request was not read to its end.")
    return response


def _flow() -> PartStorer:
    found = services().parts
    if found is None:
        raise NotFound
    return found


def _sender() -> Sender:
    """Return who stores. Raises: Refused, if it acts as a peer that may not. Source: docs/dicomweb.md."""
    title = caller().ae_title
    if title:
        peers = services().settings.dicom.peers
        peer = next((one for one in peers if title in (one.ae_title, *one.aliases)), None)
        if peer is None or not _STORING_ROLES.intersection(peer.roles):
            raise Refused("the peer that this token acts as may not store", code="peer_role")
    return Sender(caller().name, title, origin())


def _events() -> Iterator[Event]:
    """Return what arrives, as parts. Raises: Unsupported, Malformed, for a body of another kind, before any of it is read."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unsupported("compressed bodies are not read", where="Content-Encoding")
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    if kind.lower() == DICOM:
        return _single()
    parts = options.get("type", DICOM).lower()
    if kind.lower() != MULTIPART or parts != DICOM:
        raise Unsupported(
            f"send {MULTIPART}; type={DICOM}", code="media_type", where="Content-Type", source="PS3.18 10.5.1"
        )
    return _several(MultipartReader(options.get("boundary", "")))


def _several(reader: MultipartReader) -> Iterator[Event]:
    body = request.environ["wsgi.input"]
    while not reader.is_complete and (chunk := body.read(_CHUNK_BYTES)):
        yield from reader.feed(chunk)
    if not reader.is_complete:
        raise Malformed("the body ends before its last boundary", code="truncated", source="RFC 2046 5.1.1")
    # What follows the last boundary says nothing, but a caller waits until it is taken.
    left = _AFTERWARDS_BYTES
    while left > 0 and (chunk := body.read(_CHUNK_BYTES)):
        left -= len(chunk)


def _single() -> Iterator[Event]:
    body = request.environ["wsgi.input"]
    yield Head({})
    while chunk := body.read(_CHUNK_BYTES):
        yield Content(chunk)
    yield End()


def _response(parts: Sequence[StoredPart]) -> dict[str, Any]:
    """Return the module of PS3.18 Table 10.5.3-1 as DICOM JSON."""
    root = f"{base_url()}/dicom-web/studies"
    kept = [part for part in parts if part.fault is None]
    failed = [part for part in parts if part.fault is not None]
    said: dict[str, Any] = {}
    studies = {part.study_instance_uid for part in kept}
    if len(studies) == 1:
        said["00081190"] = {"vr": "UR", "Value": [f"{root}/{studies.pop()}"]}
    named = [_failed(part) for part in failed if part.sop_class_uid and part.sop_instance_uid]
    others = [_reason(part) for part in failed if not (part.sop_class_uid and part.sop_instance_uid)]
    for tag, items in (("00081198", named), ("00081199", [_kept(part, root) for part in kept]), ("0008119A", others)):
        if items:
            said[tag] = {"vr": "SQ", "Value": items}
    return said


def _kept(part: StoredPart, root: str) -> dict[str, Any]:
    place = f"{part.study_instance_uid}/series/{part.series_instance_uid}/instances/{part.sop_instance_uid}"
    return _uids(part) | {"00081190": {"vr": "UR", "Value": [f"{root}/{place}"]}}


def _failed(part: StoredPart) -> dict[str, Any]:
    return _uids(part) | _reason(part)


def _uids(part: StoredPart) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [part.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [part.sop_instance_uid]},
    }


def _reason(part: StoredPart) -> dict[str, Any]:
    """Return why a part was not kept: the status that C-STORE would have had. Source: PS3.18 Table 10.5.3-2, PS3.4 B.2.3."""
    assert part.fault is not None
    return {"00081197": {"vr": "US", "Value": [outcome_of(Service.STORAGE, part.fault).status]}}


def _status(stored: Stored) -> int:
    """Return 200 if all is kept, 202 if some is, else what kept all of it out. Source: PS3.18 Table 10.5.3-3."""
    faults = [part.fault for part in stored.parts if part.fault is not None]
    if len(faults) < len(stored.parts):
        return 202 if faults or stored.was_cut else 200
    if any(fault.code == "disk_full" for fault in faults):
        return 507
    if any(isinstance(fault, Unavailable) for fault in faults):
        return 503
    if all(fault.code in ("media_type", "encoding") for fault in faults):
        return 415
    return 409
