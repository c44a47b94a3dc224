"""ImagingStudy: the studies that stand in a chart, those that still come in, and what is left of those that stood there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, literal, not_, or_, select, true

from bridge.domain.chart import ENDED
from bridge.domain.resource_query import Target, Term
from bridge.store import announced_studies, fhir_resources, rejections
from bridge.store.chart_withdrawals import taken_out
from bridge.store.db import ReadTx
from bridge.store.listings import served
from bridge.store.searches import conditions, study_people, updated
from bridge.store.searches.clocks import ByMoment, LocalTime, local_moment
from bridge.store.searches.conditions import Condition, House, Search
from bridge.store.tables import (
    instances,
    orders,
    series,
    studies,
    visits,
)
from bridge.store.tables import study_placements as placed

ORDER_ID = "order-"
STUDY_SYSTEM = "urn:dicom:uid"
_FEW_SERIES = 5_000
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
# What is still said of a study that is in a chart no more.
SAID_OF_ENDED = frozenset(
    {"_id", "_lastUpdated", "identifier", "patient", "subject", "patient.identifier", "subject.identifier", "status"}
)
_STARTED_LOW = studies.c.study_date + func.substr(studies.c.study_time + "000000", 1, 6)
_STARTED_HIGH = studies.c.study_date + case(
    (studies.c.study_time == "", literal("235959")), else_=func.substr(studies.c.study_time + "000000", 1, 6)
)
# A date without a time is a day of the hospital's. Source: PS3.3 C.12.1.1.8.
_STARTED = LocalTime(
    studies.c.study_date,
    _STARTED_LOW,
    _STARTED_HIGH,
    case(
        (studies.c.study_time == "", literal("")),
        else_=func.trim(studies.c.received["timezone_offset_from_utc"].as_string()),
    ),
)


def _standing(tx: ReadTx, terms: Sequence[Term], house: House) -> list[Condition]:
    """Return what must hold of a placement: an ended one is only found by what is still said of it."""
    found: list[Condition] = []
    unfinished = {} if house.announces else served.unfinished(tx, house.quiet_since)
    if unfinished:
        found.append(or_(studies.c.key.not_in(unfinished), not_(placed.c.stands)))
    if any(one.name not in SAID_OF_ENDED for one in terms):
        found += [_stands(), not_(rejections.shows_nothing())]
    if house.only_patients is not None:
        found.append(placed.c.patient_key.in_(house.only_patients))
    return found


def _stands() -> Condition:
    """Say whether a placement is in its chart: it was not ended, and nobody took its study out of every chart."""
    return and_(placed.c.stands, placed.c.study_key.not_in(taken_out()))


def _id(_: ReadTx, term: Term, __: House) -> Condition:
    return or_(false(), *(is_resource(one.code) for one in term.tokens()))


def is_resource(resource_id: str) -> Condition:
    """Compare a placement with what FHIR calls one."""
    announced = announced_studies.row_of(resource_id)
    if announced is not None:
        return placed.c.announced_study_key == announced
    study_key, _, number = resource_id.partition("-")
    if not conditions.is_row(study_key) or (number and (not conditions.is_row(number) or int(number) < 2)):
        return false()
    same = and_(placed.c.study_key == int(study_key), placed.c.number == int(number or "1"))
    return and_(same, placed.c.announced_study_key.is_(None))


def studies_named(resource_ids: Iterable[str]) -> Select[Any]:
    """Return the query for the rows of the studies that FHIR calls so, in whatever chart."""
    return select(placed.c.study_key).where(or_(false(), *(is_resource(one) for one in resource_ids)))


def _identifier(_: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    uids, numbers = [], []
    for one in term.tokens():
        if one.system in (None, STUDY_SYSTEM):
            uids.append(one.code.removeprefix("urn:oid:"))
        if one.system != STUDY_SYSTEM and one.code:
            numbers.append(
                conditions.number_is(orders.c.accession_number, orders.c.issuer_of_accession_number, one, house)
            )
    by_uid = studies.c.study_instance_uid.in_(uids)
    if not numbers:
        return by_uid
    return or_(by_uid, and_(placed.c.stands, studies.c.order_key.in_(select(orders.c.key).where(or_(*numbers)))))


def _status(tx: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    shows_nothing, unfinished = rejections.shows_nothing(), served.unfinished(tx, house.quiet_since)
    # What was ended and comes in again stands as it was left until it is whole.
    left_as = {status: [key for key, one in unfinished.items() if one == status] for status in ENDED}
    coming = [key for key, status in unfinished.items() if status not in ENDED]
    shown = and_(_stands(), not_(shows_nothing))
    states = {
        "registered": and_(shown, studies.c.key.in_(coming)),
        "available": and_(shown, studies.c.key.not_in(unfinished)),
        "cancelled": and_(_stands(), or_(shows_nothing, studies.c.key.in_(left_as["cancelled"]))),
        "entered-in-error": or_(not_(_stands()), studies.c.key.in_(left_as["entered-in-error"])),
    }
    systems = (None, "http://hl7.org/fhir/imagingstudy-status")
    return or_(false(), *(states[one.code] for one in term.tokens() if one.code in states and one.system in systems))


def _modality(tx: ReadTx, term: Term, __: House) -> Condition:
    """Compare the modalities as they are stored: the caller says which those are."""
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    return _with_series(tx, series.c.modality.in_([one.code for one in term.tokens()]))


def _body_site(tx: ReadTx, term: Term, __: House) -> Condition:
    """Compare the body parts as they are stored: the caller says which those are."""
    if term.is_missing is not None:
        with_any = _with_series(tx, series.c.body_part_examined != "")
        return not_(with_any) if term.is_missing else with_any
    return _with_series(tx, series.c.body_part_examined.in_([one.code for one in term.tokens()]))


def _series(_: ReadTx, term: Term, __: House) -> Condition:
    uids = [one.code.removeprefix("urn:oid:") for one in term.tokens() if one.system in (None, "", STUDY_SYSTEM)]
    return studies.c.key.in_(_shown_series().where(series.c.series_instance_uid.in_(uids)))


def _instance(_: ReadTx, term: Term, __: House) -> Condition:
    uids = [one.code.removeprefix("urn:oid:") for one in term.tokens() if one.system in (None, "", STUDY_SYSTEM)]
    held = select(instances.c.study_key).where(instances.c.sop_instance_uid.in_(uids), instances.c.withheld == "")
    return studies.c.key.in_(held)


def _sop_class(_: ReadTx, term: Term, __: House) -> Condition:
    uids = [
        one.code.removeprefix("urn:oid:") for one in term.tokens() if one.system in (None, "urn:ietf:rfc:3986", _DCM)
    ]
    held = select(instances.c.key).where(
        instances.c.study_key == studies.c.key, instances.c.withheld == "", instances.c.sop_class_uid.in_(uids)
    )
    return held.exists()


def _based_on(tx: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return studies.c.order_key.is_(None) if term.is_missing else studies.c.order_key.is_not(None)
    named = [order_key(tx, one, house) for one in term.targets() if one.kind in ("", "ServiceRequest")]
    return studies.c.order_key.in_([one for one in named if one is not None])


def _based_on_number(_: ReadTx, term: Term, house: House) -> Condition:
    return studies.c.order_key.in_(orders_numbered(term, house))


def orders_numbered(term: Term, house: House) -> Select[tuple[int]]:
    """Return the query for the orders that a term names by any of their numbers."""
    numbers = [
        conditions.number_is(orders.c[f"{name}"], orders.c[f"issuer_of_{name}"], one, house)
        for one in term.tokens()
        for name in ("accession_number", "placer_order_number", "filler_order_number")
    ]
    return select(orders.c.key).where(or_(false(), *numbers))


def _encounter(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        with_visit = study_people.with_visit(studies.c.order_key)
        return not_(with_visit) if term.is_missing else with_visit
    return studies.c.order_key.in_(of_visits(term.targets()))


def of_visits(targets: Iterable[Target]) -> Select[tuple[int]]:
    """Return the query for the orders that came under one of these visits, as they show it."""
    named = [one.resource_id for one in targets if one.kind in ("", "Encounter")]
    return (
        select(orders.c.key)
        .join(visits, orders.c.patient_key == visits.c.patient_key)
        .where(
            visits.c.key.in_([int(one) for one in named if conditions.is_row(one)]),
            visits.c.moved_into.is_(None),
            visits.c.admission_id != "",
            visits.c.admission_id == orders.c.admission_id,
            visits.c.issuer_of_admission_id == orders.c.issuer_of_admission_id,
        )
    )


def _endpoint(_: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    met = any(one.resource_id in house.endpoints and one.kind in ("", "Endpoint") for one in term.targets())
    return true() if met else false()


def _started(_: ReadTx, term: Term, house: House) -> Condition:
    return local_moment(_STARTED, house)(_, term, house)


def body_parts_seen(tx: ReadTx) -> list[str]:
    """Return every body part that a series names, as it was sent: by leaps over the index, not over the rows."""
    column = series.c.body_part_examined
    first = select(func.min(column).label("part")).where(column != "").cte("parts", recursive=True)
    following = select(func.min(column)).where(column > first.c.part).scalar_subquery()
    parts = first.union_all(select(following).where(first.c.part.is_not(None)))
    return [row for row in tx.execute(select(parts.c.part).limit(5000)).scalars() if row is not None]


def order_key(tx: ReadTx, target: Target, house: House) -> int | None:
    """Return the order that a reference means: the caller's own name for one, else ours."""
    own = fhir_resources.order_key(tx, house.caller, target.resource_id) if house.caller else None
    plain = target.resource_id.removeprefix(ORDER_ID)
    if own is None and plain != target.resource_id and conditions.is_row(plain):
        return int(plain)
    return own


