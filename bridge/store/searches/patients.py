"""Patient: the records, live or merged into another."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, false, func, not_, or_, select, true

from bridge.domain.resource_query import Span, Term
from bridge.store.db import ReadTx
from bridge.store.searches import conditions
from bridge.store.searches.conditions import Condition, House, Search
from bridge.store.tables import merges, patient_identifiers, patients

_folded = func.lower(patients.c.patient_name)
_GENDERS = {"male": ("M",), "female": ("F",), "other": ("O",)}
_LAST = "\U0010ffff"


def _standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    return [] if house.only_patients is None else [patients.c.key.in_(house.only_patients)]


def _identifier(_: ReadTx, term: Term, house: House) -> Condition:
    number, issuer = patient_identifiers.c.patient_id, patient_identifiers.c.issuer_of_patient_id
    if term.is_missing is not None:
        held = patients.c.key.in_(select(patient_identifiers.c.patient_key))
        return not_(held) if term.is_missing else held
    asked = [conditions.number_is(number, issuer, one, house) for one in term.tokens()]
    return patients.c.key.in_(select(patient_identifiers.c.patient_key).where(or_(false(), *asked)))


def _family(tx: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return patients.c.patient_name == "" if term.is_missing else patients.c.patient_name != ""
    found: list[Condition] = []
    for one in term.words():
        text = one.text.replace("^", "")
        if one.how == "contains":
            found.append(_folded.contains(_lower(tx, text), autoescape=True))
        elif one.how == "exact":
            found.append(or_(patients.c.patient_name == text, begins(tx, f"{text}^")))
        elif text:
            found.append(begins(tx, text))
    return or_(false(), *found)


def _given(tx: ReadTx, term: Term, __: House) -> Condition:
    """Compare given names, which stand behind the family's: beside a narrower parameter only."""
    if term.is_missing is not None:
        held = _folded.contains("^", autoescape=True)
        return not_(held) if term.is_missing else held
    texts = (_lower(tx, one.text.replace("^", "")) for one in term.words())
    return or_(false(), *(_folded.contains(f"^{text}", autoescape=True) for text in texts if text))


def _name(tx: ReadTx, term: Term, house: House) -> Condition:
    """Compare how the family's name begins; a second word is the given name."""
    if term.is_missing is not None:
        return _family(tx, term, house)
    found: list[Condition] = []
    for one in term.words():
        family, _, given = one.text.replace(",", " ").replace("^", " ").strip().partition(" ")
        if family:
            given_too = _lower(tx, given.strip())
            named = _folded.contains(f"^{given_too}", autoescape=True) if given_too else true()
            found.append(and_(begins(tx, family), named))
    return or_(false(), *found)


def begins(tx: ReadTx, prefix: str) -> Condition:
    """Compare how a name begins, by its index on either database."""
    low = _lower(tx, prefix)
    if tx.dialect.name == "sqlite":
        return and_(_folded >= low, _folded < low + _LAST)
    return _folded.startswith(low, autoescape=True)


def _lower(tx: ReadTx, text: str) -> str:
    """Return a text in lower case as the database has it: SQLite knows ASCII only."""
    return (
        "".join(one.lower() if one.isascii() else one for one in text) if tx.dialect.name == "sqlite" else text.lower()
    )


def _birth_date(_: ReadTx, term: Term, house: House) -> Condition:
    column = patients.c.patient_birth_date
    if term.is_missing is not None:
        return column == "" if term.is_missing else column != ""
    return and_(column != "", or_(false(), *(_day(one, house) for one in term.spans())))


def _day(span: Span, house: House) -> Condition:
    column = patients.c.patient_birth_date
    begin, end = (f"{house.local(at):%Y%m%d}".rjust(8, "0") for at in (span.begin, span.end))
    tests: dict[str, Condition] = {
        "eq": and_(column >= begin, column < end),
        "ne": or_(column < begin, column >= end),
        "gt": column >= end,
        "sa": column >= end,
        "ge": column >= begin,
        "lt": column < begin,
        "eb": column < begin,
        "le": column < end,
    }
    return tests[span.how]


def _gender(_: ReadTx, term: Term, __: House) -> Condition:
    column, known = patients.c.patient_sex, [code for codes in _GENDERS.values() for code in codes]
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    asked = [one.code for one in term.tokens()]
    named = column.in_([code for one in asked for code in _GENDERS.get(one, ())])
    return or_(named, column.not_in(known)) if "unknown" in asked else named


def _active(_: ReadTx, term: Term, __: House) -> Condition:
    active = and_(patients.c.merged_into.is_(None), not_(patients.c.inactive))
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    asked = {one.code for one in term.tokens()}
    return or_(active if "true" in asked else false(), not_(active) if "false" in asked else false())


def _link(tx: ReadTx, term: Term, _: House) -> Condition:
    """Find the records that are linked to one: merged into it, or what it was merged into."""
    if term.is_missing is not None:
        held = or_(patients.c.merged_into.is_not(None), patients.c.key.in_(select(merges.c.survivor_key)))
        return not_(held) if term.is_missing else held
    named = [int(one.resource_id) for one in term.targets() if conditions.is_row(one.resource_id)]
    return and_(patients.c.key.in_(conditions.people(tx, term.targets())), patients.c.key.not_in(named))


SEARCH = Search(
    rows=patients,
    key=patients.c.key,
    standing=_standing,
    terms={
        "_id": conditions.keys(patients.c.key),
        "_lastUpdated": conditions.within(patients.c.updated_at),
        "identifier": _identifier,
        "name": _name,
        "family": _family,
        "given": _given,
        "birthdate": _birth_date,
        "gender": _gender,
        "active": _active,
        "link": _link,
    },
    sorts={"_id": patients.c.key, "birthdate": patients.c.patient_birth_date, "family": _folded, "name": _folded},
    narrows=("_id", "identifier", "name", "family", "birthdate", "link"),
)
