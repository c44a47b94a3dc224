"""DICOMweb: QIDO-RS, and WADO-RS metadata and retrieval, with every correction applied. Source: PS3.18 10.4, 10.6.

Only bound studies are served, to people and machines alike; who may look at others does so on the console.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from bridge.codecs.dicomweb import metadata, multipart, query
from bridge.domain.accounts import Permission
from bridge.domain.study import Outgoing
from bridge.errors import Malformed
from bridge.flows.search_studies import Asker, StudySearch
from bridge.store import studies
from bridge.web import reads
from bridge.web.access import needs, services

blueprint = Blueprint("dicomweb", __name__, url_prefix="/dicom-web")

_DICOM_JSON = "application/dicom+json"
_CONTROLS = frozenset({"limit", "offset", "includefield", "fuzzymatching"})
_LIMIT, _LIMIT_MAX = 100, 1000
_FILTERS_MAX = 30


@blueprint.get("/studies")
@needs(Permission.READ_DICOMWEB)
def search_studies() -> Response:
    """Find bound studies."""
    return _search("STUDY", {})


@blueprint.get("/studies/<study>/series")
@needs(Permission.READ_DICOMWEB)
def search_series(study: str) -> Response:
    """Find the series of a study."""
    return _search("SERIES", {"StudyInstanceUID": study})


@blueprint.get("/studies/<study>/instances")
@needs(Permission.READ_DICOMWEB)
def search_study_instances(study: str) -> Response:
    """Find the instances of a study."""
    return _search("IMAGE", {"StudyInstanceUID": study})


@blueprint.get("/studies/<study>/series/<series>/instances")
@needs(Permission.READ_DICOMWEB)
def search_instances(study: str, series: str) -> Response:
    """Find the instances of a series."""
    return _search("IMAGE", {"StudyInstanceUID": study, "SeriesInstanceUID": series})


@blueprint.get("/studies/<study>/metadata")
@blueprint.get("/studies/<study>/series/<series>/metadata")
@blueprint.get("/studies/<study>/series/<series>/instances/<instance>/metadata")
@needs(Permission.READ_DICOMWEB)
def read_metadata(study: str, series: str = "", instance: str = "") -> Response:
    """Return headers as DICOM JSON, corrected as they would leave."""
    _note(study, "dicomweb_metadata")
    with _search_flow().open(_named(study, series, instance), query.TRANSFER_SYNTAX, Asker()) as objects:
        found = [_metadata(one) for one in objects]
    if not found:
        raise NotFound
    return Response(orjson.dumps(found), content_type=_DICOM_JSON)


def _metadata(one: Outgoing) -> dict[str, Any]:
    with one.at_hand() as path:
        return metadata.metadata_of(path)


@blueprint.get("/studies/<study>")
@blueprint.get("/studies/<study>/series/<series>")
@blueprint.get("/studies/<study>/series/<series>/instances/<instance>")
@needs(Permission.READ_DICOMWEB)
def retrieve(study: str, series: str = "", instance: str = "") -> Response:
    """Return the objects themselves, as they are stored but for corrections."""
    accepted = request.headers.get("Accept", "*/*")
    if not any(kind in accepted for kind in ("multipart/related", "*/*", "application/dicom")):
        raise Malformed("only multipart/related; type=application/dicom is served", where="Accept")
    _note(study, "dicomweb_retrieved")
    boundary = f"bridge-{services().clock.new_id()}"
    return Response(_objects(study, series, instance, boundary), content_type=multipart.content_type(boundary))


def _objects(study: str, series: str, instance: str, boundary: str) -> Iterator[bytes]:
    """Return the body's pieces; each object is corrected when its turn comes."""
    flow, named = _search_flow(), _named(study, series, instance)

    def pieces() -> Iterator[bytes]:
        with flow.open(named, query.TRANSFER_SYNTAX, Asker()) as objects:
            yield from multipart.body(objects, boundary)

    return pieces()


def _search(level: str, named: dict[str, str]) -> Response:
    filters = {name: value for name, value in request.args.items() if name not in _CONTROLS}
    if len(filters) > _FILTERS_MAX:
        raise Malformed(f"more than {_FILTERS_MAX} attributes", code="too_many")
    included = [
        name
        for value in request.args.getlist("includefield")
        for name in value.split(",")
        if name and name.lower() != "all"
    ]
    limit, offset = _number("limit", _LIMIT), _number("offset", 0)
    identifier = query.identifier_of(level, filters | named, included[:_FILTERS_MAX])
    found = _search_flow().find(identifier, query.TRANSFER_SYNTAX, Asker(charset="ISO_IR 192"))
    shown = found[offset : offset + min(limit, _LIMIT_MAX)]
    reads.note("dicomweb_searched", detail={"count": len(shown)})
    if not shown:
        return Response(status=204)
    return Response(orjson.dumps([query.json_of(one) for one in shown]), content_type=_DICOM_JSON)


def _named(study: str, series: str, instance: str) -> bytes:
    level = "IMAGE" if instance else "SERIES" if series else "STUDY"
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": instance}
    return query.identifier_of(level, {name: uid for name, uid in uids.items() if uid})


def _note(study_instance_uid: str, action: str) -> None:
    """Write who fetched which study. Raises: NotFound, if nobody has bound it: its existence is nobody's business."""
    with services().store.read() as tx:
        study = studies.by_uid(tx, study_instance_uid)
    if study is None or not study.is_bound:
        raise NotFound
    reads.note(action, study_key=study.key, patient_key=study.patient_key)


def _search_flow() -> StudySearch:
    flow = services().search
    if flow is None:
        raise NotFound
    return flow


def _number(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or len(text) > 9:
        raise Malformed("a number is wanted", where=name)
    return int(text)
