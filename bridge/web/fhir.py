"""Read-only FHIR, R4 and R5: ImagingStudy of bound studies, Patient, Endpoint. Source: FHIR R4 and R5, 3.1 (REST)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from bridge.codecs.fhir import patient as patient_codec
from bridge.codecs.fhir import r4, r5, server
from bridge.codecs.fhir.imaging_study import House, build
from bridge.codecs.fhir.references import Links
from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.store import orders, patients, studies
from bridge.store.db import ReadTx
from bridge.store.listings import served
from bridge.store.listings.served import Wanted
from bridge.web import addresses, paging, reads
from bridge.web.access import needs, services

blueprint = Blueprint("fhir", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
_CONTENT = "application/fhir+json"
_ENDPOINT = "dicomweb"
_SEARCH: Mapping[str, Mapping[str, str]] = {
    "ImagingStudy": {"_id": "token", "identifier": "token", "patient": "reference", "subject": "reference"},
    "Patient": {"_id": "token", "identifier": "token"},
    "Endpoint": {"_id": "token"},
}
_RESULT_PARAMETERS = frozenset({"_count", "_format", "cursor", "_summary", "_elements", "_include", "_sort", "_total"})
_ID = re.compile(r"[0-9]{1,18}")


@blueprint.get("/metadata")
@needs(Permission.OPEN)
def metadata(release: str) -> Response:
    """Return what is served."""
    here = services()
    software = server.Software("Imaging Bridge", here.version or "0", here.clock.now().date().isoformat())
    return _answer(server.capability_statement(_version(release), _base(release), software, _SEARCH))


@blueprint.get("/.well-known/<path:name>")
@needs(Permission.OPEN)
def well_known(release: str, name: str) -> Response:
    """Say that nothing is published here: tokens come from the administrator."""
    raise NotFound


@blueprint.get("/ImagingStudy")
@needs(Permission.READ_FHIR)
def search_studies(release: str) -> Response:
    """Find bound and complete studies by _id, identifier or patient."""
    _version(release)
    asked = _parameters("ImagingStudy")
    size = _count()
    with services().store.read() as tx:
        known = paging.narrowed()
        wanted = _wanted(tx, asked) if known is None else Wanted(_quiet_since(), study_keys=known)
        keys, total = served.find(tx, wanted, before=paging.before(), limit=size + 1)
        shown, more = paging.cut(keys, size)
        if more and known is None and "identifier" in asked:
            known = tuple(served.find(tx, wanted, before=None, limit=paging.MATCHES_MAX)[0])
        found = [_study(tx, key, release) for key in shown]
        people = [studies.get(tx, key).patient_key for key in shown]
    reads.note_patients("fhir_searched", people)
    return _bundle(release, found, total, shown[-1] if more else None, known or ())


@blueprint.get("/ImagingStudy/<resource_id>")
@needs(Permission.READ_FHIR)
def read_study(release: str, resource_id: str) -> Response:
    """Return one bound and complete study."""
    _version(release)
    with services().store.read() as tx:
        keys, _ = served.find(tx, Wanted(_quiet_since(), study_keys=(_key(resource_id),)), before=None, limit=1)
        if not keys:
            raise LookupError(resource_id)
        resource, patient_key = _study(tx, keys[0], release), studies.get(tx, keys[0]).patient_key
    reads.note("fhir_read", study_key=keys[0], patient_key=patient_key)
    return _answer(resource)


@blueprint.get("/Patient")
@needs(Permission.READ_FHIR)
def search_patients(release: str) -> Response:
    """Find patients by identifier."""
    _version(release)
    asked = _parameters("Patient")
    if not asked:
        raise Malformed("name an identifier or an _id", code="too_broad", where="identifier")
    with services().store.read() as tx:
        keys = _patient_keys(tx, asked.get("identifier"), asked.get("_id"))
        found = [_patient(tx, key) for key in keys]
    reads.note_patients("fhir_searched", keys)
    return _bundle(release, found, len(found), None)


@blueprint.get("/Patient/<resource_id>")
@needs(Permission.READ_FHIR)
def read_patient(release: str, resource_id: str) -> Response:
    """Return one patient."""
    _version(release)
    with services().store.read() as tx:
        resource = _patient(tx, _key(resource_id))
    reads.note("fhir_read", patient_key=_key(resource_id))
    return _answer(resource)


@blueprint.get("/Endpoint")
@needs(Permission.READ_FHIR)
def search_endpoints(release: str) -> Response:
    """Return the one way to the images."""
    _version(release)
    asked = _parameters("Endpoint").get("_id", _ENDPOINT)
    found = [_endpoint(release)] if asked == _ENDPOINT else []
    return _bundle(release, found, len(found), None)


@blueprint.get("/Endpoint/<resource_id>")
@needs(Permission.READ_FHIR)
def read_endpoint(release: str, resource_id: str) -> Response:
    """Return the way to the images."""
    _version(release)
    if resource_id != _ENDPOINT:
        raise LookupError(resource_id)
    return _answer(_endpoint(release))


def _version(release: str) -> str:
    version = release.upper()
    if version not in services().settings.fhir.serve:
        raise NotFound
    return version


def _base(release: str) -> str:
    return f"{addresses.base_url()}/fhir/{release}"


def _endpoint(release: str) -> Json:
    build_endpoint = r4.endpoint if release == "r4" else r5.endpoint
    address = f"{addresses.base_url()}/dicom-web"
    return build_endpoint(address, services().settings.bridge.organization) | {"id": _ENDPOINT}


def _study(tx: ReadTx, key: int, release: str) -> Json:
    contents = studies.contents(tx, key)
    study, settings = contents.study, services().settings
    order = orders.get(tx, study.order_key) if study.order_key is not None else None
    links = Links(subject=f"Patient/{study.patient_key}", endpoint=f"Endpoint/{_ENDPOINT}")
    content = build(contents, order, links, House(settings.time_zone, settings.identity.system_of))
    resource = r4.imaging_study(content) if release == "r4" else r5.imaging_study(content)
    changed = study.last_instance_at
    meta = {"versionId": str(study.version), **({"lastUpdated": changed.isoformat()} if changed is not None else {})}
    return resource | {"id": str(key), "meta": meta}


def _patient(tx: ReadTx, key: int) -> Json:
    record = patients.get(tx, key)
    return patient_codec.patient(record, services().settings.identity.system_of) | {"id": str(key)}


def _parameters(resource_type: str) -> dict[str, str]:
    """Return the search parameters that are served; others are left out, or refused if the caller is strict."""
    known = _SEARCH[resource_type]
    unknown = sorted(set(request.args) - set(known) - _RESULT_PARAMETERS)
    if unknown and "handling=strict" in request.headers.get("Prefer", ""):
        raise Malformed("this search parameter is not served", where=unknown[0][:40], source="FHIR R4 3.1.1.4.1")
    return {name: request.args[name] for name in known if request.args.get(name)}


def _wanted(tx: ReadTx, asked: Mapping[str, str]) -> Wanted:
    subject = asked.get("patient") or asked.get("subject")
    ids = asked.get("_id")
    identifier = asked.get("identifier")
    return Wanted(
        _quiet_since(),
        study_keys=tuple(int(one) for one in ids.split(",") if _ID.fullmatch(one)) if ids else None,
        values=tuple(_value(one) for one in identifier.split(",")) if identifier else None,
        patient_keys=tuple(_subjects(tx, subject)) if subject else None,
    )


def _quiet_since() -> datetime:
    here = services()
    return here.clock.now() - timedelta(seconds=here.settings.publish.study_quiet_secs)


def _subjects(tx: ReadTx, reference: str) -> list[int]:
    keys = []
    for one in reference.split(","):
        number = one.rpartition("/")[2]
        if _ID.fullmatch(number):
            try:
                live = patients.survivor(tx, int(number)).key
            except LookupError:
                continue
            keys += [live, *patients.merged_into(tx, live)]
    return keys


def _patient_keys(tx: ReadTx, identifier: str | None, ids: str | None) -> list[int]:
    if identifier is None:
        return [key for key in (int(one) for one in (ids or "").split(",") if _ID.fullmatch(one)) if _exists(tx, key)]
    system, bar, value = identifier.partition("|")
    issuers = _issuers(system) if bar and system else None
    return served.patients_by_number(tx, value if bar else identifier, issuers)


def _exists(tx: ReadTx, key: int) -> bool:
    return bool(patients.get_many(tx, [key]))


def _issuers(system: str) -> tuple[str, ...]:
    """Return the issuers that a FHIR system stands for."""
    identity = services().settings.identity
    names = [one.name for one in identity.authorities if identity.system_of(one.name) == system]
    own = system.removeprefix("urn:imaging-bridge:authority:")
    return (*names, own) if own != system else tuple(names)


def _value(token: str) -> str:
    return token.rpartition("|")[2].removeprefix("urn:oid:")


def _count() -> int:
    text = request.args.get("_count", "50")
    if not text.isdecimal() or len(text) > 6:
        raise Malformed("a number is wanted", where="_count")
    return max(1, min(int(text), 500))


def _key(resource_id: str) -> int:
    if not _ID.fullmatch(resource_id):
        raise LookupError(resource_id)
    return int(resource_id)


def _bundle(release: str, found: Iterable[Json], total: int, last: int | None, matches: Sequence[int] = ()) -> Response:
    """Return a searchset; its link to the next page repeats what was searched for, but no identifier: *matches* instead."""
    place = f"{_base(release)}/{request.path.rpartition('/')[2]}"
    links = {"self": place}
    following = paging.next_url(
        last, matches, **{name: request.args[name] for name in request.args if name in _REPEATED}
    )
    if following:
        links["next"] = f"{addresses.base_url()}{following}"
    return _answer(server.searchset(_base(release), found, total, links))


_REPEATED = ("_id", "patient", "subject", "_count")


def _answer(resource: Json) -> Response:
    response = Response(orjson.dumps(resource), content_type=_CONTENT)
    version = resource.get("meta", {}).get("versionId")
    if version:
        response.headers["ETag"] = f'W/"{version}"'
    return response
