"""DiagnosticReport, DocumentReference, Procedure and Encounter: what else a chart has of an exam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, cast, false, func, literal, not_, or_, select, true

from bridge.codecs.fhir.elements import ADDRESSED_SCHEMES, LOINC, schemes_of
from bridge.domain.chart import DOCUMENT, PROCEDURE
from bridge.domain.patient import VisitState
from bridge.domain.performed import PerformedStatus
from bridge.domain.report import IMAGING_REPORT
from bridge.domain.resource_query import Target, Term, Token
from bridge.errors import Malformed
from bridge.store.chart_withdrawals import coming_taken_out, parts_taken_out, taken_out
from bridge.store.db import ReadTx
from bridge.store.listings import served_reports
from bridge.store.searches import conditions, imaging_studies, study_people
from bridge.store.searches.clocks import LocalTime, local_moment
from bridge.store.searches.conditions import Condition, House, Search, Write
from bridge.store.tables import (
    orders,
    performed_step_links,
    performed_steps,
    report_documents,
    report_versions,
    reports,
    steps,
    studies,
    study_placements,
    visits,
)

_REPORT_NUMBERS = ("filler_order_number", "placer_order_number", "accession_number")


def of_patient(column: ColumnElement[Any], *, also_subject: bool = True) -> dict[str, Write]:
    """Return the conditions of whose a resource is, by reference and by number."""
    names = ("patient", "subject") if also_subject else ("patient",)
    by_reference = {name: conditions.subjects(column) for name in names}
    return by_reference | {f"{name}.identifier": conditions.subjects_by_number(column) for name in names}


def limited(column: ColumnElement[Any], house: House) -> list[Condition]:
    """Return what must hold where the caller is limited to some records."""
    return [] if house.only_patients is None else [column.in_(house.only_patients)]


def _orders_named(tx: ReadTx, targets: Sequence[Target], house: House) -> list[int]:
    found = [imaging_studies.order_key(tx, one, house) for one in targets if one.kind in ("", "ServiceRequest")]
    return [one for one in found if one is not None]


def by_order(column: ColumnElement[Any]) -> Write:
    """Return the condition of the order that a resource is based on, by reference."""

    def write(tx: ReadTx, term: Term, house: House) -> Condition:
        if term.is_missing is not None:
            return column.is_(None) if term.is_missing else column.is_not(None)
        return column.in_(_orders_named(tx, term.targets(), house))

    return write


def by_order_number(column: ColumnElement[Any]) -> Write:
    return lambda _, term, house: column.in_(imaging_studies.orders_numbered(term, house))


# ── reports ──────────────────────────────────────────────────────────────────────────────────────────────────────────


# It says its order's numbers and visit, too.
_order_at = select(orders.c.updated_at).where(orders.c.key == reports.c.order_key).scalar_subquery()
_REPORT_AT = case((_order_at > reports.c.updated_at, _order_at), else_=reports.c.updated_at)


def _report_since(at: datetime) -> Condition:
    other = reports.alias("told_since")
    of_order = select(other.c.key).join(orders, orders.c.key == other.c.order_key).where(orders.c.updated_at >= at)
    return reports.c.key.in_(select(other.c.key).where(other.c.updated_at >= at).union(of_order))


def _report_standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    return [*served_reports.may_leave(), *limited(reports.c.patient_key, house)]


def _report_identifier(_: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return conditions.numbered([(reports.c.filler_order_number, reports.c.issuer_of_filler_order_number)])(
            _, term, house
        )
    found: list[Condition] = []
    for one in term.tokens():
        pairs = ((reports.c[name], reports.c[f"issuer_of_{name}"]) for name in _REPORT_NUMBERS)
        found += [conditions.number_is(number, issuer, one, house) for number, issuer in pairs]
        uid = one.code.removeprefix("urn:oid:")
        if one.system in (None, imaging_studies.STUDY_SYSTEM) and uid:
            found += [reports.c.study_instance_uid == uid, reports.c.sr_instance_uid == uid]
    return or_(false(), *found)


def _version(met: Condition) -> Condition:
    now = select(report_versions.c.key).where(
        report_versions.c.report_key == reports.c.key, report_versions.c.number == reports.c.current, met
    )
    return now.exists()


def _report_time(column: ColumnElement[Any]) -> Write:
    def write(tx: ReadTx, term: Term, house: House) -> Condition:
        return _version(conditions.within(column)(tx, term, house))

    return write


def _report_code(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    return _version(or_(false(), *(_is_kind(one) for one in term.tokens())))


def _is_kind(one: Token) -> Condition:
    """Compare what kind of report it is: without a code that anybody knows it is an imaging report."""
    value, scheme = report_versions.c.code_value, func.upper(report_versions.c.coding_scheme_designator)
    is_known = and_(value != "", scheme.in_(ADDRESSED_SCHEMES))
    in_system = scheme.in_(ADDRESSED_SCHEMES if one.system is None else schemes_of(one.system))
    met = and_(is_known, value == one.code, in_system)
    is_any = one.code == IMAGING_REPORT.code_value and one.system in (None, LOINC)
    return or_(met, not_(is_known)) if is_any else met


def _report_study(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        raise Malformed("this modifier is not served", where=f"{term.name}:missing", source="FHIR R4 3.1.1.4.3")
    wanted = imaging_studies.studies_named(
        one.resource_id for one in term.targets() if one.kind in ("", "ImagingStudy")
    )
    about = select(studies.c.study_instance_uid).where(studies.c.key.in_(wanted))
    of_order = select(studies.c.order_key).where(studies.c.key.in_(wanted), studies.c.order_key.is_not(None))
    standing = select(study_placements.c.patient_key).where(
        study_placements.c.study_key.in_(wanted), study_placements.c.stands
    )
    return and_(
        or_(reports.c.study_instance_uid.in_(about), reports.c.order_key.in_(of_order)),
        reports.c.patient_key.in_(standing),
    )


def _report_status(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    return reports.c.status.in_([one.code for one in term.tokens()])


def _report_visit(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        named = study_people.with_visit(reports.c.order_key)
        return not_(named) if term.is_missing else named
    return reports.c.order_key.in_(imaging_studies.of_visits(term.targets()))


_REPORT_TERMS: Mapping[str, Write] = {
    "_id": conditions.keys(reports.c.key),
    "_lastUpdated": conditions.within_since(_REPORT_AT, _report_since),
    "identifier": _report_identifier,
    **of_patient(reports.c.patient_key),
    "status": _report_status,
    "code": _report_code,
    "category": conditions.always(("RAD",), ("http://terminology.hl7.org/CodeSystem/v2-0074",)),
    "date": _report_time(report_versions.c.observed_at),
    "issued": _report_time(report_versions.c.issued_at),
    "based-on": by_order(reports.c.order_key),
    "based-on.identifier": by_order_number(reports.c.order_key),
    "encounter": _report_visit,
    "imaging-study": _report_study,
}
REPORTS = Search(
    rows=reports,
    key=reports.c.key,
    standing=_report_standing,
    terms=_REPORT_TERMS,
    sorts={"_id": reports.c.key, "_lastUpdated": _REPORT_AT},
)


def _document_standing(tx: ReadTx, terms: Sequence[Term], house: House) -> list[Condition]:
    name = literal(f"{DOCUMENT}:") + cast(reports.c.key, String) + literal(":") + report_documents.c.digest
    may_stand = name.not_in(parts_taken_out())
    return [*_report_standing(tx, terms, house), report_versions.c.number == reports.c.current, may_stand]


def _related(tx: ReadTx, term: Term, house: House) -> Condition:
    return or_(_report_study(tx, term, house), by_order(reports.c.order_key)(tx, term, house))


DOCUMENTS = Search(
    rows=report_documents.join(report_versions, report_versions.c.key == report_documents.c.version_key).join(
        reports, reports.c.key == report_versions.c.report_key
    ),
    key=report_documents.c.key,
    standing=_document_standing,
    terms={
        "_id": conditions.keys(report_documents.c.key),
        "_lastUpdated": conditions.within_since(_REPORT_AT, _report_since),
        **of_patient(reports.c.patient_key),
        "identifier": lambda _, term, __: report_documents.c.digest.in_([one.code for one in term.tokens()]),
        "contenttype": lambda _, term, __: report_documents.c.content_type.in_([one.code for one in term.tokens()]),
        "date": conditions.within(report_versions.c.issued_at),
        "related": _related,
        "based-on": by_order(reports.c.order_key),
        "based-on.identifier": by_order_number(reports.c.order_key),
        "encounter": _report_visit,
        "status": conditions.coded(
            reports.c.status,
            {
                "current": ("registered", "partial", "preliminary", "final", "amended", "corrected", "appended"),
                "entered-in-error": ("cancelled", "entered-in-error"),
            },
            ("http://hl7.org/fhir/document-reference-status",),
        ),
    },
    sorts={"_id": report_documents.c.key, "_lastUpdated": _REPORT_AT},
)

# ── what was performed ───────────────────────────────────────────────────────────────────────────────────────────────

_performed = performed_steps.c
_performed_low = func.substr(_performed.started_local + "000000", 1, 14)
_performed_high = case(
    (func.length(_performed.started_local) < 14, func.substr(_performed.started_local, 1, 8) + literal("235959")),
    else_=func.substr(_performed.started_local, 1, 14),
)


# It says what its orders say, too.
_ordered_at = (
    select(func.max(orders.c.updated_at))
    .join(steps, steps.c.order_key == orders.c.key)
    .join(performed_step_links, performed_step_links.c.step_key == steps.c.key)
    .where(performed_step_links.c.performed_step_key == _performed.key)
    .scalar_subquery()
)
_PERFORMED_AT = case((_ordered_at > _performed.updated_at, _ordered_at), else_=_performed.updated_at)


def _performed_of(*met: Condition) -> Condition:
    """Say whether a performed step is of an order that meets this."""
    of_order = (
        select(performed_step_links.c.performed_step_key)
        .join(steps, steps.c.key == performed_step_links.c.step_key)
        .join(orders, orders.c.key == steps.c.order_key)
        .where(*met)
    )
    return _performed.key.in_(of_order)


def _procedure_standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    out = select(studies.c.study_instance_uid).where(studies.c.key.in_(taken_out()))
    name = literal(f"{PROCEDURE}:") + cast(_performed.key, String)
    found: list[Condition] = [
        _performed.key.in_(select(performed_step_links.c.performed_step_key)),
        _performed.study_instance_uid.not_in(out),
        _performed.study_instance_uid.not_in(coming_taken_out()),
        name.not_in(parts_taken_out()),
    ]
    return found + (
        [] if house.only_patients is None else [_performed_of(orders.c.patient_key.in_(house.only_patients))]
    )


def _performed_patient(tx: ReadTx, term: Term, house: House) -> Condition:
    return _performed_of(conditions.subjects(orders.c.patient_key)(tx, term, house))


def _performed_number(tx: ReadTx, term: Term, house: House) -> Condition:
    return _performed_of(conditions.subjects_by_number(orders.c.patient_key)(tx, term, house))


def _performed_order(tx: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    return _performed_of(orders.c.key.in_(_orders_named(tx, term.targets(), house)))


def _performed_visit(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        named = _performed_of(orders.c.admission_id != "")
        return not_(named) if term.is_missing else named
    return _performed_of(orders.c.key.in_(imaging_studies.of_visits(term.targets())))


def _performed_since(at: datetime) -> Condition:
    return or_(_performed.updated_at >= at, _performed_of(orders.c.updated_at >= at))


def _performed_uid(_: ReadTx, term: Term, __: House) -> Condition:
    asked = [one for one in term.tokens() if one.system in (None, imaging_studies.STUDY_SYSTEM)]
    return _performed.sop_instance_uid.in_([one.code.removeprefix("urn:oid:") for one in asked])


def _performed_date(tx: ReadTx, term: Term, house: House) -> Condition:
    day = func.substr(_performed.started_local, 1, 8)
    time = LocalTime(day, _performed_low, _performed_high)
    return local_moment(time, house)(tx, term, house)


PROCEDURES = Search(
    rows=performed_steps,
    key=_performed.key,
    standing=_procedure_standing,
    terms={
        "_id": conditions.keys(_performed.key),
        "_lastUpdated": conditions.within_since(_PERFORMED_AT, _performed_since),
        "identifier": _performed_uid,
        "patient": _performed_patient,
        "subject": _performed_patient,
        "patient.identifier": _performed_number,
        "subject.identifier": _performed_number,
        "based-on": _performed_order,
        "based-on.identifier": lambda _, term, house: _performed_of(
            orders.c.key.in_(imaging_studies.orders_numbered(term, house))
        ),
        "date": _performed_date,
        "encounter": _performed_visit,
        "status": conditions.coded(
            _performed.status,
            {
                "in-progress": (PerformedStatus.IN_PROGRESS.value,),
                "completed": (PerformedStatus.COMPLETED.value,),
                "stopped": (PerformedStatus.DISCONTINUED.value,),
            },
            ("http://hl7.org/fhir/event-status",),
        ),
    },
    sorts={"_id": _performed.key, "_lastUpdated": _PERFORMED_AT},
)

# ── visits ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_admitted = visits.c.admitted_local
_VISIT_STATUSES = {
    "planned": (VisitState.PRE_ADMIT.value,),
    "in-progress": (VisitState.OPEN.value,),
    "finished": (VisitState.CLOSED.value,),
    "completed": (VisitState.CLOSED.value,),
    "cancelled": (VisitState.CANCELLED.value,),
}


def _visit_standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    return [visits.c.moved_into.is_(None), *limited(visits.c.patient_key, house)]


def _visit_date(tx: ReadTx, term: Term, house: House) -> Condition:
    low = func.substr(_admitted + "000000", 1, 14)
    high = case(
        (func.length(_admitted) < 14, func.substr(_admitted, 1, 8) + literal("235959")),
        else_=func.substr(_admitted, 1, 14),
    )
    time = LocalTime(func.substr(_admitted, 1, 8), low, high)
    return local_moment(time, house)(tx, term, house)


ENCOUNTERS = Search(
    rows=visits,
    key=visits.c.key,
    standing=_visit_standing,
    terms={
        "_id": conditions.keys(visits.c.key),
        "identifier": conditions.numbered(
            [
                (visits.c.admission_id, visits.c.issuer_of_admission_id),
                (visits.c.account_number, visits.c.issuer_of_account_number),
            ]
        ),
        **of_patient(visits.c.patient_key),
        "status": conditions.coded(visits.c.state, _VISIT_STATUSES, ("http://hl7.org/fhir/encounter-status",)),
        "date": _visit_date,
    },
    sorts={"_id": visits.c.key},
)
