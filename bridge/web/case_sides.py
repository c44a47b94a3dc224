"""The people a case may be of, as its page shows them: beside the header in words, with what a yes would do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from bridge.domain.authorization import Authorization
from bridge.domain.chart import OWN
from bridge.domain.study import Difference
from bridge.flows.look_at_case import OrderOfDay, Side
from bridge.store import authorizations
from bridge.store.db import ReadTx
from bridge.store.listings.people import Person, by_key
from bridge.web.access import services
from bridge.web.page import human_date, human_name
from bridge.web.study_story import words_of
from bridge.web.study_views import StudyView

_WORDS = {
    "PatientName": "Name",
    "PatientID": "Patient number",
    "PatientBirthDate": "Born",
    "PatientSex": "Sex",
    "AccessionNumber": "Accession",
}
_GRADES = {
    "PatientName": {
        "EQUAL": "agrees",
        "CLOSE": "nearly the same",
        "GIVEN": "only the given name agrees",
        "FAMILY": "only the family name agrees",
        "NONE": "another name",
        "NA": "cannot be compared",
    },
    "PatientBirthDate": {
        "EQUAL": "agrees",
        "SWAP": "day and month exchanged",
        "NEAR": "differs in one place",
        "PARTIAL": "only the year agrees",
        "NA": "nothing to compare",
        "DIFF": "another date",
    },
    "PatientSex": {"EQUAL": "agrees", "DIFF": "differs", "NA": "not said"},
}
_NUMBERS = {"PatientID": "another number", "AccessionNumber": "another order"}
_LETTERS = "abc"
_CHART_TOPICS = ("imaging_study", "imaging-study", "ImagingStudy")
# Of two values that share less, every other letter would be marked.
_NEAR, _FAR = 0.5, frozenset({"NONE", "DIFF"})


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line of a comparison, for the eye. grade: how they compare, in words.

    differs: they are not the same; is_near: so alike that the letters in which they differ are worth marking.
    """

    words: str
    received: str
    record: str
    grade: str
    differs: bool
    is_near: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """
    One person on the page. letter: the key that leads to them, "" for none. score: None for who was searched for.

    follows: what a yes would do, in sentences. order_key: which order is chosen, None for none.
    """

    person: Person
    letter: str
    why: str
    score: int | None
    lines: tuple[Line, ...]
    orders: tuple[OrderOfDay, ...]
    order_key: int | None
    corrections: tuple[tuple[str, str, str], ...]
    follows: tuple[str, ...]


def choices_of(
    tx: ReadTx, view: StudyView, found: Sequence[int], chosen: Mapping[int, int | None]
) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    """
    Return the candidates, best first, and whoever was searched for and is none of them.

    found: patients by row. chosen: orders by patient, where the person has chosen one already.
    """
    ranked = {one.patient.key: one for one in view.candidates}
    others = [key for key in found if key not in ranked]
    asked = {key for key in chosen.values() if key is not None}
    beside = services().flows.studies.cases.sides(tx, view.study, [*ranked, *others], asked)
    sides = {side.patient_key: side for side in beside}
    people = by_key(tx, sides)
    claims = _claims(tx, view.study.key)
    candidates = []
    for at, (key, one) in enumerate(ranked.items()):
        if key in sides:
            letter = _LETTERS[at] if at < len(_LETTERS) else ""
            candidates.append(_choice(view, one.patient, sides[key], claims, (letter, one.score, chosen)))
    searched = [_choice(view, people[key], sides[key], claims, ("", None, chosen)) for key in others if key in sides]
    return tuple(candidates), tuple(searched)