def _with_series(tx: ReadTx, met: Condition) -> Condition:
    """
    Say whether a study has a series that meets this and shows something.

    Few such series are looked up first, and their studies are the answer; where there are many, the walk over the studies looks
    at each one's own series, and ends when its page is full.
    """
    some = select(series.c.key).where(met).limit(_FEW_SERIES + 1).subquery()
    count = int(tx.execute(select(func.count()).select_from(some)).scalar_one())
    if count <= _FEW_SERIES:
        return studies.c.key.in_(_shown_series().where(met))
    return _shown_series().where(met, series.c.study_key == studies.c.key).exists()


def _shown_series() -> Select[tuple[int]]:
    """Return the studies of series that show something."""
    other = instances.alias("shown_of_series")
    shown = select(other.c.key).where(other.c.series_key == instances.c.series_key, other.c.withheld == "")
    emptied = select(instances.c.series_key).where(instances.c.withheld != "", ~shown.exists())
    return select(series.c.study_key).where(series.c.key.not_in(emptied))


_subject: ColumnElement[Any] = placed.c.patient_key
SEARCH = Search(
    rows=placed.join(studies, studies.c.key == placed.c.study_key),
    key=placed.c.key,
    standing=_standing,
    terms={
        "_id": _id,
        "_lastUpdated": updated.last_updated,
        "identifier": _identifier,
        "patient": conditions.subjects(_subject),
        "subject": conditions.subjects(_subject),
        "patient.identifier": conditions.subjects_by_number(_subject),
        "subject.identifier": conditions.subjects_by_number(_subject),
        "status": _status,
        "started": _started,
        "modality": _modality,
        "bodysite": _body_site,
        "series": _series,
        "instance": _instance,
        "dicom-class": _sop_class,
        "basedon": _based_on,
        "basedon.identifier": _based_on_number,
        "encounter": _encounter,
        "endpoint": _endpoint,
        "referrer": conditions.in_words(study_people.has_referrer()),
        "referrer.identifier": study_people.referrer_number,
        "reason": study_people.reason(studies.c.order_key),
        **study_people.NOT_FOUND_BY,
    },
    sorts={"_id": placed.c.key, "started": ByMoment(_STARTED), "_lastUpdated": updated.UPDATED_AT},
)
