"""ImagingSelection: images that somebody marked, of bound studies that are told whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, String, and_, cast, false, literal, not_, or_, true

from bridge.domain.chart import SELECTION
from bridge.domain.rejection import JOINED, SPLIT_OFF
from bridge.domain.resource_query import Term, Token
from bridge.store.chart_withdrawals import parts_taken_out, taken_out
from bridge.store.db import ReadTx
from bridge.store.key_objects import names_any
from bridge.store.listings import served
from bridge.store.searches import conditions, imaging_studies, updated
from bridge.store.searches.conditions import Condition, House, Search, Write
from bridge.store.tables import instances, key_objects, studies
from bridge.store.tables import study_placements as placed

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_OF_INTEREST = "113000"
_STATUSES = "http://hl7.org/fhir/imagingselection-status"
_subject: ColumnElement[int] = placed.c.patient_key


def _standing(tx: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    """Return what must hold of a document: that its study is in its patient's chart, and has one of the images."""
    found: list[Condition] = [
        placed.c.stands,
        studies.c.key.not_in(taken_out()),
        (literal(f"{SELECTION}:") + cast(key_objects.c.key, String)).not_in(parts_taken_out()),
        instances.c.withheld.not_in((SPLIT_OFF, JOINED)),
        names_any(),
    ]
    unfinished = served.unfinished(tx, house.quiet_since)
    if unfinished:
        found.append(studies.c.key.not_in(unfinished))
    if house.only_patients is not None:
        found.append(_subject.in_(house.only_patients))
    return found


def _id(_: ReadTx, term: Term, __: House) -> Condition:
    return or_(false(), *(_is_resource(one.code) for one in term.tokens()))


def _is_resource(resource_id: str) -> Condition:
    key, _, number = resource_id.partition("-")
    if not conditions.is_row(key) or (number and (not conditions.is_row(number) or int(number) < 2)):
        return false()
    return and_(key_objects.c.key == int(key), placed.c.number == int(number or "1"))


def _uid(column: ColumnElement[str]) -> Write:
    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is not None:
            return false() if term.is_missing else true()
        systems = (None, "", imaging_studies.STUDY_SYSTEM)
        return column.in_([one.code.removeprefix("urn:oid:") for one in term.tokens() if one.system in systems])

    return write


def _status(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    stands = and_(instances.c.withheld == "", names_any(shown=True))
    states = {"available": stands, "entered-in-error": not_(stands)}
    asked = [one.code for one in term.tokens() if one.system in (None, _STATUSES)]
    return or_(false(), *(states[one] for one in asked if one in states))


def _code(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    return or_(false(), *(_is_titled(one) for one in term.tokens()))


def _is_titled(one: Token) -> Condition:
    value, scheme = key_objects.c.title_code_value, key_objects.c.title_coding_scheme_designator
    met = value == one.code
    if one.code == _OF_INTEREST:
        met = or_(met, and_(value == "", key_objects.c.title_code_meaning == ""))
    if one.system is None:
        return met
    return and_(met, or_(scheme == "DCM", value == "")) if one.system == _DCM else false()


def _derived_from(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    named = [one.resource_id for one in term.targets() if one.kind in ("", "ImagingStudy")]
    return or_(false(), *(imaging_studies.is_resource(one) for one in named))


def _derived_from_number(tx: ReadTx, term: Term, house: House) -> Condition:
    return imaging_studies.SEARCH.terms["identifier"](tx, term, house)


_TERMS: Mapping[str, Write] = {
    "_id": _id,
    "_lastUpdated": imaging_studies.SEARCH.terms["_lastUpdated"],
    "identifier": _uid(instances.c.sop_instance_uid),
    "patient": conditions.subjects(_subject),
    "subject": conditions.subjects(_subject),
    "patient.identifier": conditions.subjects_by_number(_subject),
    "subject.identifier": conditions.subjects_by_number(_subject),
    "based-on": imaging_studies.SEARCH.terms["basedon"],
    "based-on.identifier": imaging_studies.SEARCH.terms["basedon.identifier"],
    "code": _code,
    "derived-from": _derived_from,
    "derived-from.identifier": _derived_from_number,
    "status": _status,
    "study-uid": _uid(studies.c.study_instance_uid),
}
SEARCH = Search(
    rows=key_objects.join(instances, instances.c.key == key_objects.c.instance_key)
    .join(studies, studies.c.key == key_objects.c.study_key)
    .join(placed, placed.c.study_key == studies.c.key),
    key=key_objects.c.key,
    standing=_standing,
    terms=_TERMS,
    sorts={"_id": key_objects.c.key, "_lastUpdated": updated.UPDATED_AT},
)
