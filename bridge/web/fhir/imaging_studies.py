"""ImagingStudy: the studies of a chart as they are served, and those that stood in it. Source: FHIR R4 and R5, ImagingStudy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bridge.codecs.fhir import body_parts, codings
from bridge.codecs.fhir.elements import DCM, SNOMED
from bridge.codecs.fhir.imaging_study import CANCELLED, ENTERED_IN_ERROR, REGISTERED, withdrawn
from bridge.codecs.fhir.references import study_identifier
from bridge.domain.chart import OWN, ChartVersion
from bridge.domain.resource_query import Term, Token
from bridge.domain.study import Study
from bridge.leaving.begun import status_of
from bridge.leaving.studies import ORDER_ID
from bridge.leaving.studies import served as study_as_served
from bridge.store import announced_studies, chart_versions, chart_withdrawals, orders, placements, splits, studies
from bridge.store.announced_studies import AnnouncedStudy
from bridge.store.db import ReadTx
from bridge.store.listings import served
from bridge.store.placements import Placement
from bridge.store.searches import announced, imaging_studies, updated
from bridge.store.searches.announced import FIRST_KEY
from bridge.web.fhir.kinds import (
    ID,
    LAST_UPDATED,
    NUMBER,
    PATIENT,
    SUBJECT,
    Kind,
    Made,
    Parameter,
    Serving,
    both,
    mark_of,
    rows_of,
)

Json = dict[str, Any]


def make(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return studies as they stand in their charts, those that have only begun among them."""
    begun = {FIRST_KEY + one.key: one for one in _begun(tx, keys)}
    standing = _standing(tx, [one for one in keys if one < FIRST_KEY], serving)
    made = standing | {key: _announced(tx, one, serving) for key, one in begun.items()}
    tests = orders.tests_among(tx, [one.order_key for one in made.values() if one.order_key is not None])
    for one in made.values():
        one.resource["meta"] |= mark_of(one.order_key in tests)
    return [made[key] for key in keys if key in made]


def _begun(tx: ReadTx, keys: Sequence[int]) -> list[AnnouncedStudy]:
    rows = [one - FIRST_KEY for one in keys if one >= FIRST_KEY]
    return announced_studies.many(tx, rows) if rows else []


def _standing(tx: ReadTx, keys: Sequence[int], serving: Serving) -> dict[int, Made]:
    placed = placements.many(tx, keys)
    told, happened = (each(tx, [one.key for one in placed]) for each in (updated.updated_at, updated.made_at))
    coming = served.unfinished(tx, serving.search.quiet_since) if placed else {}
    made = {}
    for one in placed:
        said, order_key = _said(tx, one, serving, one.study_key not in coming)
        if "lastUpdated" not in said["meta"]:
            # Made anew before the worker has kept it: nobody who has the version before is told that it still stands.
            said["meta"]["lastUpdated"] = _utc(max(told[one.key], happened[one.key]))
        made[one.key] = Made(said, one.patient_key, one.study_key, order_key)
    return made


def _announced(tx: ReadTx, one: AnnouncedStudy, serving: Serving) -> Made:
    """Return a study that has only begun, as it was kept; whose it is is judged now."""
    reference, status = f"ImagingStudy/{one.resource_id}", status_of(tx, one)
    kept = chart_versions.newest(tx, OWN, reference)
    said = chart_versions.said_by(tx, [kept.key]).get(kept.key, {}).get(serving.version) if kept is not None else None
    if kept is not None and kept.status == status:
        return Made(as_kept(kept, said), one.patient_key, None, one.order_key)
    # It ended a moment ago, and the worker has not written that down yet.
    meta = {"versionId": str(1 + (kept.number if kept is not None else 0)), "lastUpdated": _utc(one.changed_at)}
    left: Json = {"resourceType": "ImagingStudy", "identifier": [study_identifier(one.study_instance_uid)]}
    ended = left | {"status": ENTERED_IN_ERROR, "subject": {"reference": f"Patient/{one.patient_key}"}}
    if status == CANCELLED and said is not None:
        ended = withdrawn(said, CANCELLED)
    return Made(ended | {"id": one.resource_id, "meta": meta}, one.patient_key, None, one.order_key)


def _said(tx: ReadTx, placed: Placement, serving: Serving, is_whole: bool) -> tuple[Json, int | None]:
    """Return what is served of a placement: as it was kept, else as it is made now. is_whole: or was before."""
    study = studies.get(tx, placed.study_key)
    kept = chart_versions.newest(tx, OWN, f"ImagingStudy/{placed.resource_id}")
    is_overdue = kept is not None and kept.status == REGISTERED and is_whole
    if kept is not None and (kept.is_ended or placed.stands) and not is_overdue:
        said = chart_versions.said_by(tx, [kept.key]).get(kept.key, {}).get(serving.version)
        if kept.is_ended or not _names_anothers(tx, kept, said, study):
            return as_kept(kept, said), study.order_key
    number = str(1 + (kept.number if kept is not None else 0))
    stands = placed.stands and chart_withdrawals.withdrawal_of(tx, placed.study_key) is None
    is_begun = not is_whole and (kept is None or kept.status == REGISTERED)
    said = _made_now(tx, placed, serving, is_whole=not is_begun) if stands else _ended(tx, placed)
    return said | {"id": placed.resource_id, "meta": {"versionId": number}}, study.order_key


