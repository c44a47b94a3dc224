"""Provenance and AuditEvent: who decided whose a study is, and who looked."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, false, not_, or_, select, true

from bridge.codecs.fhir.people import AE_TITLE_SYSTEM, USER_SYSTEM
from bridge.domain.resource_query import Term
from bridge.store import announced_studies
from bridge.store.db import ReadTx
from bridge.store.searches import conditions, imaging_studies
from bridge.store.searches.conditions import Condition, House, Search
from bridge.store.tables import audit_rows, decisions, study_placements

# The outcomes of a decision that say whose a study is, or that it is nobody's any more.
_PLACED = select(study_placements.c.study_key)


def _provenance_standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    found: list[Condition] = [decisions.c.study_key.in_(_PLACED), decisions.c.patient_key.is_not(None)]
    return found + ([] if house.only_patients is None else [decisions.c.patient_key.in_(house.only_patients)])


def _target(tx: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    found: list[Condition] = []
    for one in term.targets():
        if one.kind in ("", "ImagingStudy"):
            whose = select(study_placements.c.patient_key).where(imaging_studies.is_resource(one.resource_id))
            of_study = decisions.c.study_key.in_(imaging_studies.studies_named([one.resource_id]))
            found.append(and_(of_study, decisions.c.patient_key.in_(whose)))
    return or_(false(), *found)


PROVENANCES = Search(
    rows=decisions,
    key=decisions.c.key,
    standing=_provenance_standing,
    terms={
        "_id": conditions.keys(decisions.c.key),
        "_lastUpdated": conditions.within(decisions.c.decided_at),
        "recorded": conditions.within(decisions.c.decided_at),
        "target": _target,
        "patient": conditions.subjects(decisions.c.patient_key),
        "patient.identifier": conditions.subjects_by_number(decisions.c.patient_key),
    },
    sorts={"_id": decisions.c.key, "recorded": decisions.c.decided_at},
)


def _audit_standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    return [] if house.only_patients is None else [audit_rows.c.patient_key.in_(house.only_patients)]


def _entity(tx: ReadTx, term: Term, _: House) -> Condition:
    if term.is_missing is not None:
        about = (audit_rows.c.patient_key, audit_rows.c.study_key, audit_rows.c.order_key)
        nothing = and_(*(one.is_(None) for one in about))
        return nothing if term.is_missing else not_(nothing)
    columns = {"Patient": audit_rows.c.patient_key, "ImagingStudy": audit_rows.c.study_key}
    found: list[Condition] = []
    for one in term.targets():
        row = one.resource_id.partition("-")[0] if one.kind == "ImagingStudy" else one.resource_id
        row = row.removeprefix("order-") if one.kind == "ServiceRequest" else row
        column = audit_rows.c.order_key if one.kind == "ServiceRequest" else columns.get(one.kind)
        if one.kind == "ImagingStudy" and announced_studies.row_of(one.resource_id) is not None:
            found.append(audit_rows.c.study_key.in_(imaging_studies.studies_named([one.resource_id])))
        elif column is not None and conditions.is_row(row):
            found.append(column == int(row))
    return or_(false(), *found)


def _agent_number(_: ReadTx, term: Term, __: House) -> Condition:
    """Look for accounts and tokens by our name for them, and for devices by their AE title."""
    ours = [one.code for one in term.tokens() if one.system in (None, USER_SYSTEM)]
    devices = [f"peer:{one.code}" for one in term.tokens() if one.system in (None, AE_TITLE_SYSTEM)]
    return audit_rows.c.actor.in_([*ours, *devices])


AUDIT_EVENTS = Search(
    rows=audit_rows,
    key=audit_rows.c.key,
    standing=_audit_standing,
    terms={
        "_id": conditions.keys(audit_rows.c.key),
        "date": conditions.within(audit_rows.c.at),
        "_lastUpdated": conditions.within(audit_rows.c.at),
        "patient": conditions.subjects(audit_rows.c.patient_key),
        "patient.identifier": conditions.subjects_by_number(audit_rows.c.patient_key),
        "entity": _entity,
        "agent": conditions.in_words(true()),
        "agent.identifier": _agent_number,
    },
    sorts={"_id": audit_rows.c.key, "date": audit_rows.c.at},
)
