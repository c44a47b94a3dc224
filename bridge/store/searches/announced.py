"""ImagingStudy: the studies that have only begun, beside those of which images are here. Both are found by one search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, and_, case, false, func, literal, not_, or_, select, true

from bridge.domain.chart_status import ChartStatus
from bridge.domain.resource_query import Term
from bridge.store.announced_studies import row_of
from bridge.store.db import ReadTx
from bridge.store.searches import conditions, imaging_studies, study_people
from bridge.store.searches.clocks import ByMoment, LocalTime, local_moment
from bridge.store.searches.conditions import Condition, House, Search
from bridge.store.searches.imaging_studies import SAID_OF_ENDED, STUDY_SYSTEM
from bridge.store.searches.updated import BEGUN_UPDATED_AT
from bridge.store.tables import Key, orders, studies
from bridge.store.tables import announced_studies as announced

# Their rows are numbered beyond those of every placement: they are the newest there is.
FIRST_KEY = 1 << 40
_key: ColumnElement[int] = announced.c.key + literal(FIRST_KEY, Key)
_started = announced.c.started_local
_STARTED = LocalTime(
    func.substr(_started, 1, 8),
    func.substr(_started + "000000", 1, 14),
    case(
        (func.length(_started) < 14, func.substr(_started, 1, 8) + literal("235959")),
        else_=func.substr(_started, 1, 14),
    ),
)


def _standing(_: ReadTx, terms: Sequence[Term], house: House) -> list[Condition]:
    found: list[Condition] = [announced.c.study_key.is_(None)]
    if any(one.name not in SAID_OF_ENDED for one in terms):
        found.append(_is(ChartStatus.REGISTERED))
    if house.only_patients is not None:
        found.append(announced.c.patient_key.in_(house.only_patients))
    return found


def _is(status: ChartStatus) -> Condition:
    """Compare the status; what images came of that are not that person's is an error there."""
    has_images = select(studies.c.key).where(studies.c.study_instance_uid == announced.c.study_instance_uid).exists()
    if status == ChartStatus.ENTERED_IN_ERROR:
        return or_(announced.c.status == status.value, has_images)
    return and_(announced.c.status == status.value, ~has_images)


def _id(_: ReadTx, term: Term, __: House) -> Condition:
    return announced.c.key.in_([row for one in term.tokens() if (row := row_of(one.code)) is not None])


def _identifier(_: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return _has_it(term)
    uids = [one.code.removeprefix("urn:oid:") for one in term.tokens() if one.system in (None, STUDY_SYSTEM)]
    numbers = [
        conditions.number_is(orders.c.accession_number, orders.c.issuer_of_accession_number, one, house)
        for one in term.tokens()
        if one.system != STUDY_SYSTEM and one.code
    ]
    ordered = announced.c.order_key.in_(select(orders.c.key).where(or_(false(), *numbers)))
    is_whole = announced.c.status != ChartStatus.ENTERED_IN_ERROR.value
    return or_(announced.c.study_instance_uid.in_(uids), and_(is_whole, ordered))


def _status(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return _has_it(term)
    systems = (None, "http://hl7.org/fhir/imagingstudy-status")
    known = {one.value: one for one in ChartStatus}
    asked = [known[one.code] for one in term.tokens() if one.code in known and one.system in systems]
    return or_(false(), *(_is(one) for one in asked))


def _modality(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return announced.c.modality == "" if term.is_missing else announced.c.modality != ""
    return announced.c.modality.in_([one.code for one in term.tokens()])


def _based_on(tx: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return _has_it(term)
    named = [imaging_studies.order_key(tx, one, house) for one in term.targets() if one.kind in ("", "ServiceRequest")]
    return announced.c.order_key.in_([one for one in named if one is not None])


def _based_on_number(_: ReadTx, term: Term, house: House) -> Condition:
    return announced.c.order_key.in_(imaging_studies.orders_numbered(term, house))


def _encounter(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is None:
        return announced.c.order_key.in_(imaging_studies.of_visits(term.targets()))
    with_visit = study_people.with_visit(announced.c.order_key)
    return not_(with_visit) if term.is_missing else with_visit


def _has_it(term: Term) -> Condition:
    """Say whether an element is missing, or not, that every announced study has."""
    return false() if term.is_missing else true()


_patient: ColumnElement[int] = announced.c.patient_key
# What an announced study says nothing of: no image is here.
_UNKNOWN = ("bodysite", "series", "instance", "dicom-class", "endpoint")
_BEGUN = Search(
    rows=announced,
    key=_key,
    standing=_standing,
    terms={
        "_id": _id,
        "_lastUpdated": conditions.within(BEGUN_UPDATED_AT),
        "identifier": _identifier,
        "patient": conditions.subjects(_patient),
        "subject": conditions.subjects(_patient),
        "patient.identifier": conditions.subjects_by_number(_patient),
        "subject.identifier": conditions.subjects_by_number(_patient),
        "status": _status,
        "started": lambda tx, term, house: local_moment(_STARTED, house)(tx, term, house),
        "modality": _modality,
        "basedon": _based_on,
        "basedon.identifier": _based_on_number,
        "encounter": _encounter,
        **study_people.orders_referrer(announced.c.order_key),
        "reason": study_people.reason(announced.c.order_key),
        **study_people.NOT_FOUND_BY,
        **dict.fromkeys(_UNKNOWN, conditions.never),
    },
    sorts={"_id": _key, "started": ByMoment(_STARTED), "_lastUpdated": BEGUN_UPDATED_AT},
)
SEARCH = replace(imaging_studies.SEARCH, beside=_BEGUN)
