"""Patient and Encounter: whose exams they are, and the visits that they came under. Source: FHIR R4 and R5."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from bridge.codecs.fhir import encounter
from bridge.codecs.fhir import patient as codec
from bridge.domain.patient import Patient
from bridge.store import links, patients, visits
from bridge.store.db import ReadTx
from bridge.store.searches import changes, charts
from bridge.store.searches import patients as search
from bridge.web.fhir.kinds import (
    ID,
    LAST_UPDATED,
    NUMBER,
    PATIENT,
    SUBJECT,
    Kind,
    Made,
    Serving,
    both,
    meta_of,
    rows_of,
)


def make(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return patients with their numbers, and the other records of the same person."""
    found = {one.key: one for one in patients.get_many(tx, keys)}
    changed = changes.of_patients(tx, keys)
    made = []
    for key in (one for one in keys if one in found):
        said = codec.patient(found[key], serving.house.system_of, _links(tx, found[key], serving))
        version, at = changed[key]
        meta = {"versionId": version, "lastUpdated": at.astimezone(UTC).isoformat()}
        made.append(Made(said | {"id": str(key), "meta": meta}, key))
    return made


def _links(tx: ReadTx, record: Patient, serving: Serving) -> list[tuple[str, str]]:
    """Return the other records of the same person that may be seen; what was left without a number is nobody to look for."""
    if record.merged_into is not None:
        return [(f"Patient/{patients.survivor(tx, record.key).key}", "replaced-by")]
    merged = [one.key for one in patients.get_many(tx, patients.merged_into(tx, record.key)) if one.identifiers]
    linked = dict.fromkeys(patients.survivor(tx, key).key for key in links.of_patient(tx, record.key))
    same = [(f"Patient/{key}", "replaces") for key in merged]
    return same + [(f"Patient/{key}", "seealso") for key in linked if key != record.key and serving.search.may_see(key)]


def make_encounters(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return visits."""
    made = []
    for key in keys:
        visit = visits.get(tx, key)
        content = encounter.build(visit, f"Patient/{visit.patient_key}", serving.house)
        said = encounter.r4(content) if serving.release == "r4" else encounter.r5(content)
        said |= {"id": str(key), "meta": meta_of(said)}
        made.append(Made(said, visit.patient_key))
    return made


KIND = Kind(
    "Patient",
    search.SEARCH,
    (
        ID,
        LAST_UPDATED,
        NUMBER,
        both("name", "string", is_personal=True),
        both("family", "string", is_personal=True),
        both("given", "string", is_personal=True),
        both("birthdate", "date", is_personal=True),
        both("gender", "token"),
        both("active", "token"),
        both("link", "reference", "Patient"),
    ),
    make,
    rows_of(search.SEARCH),
    includes={"link": "link"},
    revincludes=(("ImagingStudy", "patient"), ("ServiceRequest", "patient")),
)
ENCOUNTER = Kind(
    "Encounter",
    charts.ENCOUNTERS,
    (
        ID,
        NUMBER,
        PATIENT,
        SUBJECT,
        both("date", "date"),
        both("status", "token"),
    ),
    make_encounters,
    rows_of(charts.ENCOUNTERS),
    includes={"patient": "subject", "subject": "subject"},
)