def _names_anothers(tx: ReadTx, kept: ChartVersion, said: Json | None, study: Study) -> bool:
    """Say whether a version tells of images that were split off since, or of an order that is the study's no more."""
    parted_at = splits.last_at(tx, study.key)
    if parted_at is not None and parted_at >= kept.at:
        return True
    named = (one.get("reference", "") for one in (said or {}).get("basedOn", ()))
    own = f"ServiceRequest/{ORDER_ID}{study.order_key}"
    return any(one.startswith(f"ServiceRequest/{ORDER_ID}") and one != own for one in named)


def as_kept(kept: ChartVersion, said: Json | None) -> Json:
    """
    Return a version as it was served; one whose words are kept no more is known by its status and its subject.

    One that was entered in error says no more than that, and which study it was: the images are another's.
    """
    left: Json = {"resourceType": "ImagingStudy", "status": kept.status}
    if kept.subject:
        left["subject"] = {"reference": kept.subject}
    if said is not None and kept.status == ENTERED_IN_ERROR:
        of_study = [one for one in said.get("identifier", ()) if one.get("system") == imaging_studies.STUDY_SYSTEM]
        said = left | {"identifier": of_study}
    meta = {"versionId": str(kept.number), "lastUpdated": _utc(kept.at)}
    return (said if said is not None else left) | {"id": kept.resource_id, "meta": meta}


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def told_since(tx: ReadTx, resource_id: str) -> datetime | None:
    """Return since when versions of a study are told whole: those before name images that are not its patient's; None, none are."""
    placed = placements.by_resource_id(tx, resource_id)
    row = announced_studies.row_of(resource_id) if placed is None else None
    if row is not None:
        begun = announced_studies.many(tx, [row])
        is_error = not begun or status_of(tx, begun[0]) == ENTERED_IN_ERROR
        return None if is_error else datetime.min.replace(tzinfo=UTC)
    if placed is None or not placed.stands or chart_withdrawals.withdrawal_of(tx, placed.study_key) is not None:
        return None
    kept = chart_versions.newest(tx, OWN, f"ImagingStudy/{resource_id}")
    if kept is not None and kept.status == ENTERED_IN_ERROR:
        return None
    return splits.last_at(tx, placed.study_key) or datetime.min.replace(tzinfo=UTC)


def _made_now(tx: ReadTx, placed: Placement, serving: Serving, *, is_whole: bool) -> Json:
    contents = studies.contents(tx, placed.study_key)
    made = study_as_served(tx, contents, placed.patient_key, serving.house, is_whole=is_whole)
    said = made[serving.version]
    return said if contents.instance_count else withdrawn(said, CANCELLED)


def _ended(tx: ReadTx, placed: Placement) -> Json:
    """Return what is left to be said of a study that is in a chart no more: its subject stays, so that readers learn of it."""
    return {
        "resourceType": "ImagingStudy",
        "identifier": [study_identifier(studies.get(tx, placed.study_key).study_instance_uid)],
        "status": ENTERED_IN_ERROR,
        "subject": {"reference": f"Patient/{placed.patient_key}"},
    }


def _stored_modalities(_: ReadTx, term: Term) -> Term:
    """Return the modalities as devices write them: retired codes stand for what they became."""
    wanted = {one.code for one in term.tokens() if one.system in (None, DCM)}
    return replace(term, values=tuple(Token(one) for one in codings.stored_modalities(wanted)))


def _stored_body_parts(tx: ReadTx, term: Term) -> Term:
    wanted = {one.code for one in term.tokens() if one.system in (None, SNOMED)}
    seen = imaging_studies.body_parts_seen(tx) if wanted else []
    known = ((text, body_parts.code_of(text)) for text in seen)
    return replace(term, values=tuple(Token(text) for text, code in known if code is not None and code[0] in wanted))


_PEOPLE = ("Practitioner", "PractitionerRole")
KIND = Kind(
    "ImagingStudy",
    announced.SEARCH,
    (
        ID,
        LAST_UPDATED,
        NUMBER,
        PATIENT,
        SUBJECT,
        both("started", "date"),
        both("status", "token"),
        both("modality", "token"),
        Parameter("bodysite", "token", "bodysite", "body-site"),
        Parameter("basedon", "reference", "basedon", "based-on", ("ServiceRequest",)),
        both("dicom-class", "token"),
        both("encounter", "reference", "Encounter"),
        both("endpoint", "reference", "Endpoint"),
        both("instance", "token"),
        both("series", "token"),
        Parameter("interpreter", "reference", "interpreter", "", _PEOPLE),
        both("performer", "reference", *_PEOPLE, "Organization", "CareTeam", "Patient", "Device", "RelatedPerson"),
        both("reason", "token"),
        both("referrer", "reference", *_PEOPLE),
        Parameter("body-structure", "reference", "", "body-structure", ("BodyStructure",)),
    ),
    make,
    rows_of(announced.SEARCH),
    includes={
        "patient": "subject",
        "subject": "subject",
        "basedon": "basedOn",
        "endpoint": "endpoint",
        "encounter": "encounter",
    },
    revincludes=(("Provenance", "target"), ("DiagnosticReport", "imaging-study"), ("ImagingSelection", "derived-from")),
    translate={"modality": _stored_modalities, "bodysite": _stored_body_parts},
)
