"""Patients as FHIR serves them, R4 and R5. Source: FHIR R4 and R5, Patient."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from bridge.codecs.fhir import patient as patient_codec
from bridge.domain.accounts import Permission
from bridge.domain.patient import Patient
from bridge.errors import Malformed
from bridge.store import links, patients
from bridge.store.db import ReadTx
from bridge.web import reads
from bridge.web.access import needs, services
from bridge.web.fhir import search

blueprint = Blueprint("fhir_patients", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]


@blueprint.get("/Patient")
@needs(Permission.READ_FHIR)
def search_patients(release: str) -> Response:
    """Find patients by identifier."""
    search.version_of(release)
    asked = search.parameters("Patient")
    if not asked:
        raise Malformed("name an identifier or an _id", code="too_broad", where="identifier")
    with services().store.read() as tx:
        keys = _patient_keys(tx, asked.get("identifier"), asked.get("_id"))
        found = [_patient(tx, key) for key in keys]
    reads.note_patients("fhir_searched", keys)
    return search.bundle(release, found, len(found), None)


@blueprint.get("/Patient/<resource_id>")
@needs(Permission.READ_FHIR)
def read_patient(release: str, resource_id: str) -> Response:
    """Return one patient."""
    search.version_of(release)
    with services().store.read() as tx:
        resource = _patient(tx, search.key_of(resource_id))
    reads.note("fhir_read", patient_key=search.key_of(resource_id))
    return search.answer(resource)


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


def _patient_keys(tx: ReadTx, identifier: str | None, ids: str | None) -> list[int]:
    if identifier is None:
        return [
            key for key in (int(one) for one in (ids or "").split(",") if search.ROW.fullmatch(one)) if _exists(tx, key)
        ]
    return search.patient_keys(tx, identifier)


def _exists(tx: ReadTx, key: int) -> bool:
    return bool(patients.get_many(tx, [key]))
