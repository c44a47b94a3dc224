"""Bound studies as FHIR serves them, R4 and R5. Source: FHIR R4 and R5, ImagingStudy, 3.1 (REST)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from bridge.codecs.fhir import r4, r5
from bridge.codecs.fhir.imaging_study import House, build
from bridge.codecs.fhir.references import Links
from bridge.domain.accounts import Permission
from bridge.store import orders, overlays, studies
from bridge.store.db import ReadTx
from bridge.store.listings import served
from bridge.store.listings.served import Wanted
from bridge.web import paging, reads
from bridge.web.access import needs, services
from bridge.web.fhir import search

blueprint = Blueprint("fhir_studies", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
_ENDPOINT = "dicomweb"


@blueprint.get("/ImagingStudy")
@needs(Permission.READ_FHIR)
def search_studies(release: str) -> Response:
    """Find bound and complete studies by _id, identifier or patient."""
    search.version_of(release)
    asked = search.parameters("ImagingStudy")
    size = search.count()
    with services().store.read() as tx:
        known = paging.narrowed()
        wanted = _wanted(tx, asked) if known is None else Wanted(search.quiet_since(), study_keys=known)
        keys, total = served.find(tx, wanted, before=paging.before(), limit=size + 1)
        shown, more = paging.cut(keys, size)
        if more and known is None and "identifier" in asked:
            known = tuple(served.find(tx, wanted, before=None, limit=paging.MATCHES_MAX)[0])
        found = [_study(tx, key, release) for key in shown]
        people = [studies.get(tx, key).patient_key for key in shown]
    reads.note_patients("fhir_searched", people)
    return search.bundle(release, found, total, shown[-1] if more else None, known or ())


@blueprint.get("/ImagingStudy/<resource_id>")
@needs(Permission.READ_FHIR)
def read_study(release: str, resource_id: str) -> Response:
    """Return one bound and complete study."""
    search.version_of(release)
    with services().store.read() as tx:
        keys, _ = served.find(
            tx, Wanted(search.quiet_since(), study_keys=(search.key_of(resource_id),)), before=None, limit=1
        )
        if not keys:
            raise LookupError(resource_id)
        resource, patient_key = _study(tx, keys[0], release), studies.get(tx, keys[0]).patient_key
    reads.note("fhir_read", study_key=keys[0], patient_key=patient_key)
    return search.answer(resource)


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


def _wanted(tx: ReadTx, asked: Mapping[str, str]) -> Wanted:
    subject = asked.get("patient") or asked.get("subject")
    ids = asked.get("_id")
    identifier = asked.get("identifier")
    return Wanted(
        search.quiet_since(),
        study_keys=tuple(int(one) for one in ids.split(",") if search.ROW.fullmatch(one)) if ids else None,
        values=tuple(search.value(one) for one in identifier.split(",")) if identifier else None,
        patient_keys=tuple(search.subjects(tx, subject)) if subject else None,
    )
