"""QIDO-RS: studies, series and instances by their attributes. Source: PS3.18 10.6."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from bridge.codecs.dicomweb import metadata, native_xml, query
from bridge.codecs.dicomweb.media_types import DICOM_JSON, DICOM_XML
from bridge.codecs.dicomweb.multipart import Part, body, content_type
from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.flows.search_studies import Asker, StudySearch
from bridge.store import audit, studies
from bridge.store.served_objects import Sight
from bridge.web import reads
from bridge.web.access import needs, services
from bridge.web.addresses import base_url
from bridge.web.dicomweb import answers

blueprint = Blueprint("dicomweb_search", __name__, url_prefix="/dicom-web")

_CONTROLS: Final = frozenset({"limit", "offset", "includefield", "fuzzymatching", "accept", "charset"})
_LIMIT, _LIMIT_MAX = 100, 1000
# So far a search can be paged through; what lies beyond is found by asking more narrowly.
_FOUND_MAX: Final = 20_000
_FILTERS_MAX: Final = 30
_LITERAL: Final = "The fuzzymatching parameter is not supported. Only literal matching has been performed."


@blueprint.get("/studies")
@needs(Permission.READ_DICOMWEB)
def search_studies() -> Response:
    """Find studies."""
    return _search("STUDY", {})


@blueprint.get("/series")
@blueprint.get("/studies/<study>/series")
@needs(Permission.READ_DICOMWEB)
def search_series(study: str = "") -> Response:
    """Find series, of all studies or of one."""
    return _search("SERIES", {"StudyInstanceUID": study})


@blueprint.get("/instances")
@blueprint.get("/studies/<study>/instances")
@blueprint.get("/studies/<study>/series/<series>/instances")
@needs(Permission.READ_DICOMWEB)
def search_instances(study: str = "", series: str = "") -> Response:
    """Find instances, of all studies, of one, or of one series."""
    return _search("IMAGE", {"StudyInstanceUID": study, "SeriesInstanceUID": series})


def _search(level: str, named: Mapping[str, str]) -> Response:
    is_xml = answers.wants_xml()
    filters = {name: value for name, value in request.args.items() if name not in _CONTROLS}
    if len(filters) > _FILTERS_MAX:
        raise Malformed(f"more than {_FILTERS_MAX} attributes", code="too_many")
    included = [name for value in request.args.getlist("includefield") for name in value.split(",") if name]
    included = included[:_FILTERS_MAX]
    limit, offset = min(_number("limit", _LIMIT), _LIMIT_MAX), _number("offset", 0)
    filters |= {name: uid for name, uid in named.items() if uid}
    seen = answers.sight()
    tags = query.tags_of(level, included)
    identifier = query.identifier_of(level, filters, query.searchable(included))
    # One more than is shown says that there are more.
    most = min(offset + limit, _FOUND_MAX) + 1
    asker = Asker(charset="ISO_IR 192", unbound=seen.unbound, patient_keys=seen.patient_keys, most=most)
    found = _flow().find(identifier, query.TRANSFER_SYNTAX, asker)
    shown = found[offset : offset + limit]
    rows = [query.json_of(one) for one in shown]
    _note(level, rows)
    warnings = [_LITERAL] if request.args.get("fuzzymatching", "").lower() == "true" else []
    left = len(found) - offset - len(shown)
    if found.was_cut or len(found) > _FOUND_MAX or (left > 0 and request.args.get("limit") != str(limit)):
        warnings.append("There are additional results that can be requested")
    whole = [_completed(one, tags, seen) for one in rows]
    return answers.warned(_written(whole, is_xml), *warnings)


def _note(level: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write who searched; the row names patient and study where all answers are about one."""
    about: audit.About = {"detail": {"level": level, "count": len(rows)}}
    uids = {_uids(row)[0] for row in rows}
    if len(uids) == 1:
        with services().store.read() as tx:
            study = studies.by_uid(tx, uids.pop())
        if study is not None:
            about |= {"study_key": study.key, "patient_key": study.patient_key}
    reads.note("dicomweb_searched", **about)


def _completed(row: dict[str, Any], tags: frozenset[int], sight: Sight) -> dict[str, Any]:
    """Add what only the objects tell, and where the answer is retrieved. Source: PS3.18 10.6.3."""
    uids = _uids(row)
    missing = [tag for tag in tags if "Value" not in row.get(f"{tag:08X}", {})]
    server = services().objects
    header = server.first_header(uids, sight) if server is not None and missing else None
    told = metadata.attributes_of(header, missing) if header is not None else {}
    steps = zip(("studies", "series", "instances"), uids, strict=True)
    place = "/".join(f"{name}/{uid}" for name, uid in steps if uid)
    address = {"00081190": {"vr": "UR", "Value": [f"{base_url()}/dicom-web/{place}"]}}
    return dict(sorted((row | told | address).items()))


def _uids(row: dict[str, Any]) -> tuple[str, str, str]:
    study, series, instance = (
        (row.get(tag, {}).get("Value") or [""])[0] for tag in ("0020000D", "0020000E", "00080018")
    )
    return study, series, instance


def _written(found: list[dict[str, Any]], is_xml: bool) -> Response:
    if not found:
        return Response(status=204)
    if not is_xml:
        return Response(orjson.dumps(found), content_type=DICOM_JSON)
    boundary = f"bridge-{services().clock.new_id()}"
    return Response(body(_parts(found), boundary), content_type=content_type(boundary, DICOM_XML))


def _parts(found: list[dict[str, Any]]) -> Iterator[Part]:
    return (Part(DICOM_XML, (native_xml.to_xml(one),)) for one in found)


def _flow() -> StudySearch:
    flow = services().search
    if flow is None:
        raise NotFound
    return flow


def _number(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise Malformed("a number is wanted", where=name, source="PS3.18 8.3.4.4")
    return int(text)
