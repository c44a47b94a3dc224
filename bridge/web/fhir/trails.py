"""Provenance and AuditEvent: who decided whose a study is, and who looked. Source: FHIR R4 and R5, IHE BALP."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.codecs.fhir import audit_event, provenance
from bridge.codecs.fhir.audit_event import AuditEventContent
from bridge.codecs.fhir.provenance import Activity, ProvenanceContent, Source, Why
from bridge.domain.study import is_person
from bridge.store import audit, decisions, patients, placements, studies
from bridge.store.db import ReadTx
from bridge.store.placements import Placement
from bridge.store.searches import trails as search
from bridge.web.fhir.kinds import ID, LAST_UPDATED, PATIENT, Kind, Made, Serving, both, rows_of

ORDER_ID = "order-"


def make_provenances(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return the decisions by which studies came into charts."""
    made = []
    for one in decisions.many(tx, keys):
        placed = _placed(tx, one.study_key, one.patient_key)
        if placed is None:
            continue
        by_hand = is_person(one.actor)
        content = ProvenanceContent(
            target=f"ImagingStudy/{placed.resource_id}",
            recorded_at=one.decided_at,
            activity=Activity.CREATE if one.supersedes is None else Activity.UPDATE,
            organization=serving.organization,
            approved_by=tuple(each for each in (one.actor, one.confirmed_by) if is_person(each)),
            sources=(Source("study", studies.get(tx, one.study_key).study_instance_uid),),
            why=Why.SAFETY if by_hand and one.supersedes is not None else None,
            patient=f"Patient/{placed.patient_key}",
        )
        said = provenance.r4(content) if serving.release == "r4" else provenance.r5(content)
        meta = {"versionId": "1", "lastUpdated": one.decided_at.isoformat()}
        made.append(Made(said | {"id": str(one.key), "meta": meta}, placed.patient_key, one.study_key, one.order_key))
    return made


def _placed(tx: ReadTx, study_key: int, patient_key: int | None) -> Placement | None:
    if patient_key is None:
        return None
    live = patients.survivor(tx, patient_key).key
    known = placements.of_study(tx, study_key)
    return next((one for one in known if patients.survivor(tx, one.patient_key).key == live), None)


def make_audit_events(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return rows of the audit trail."""
    made = []
    for row in audit.many(tx, keys):
        content = AuditEventContent(
            action=row.action,
            recorded_at=row.at,
            outcome=row.outcome,
            actor=row.actor,
            origin=row.origin,
            observer=serving.organization,
            patient=f"Patient/{row.patient_key}" if row.patient_key is not None else "",
            study=_study_of(tx, row.study_key, row.patient_key),
            order=f"ServiceRequest/{ORDER_ID}{row.order_key}" if row.order_key is not None else "",
        )
        said = audit_event.r4(content) if serving.release == "r4" else audit_event.r5(content)
        meta = {"versionId": "1", "lastUpdated": row.at.isoformat()}
        made.append(Made(said | {"id": str(row.key), "meta": meta}, row.patient_key, row.study_key, row.order_key))
    return made


def _study_of(tx: ReadTx, study_key: int | None, patient_key: int | None) -> str:
    """Return the resource that a study is in the chart of whom a row is about: in another chart it is another resource."""
    if study_key is None:
        return ""
    placed = _placed(tx, study_key, patient_key)
    return f"ImagingStudy/{placed.resource_id if placed is not None else study_key}"


PROVENANCE = Kind(
    "Provenance",
    search.PROVENANCES,
    (ID, LAST_UPDATED, PATIENT, both("recorded", "date"), both("target", "reference", "ImagingStudy")),
    make_provenances,
    rows_of(search.PROVENANCES),
    includes={"target": "target", "patient": "patient"},
)
AUDIT_EVENT = Kind(
    "AuditEvent",
    search.AUDIT_EVENTS,
    (
        ID,
        LAST_UPDATED,
        PATIENT,
        both("date", "date"),
        both("agent", "reference", "Practitioner", "Device"),
        both("entity", "reference", "Patient", "ImagingStudy", "ServiceRequest"),
    ),
    make_audit_events,
    rows_of(search.AUDIT_EVENTS),
)