def _choice(
    view: StudyView,
    person: Person,
    side: Side,
    claims: Collection[Authorization],
    place: tuple[str, int | None, Mapping[int, int | None]],
) -> Choice:
    letter, score, chosen = place
    meant = next((one.key for one in side.orders if one.is_meant), None)
    order_key = chosen.get(side.patient_key, meant)
    order = next((one for one in side.orders if one.key == order_key), None)
    return Choice(
        person=person,
        letter=letter,
        why=side.why,
        score=score,
        lines=tuple(_lines(side)),
        orders=side.orders,
        order_key=order.key if order is not None else None,
        corrections=tuple(_corrected(side.corrections)),
        follows=tuple(_follows(view, person, order, claims)),
    )


def evidence_words(name: str, detail: str) -> str:
    """
    Return a line of a decision's evidence as people say it.

    >>> evidence_words("birth date", "SWAP: 19610312"), evidence_words("sex", "NA: "), evidence_words("patient ID", "7")
    ('day and month exchanged: 12 Mar 1961', 'not said', '7')
    """
    keyword = {"name": "PatientName", "birth date": "PatientBirthDate", "sex": "PatientSex"}.get(name, "")
    grade, is_graded, value = detail.partition(":")
    said = _GRADES.get(keyword, {}).get(grade)
    if said is None or not is_graded:
        return detail
    return ": ".join(filter(None, (said, _shown(keyword, value.strip()))))


def _lines(side: Side) -> Iterable[Line]:
    for one in side.compared:
        received, record = _shown(one.keyword, one.received), _shown(one.keyword, one.record)
        differs = bool(received and record) and received != record
        named = _GRADES.get(one.keyword)
        if named is not None:
            grade = named.get(one.grade, one.grade.lower())
        elif not (received and record):
            grade = "nothing to compare"
        else:
            grade = _NUMBERS.get(one.keyword, "differs") if differs and not one.grade else "agrees"
        is_near = (
            differs
            and one.grade not in _FAR
            and SequenceMatcher(None, received, record, autojunk=False).ratio() >= _NEAR
        )
        yield Line(_WORDS.get(one.keyword, one.keyword), received, record, grade, differs, is_near)


def _shown(keyword: str, value: str) -> str:
    if keyword == "PatientName":
        return human_name(value) if value else ""
    return human_date(value) if keyword == "PatientBirthDate" else value


def _corrected(differences: Iterable[Difference]) -> Iterable[tuple[str, str, str]]:
    """Return what leaves with another value than it came with: what it is, before, after."""
    for one in differences:
        if not one.keyword.startswith("IssuerOf"):
            yield words_of(one.keyword), _shown(one.keyword, one.received), _shown(one.keyword, one.record)


def _follows(
    view: StudyView, person: Person, order: OrderOfDay | None, claims: Collection[Authorization]
) -> Iterable[str]:
    """Return what happens outside if the answer is this person."""
    name, count = human_name(person.name), view.on_exam.instance_count
    images = f"{count} image{'s' if count != 1 else ''}"
    under = f", under accession {order.accession_number}" if order is not None and order.accession_number else ""
    # What has left once, before it was taken back, goes there again.
    places = {(one.topic, one.destination) for one in view.deliveries}
    charts = sorted({place for topic, place in places if topic in _CHART_TOPICS and place != OWN})
    archives = sorted(place for topic, place in places if topic == "archive")
    at = f" at {' and '.join(charts)}" if charts else ""
    yield f"The chart of {name}{at} gets {images}{under}."
    if archives:
        yield f"{' and '.join(archives)} {'get' if len(archives) > 1 else 'gets'} them in the folder of {name}."
    if view.held_from is not None and view.held_from[0].key != person.key:
        yield f"The chart of {human_name(view.held_from[0].name)} keeps the note that they were taken back."
    for claim in claims:
        if claim.patient_key == person.key:
            yield f"The attachment on {claim.number or 'the authorization'} goes to review before it can leave."
        else:
            yield f"The attachment on {claim.number or 'the authorization'} stays blocked: that is another patient's."


def _claims(tx: ReadTx, study_key: int) -> list[Authorization]:
    attached = authorizations.attachments_of_study(tx, study_key)
    return [authorizations.get(tx, key) for key in dict.fromkeys(one.authorization_key for one in attached)]
