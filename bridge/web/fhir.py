"""FHIR as it is read, R4 and R5: ImagingStudy of bound studies, Patient, Endpoint. Source: FHIR R4 and R5, 3.1 (REST)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from bridge.codecs.fhir import patient as patient_codec
from bridge.codecs.fhir import r4, r5, server
from bridge.codecs.fhir.imaging_study import House, build
from bridge.codecs.fhir.references import Links
from bridge.domain.accounts import Permission
from bridge.domain.patient import Patient
from bridge.errors import Malformed
from bridge.store import links, orders, overlays, patients, studies
from bridge.store.db import ReadTx
from bridge.store.listings import served
from bridge.store.listings.served import Wanted
from bridge.web import addresses, fhir_search, paging, reads
from bridge.web.access import needs, services
from bridge.web.fhir_orders import TAKEN

blueprint = Blueprint("fhir", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
_ENDPOINT = "dicomweb"


@blueprint.get("/metadata")
@needs(Permission.OPEN)
def metadata(release: str) -> Response:
    """Return what is served."""
    here = services()
    software = server.Software("Imaging Bridge", here.version or "0", here.clock.now().date().isoformat())
    return fhir_search.answer(
        server.capability_statement(
            fhir_search.version_of(release), fhir_search.base(release), software, fhir_search.SEARCH, TAKEN
        )
    )


@blueprint.get("/.well-known/<path:name>")
@needs(Permission.OPEN)
def well_known(release: str, name: str) -> Response:
    """Say that nothing is published here: tokens come from the administrator."""
    raise NotFound


@blueprint.get("/ImagingStudy")
@needs(Permission.READ_FHIR)
def search_studies(release: str) -> Response:
    """Find bound and complete studies by _id, identifier or patient."""
    fhir_search.version_of(release)
    asked = fhir_search.parameters("ImagingStudy")
    size = fhir_search.count()
    with services().store.read() as tx:
        known = paging.narrowed()
        wanted = _wanted(tx, asked) if known is None else Wanted(fhir_search.quiet_since(), study_keys=known)
        keys, total = served.find(tx, wanted, before=paging.before(), limit=size + 1)
        shown, more = paging.cut(keys, size)
        if more and known is None and "identifier" in asked:
            known = tuple(served.find(tx, wanted, before=None, limit=paging.MATCHES_MAX)[0])
        found = [_study(tx, key, release) for key in shown]
        people = [studies.get(tx, key).patient_key for key in shown]
    reads.note_patients("fhir_searched", people)
    return fhir_search.bundle(release, found, total, shown[-1] if more else None, known or ())


@blueprint.get("/ImagingStudy/<resource_id>")
@needs(Permission.READ_FHIR)
def read_study(release: str, resource_id: str) -> Response:
    """Return one bound and complete study."""
    fhir_search.version_of(release)
    with services().store.read() as tx:
        keys, _ = served.find(
            tx, Wanted(fhir_search.quiet_since(), study_keys=(fhir_search.key_of(resource_id),)), before=None, limit=1
        )
        if not keys:
            raise LookupError(resource_id)
        resource, patient_key = _study(tx, keys[0], release), studies.get(tx, keys[0]).patient_key
    reads.note("fhir_read", study_key=keys[0], patient_key=patient_key)
    return fhir_search.answer(resource)


@blueprint.get("/Patient")
@needs(Permission.READ_FHIR)
def search_patients(release: str) -> Response:
    """Find patients by identifier."""
    fhir_search.version_of(release)
    asked = fhir_search.parameters("Patient")
    if not asked:
        raise Malformed("name an identifier or an _id", code="too_broad", where="identifier")
    with services().store.read() as tx:
        keys = _patient_keys(tx, asked.get("identifier"), asked.get("_id"))
        found = [_patient(tx, key) for key in keys]
    reads.note_patients("fhir_searched", keys)
    return fhir_search.bundle(release, found, len(found), None)


@blueprint.get("/Patient/<resource_id>")
@needs(Permission.READ_FHIR)
def read_patient(release: str, resource_id: str) -> Response:
    """Return one patient."""
    fhir_search.version_of(release)
    with services().store.read() as tx:
        resource = _patient(tx, fhir_search.key_of(resource_id))
    reads.note("fhir_read", patient_key=fhir_search.key_of(resource_id))
    return fhir_search.answer(resource)


@blueprint.get("/Endpoint")
@needs(Permission.READ_FHIR)
def search_endpoints(release: str) -> Response:
    """Return the one way to the images."""
    fhir_search.version_of(release)
    asked = fhir_search.parameters("Endpoint").get("_id", _ENDPOINT)
    found = [_endpoint(release)] if asked == _ENDPOINT else []
    return fhir_search.bundle(release, found, len(found), None)


@blueprint.get("/Endpoint/<resource_id>")
@needs(Permission.READ_FHIR)
def read_endpoint(release: str, resource_id: str) -> Response:
    """Return the way to the images."""
    fhir_search.version_of(release)
    if resource_id != _ENDPOINT:
        raise LookupError(resource_id)
    return fhir_search.answer(_endpoint(release))


def _endpoint(release: str) -> Json:
    build_endpoint = r4.endpoint if release == "r4" else r5.endpoint
    address = f"{addresses.base_url()}/dicom-web"
    return build_endpoint(address, services().settings.bridge.organization) | {"id": _ENDPOINT}


def _study(tx: ReadTx, key: int, release: str) -> Json:
    contents = studies.contents(tx, key)
    study, settings = contents.study, services().settings
    order = orders.get(tx, study.order_key) if study.order_key is not None else None
    links = Links(subject=f"Patient/{study.patient_key}", endpoint=f"Endpoint/{_ENDPOINT}")
    house = House(settings.time_zone, settings.identity.system_of)
    content = build(contents, order, links, house, overlays.current(tx, study).values)
    resource = r4.imaging_study(content) if release == "r4" else r5.imaging_study(content)
    changed = study.last_instance_at
    meta = {"versionId": str(study.version), **({"lastUpdated": changed.isoformat()} if changed is not None else {})}
    return resource | {"id": str(key), "meta": meta}


def _patient(tx: ReadTx, key: int) -> Json:
    record = patients.get(tx, key)
    return patient_codec.patient(record, services().settings.identity.system_of, _links(tx, record)) | {"id": str(key)}


def _links(tx: ReadTx, record: Patient) -> list[tuple[str, str]]:
    """Return the other records of the same person; what was left without a number is nobody to look for."""
    if record.merged_into is not None:
        return [(f"Patient/{patients.survivor(tx, record.key).key}", "replaced-by")]
    merged = [one.key for one in patients.get_many(tx, patients.merged_into(tx, record.key)) if one.identifiers]
    linked = dict.fromkeys(patients.survivor(tx, key).key for key in links.of_patient(tx, record.key))
    same = [(f"Patient/{key}", "replaces") for key in merged]
    return same + [(f"Patient/{key}", "seealso") for key in linked if key != record.key]


def _wanted(tx: ReadTx, asked: Mapping[str, str]) -> Wanted:
    subject = asked.get("patient") or asked.get("subject")
    ids = asked.get("_id")
    identifier = asked.get("identifier")
    return Wanted(
        fhir_search.quiet_since(),
        study_keys=tuple(int(one) for one in ids.split(",") if fhir_search.ROW.fullmatch(one)) if ids else None,
        values=tuple(fhir_search.value(one) for one in identifier.split(",")) if identifier else None,
        patient_keys=tuple(fhir_search.subjects(tx, subject)) if subject else None,
    )


def _patient_keys(tx: ReadTx, identifier: str | None, ids: str | None) -> list[int]:
    if identifier is None:
        return [
            key
            for key in (int(one) for one in (ids or "").split(",") if fhir_search.ROW.fullmatch(one))
            if _exists(tx, key)
        ]
    return fhir_search.patient_keys(tx, identifier)


def _exists(tx: ReadTx, key: int) -> bool:
    return bool(patients.get_many(tx, [key]))
