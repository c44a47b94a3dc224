"""What is copied onto a claim, so that its payer is led to an attached study: the words of each place, and 837P segments.

Source: 005010X222A1 2300 and 2400 (PWK, REF, NTE); NUCC 1500 claim form manual, items 19 and 24.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.codecs.x12.claim_fragment import Fragment, for_claim, for_line
from bridge.codecs.x12.facts import Evidence
from bridge.domain.authorization import Authorization, AuthorizationStatus
from bridge.domain.narrative import LIMITS, Place, Says, Subject, narrative
from bridge.errors import Incomplete

RADIOLOGY_FILMS = "RB"
# PWK02: the payer may ask for it, or it goes out electronically.
ON_REQUEST, ELECTRONIC = "AA", "EL"
_REFUSED = frozenset({AuthorizationStatus.DENIED, AuthorizationStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class AttachedStudy:
    """
    The study that a text leads to. control_number: of its attachment. transmission: PWK02.

    accession_number: of the order that it is bound to, "" for none.
    """

    control_number: str
    study_instance_uid: str
    accession_number: str = ""
    transmission: str = ON_REQUEST


@dataclass(frozen=True, slots=True)
class PlacedText:
    """The exact text for one place, and how much would fit there."""

    place: Place
    text: str
    limit: int


@dataclass(frozen=True, slots=True)
class ClaimText:
    """
    What is copied. text: for the CPT line (837P 2400 NTE). segments: of loop 2400, with terminators.

    whole_claim_segments: of loop 2300, where all of the claim rests on it. line_segments: for each procedure code that has
    a number of its own. places: every place that can say it.
    """

    text: str
    segments: tuple[str, ...]
    whole_claim_segments: tuple[str, ...]
    line_segments: tuple[tuple[str, tuple[str, ...]], ...]
    places: tuple[PlacedText, ...]


def claim_text(authorization: Authorization, study: AttachedStudy, says: Says) -> ClaimText:
    """
    Return the text for *study* on a claim under *authorization*. says: as the payer agreed.

    Raises: Incomplete, where the text for the CPT line or a segment cannot be written or does not fit: nothing is cut.
    """
    accession_numbers = (study.accession_number,) if study.accession_number else ()
    subject = Subject(
        study.control_number, accession_numbers, study.study_instance_uid, RADIOLOGY_FILMS, study.transmission
    )
    text = narrative(Place.LINE_NOTE, says, subject)
    evidence = Evidence(RADIOLOGY_FILMS, study.transmission, narrative(Place.EVIDENCE, Says.CONTROL_NUMBER, subject))
    number = "" if authorization.status in _REFUSED else authorization.number
    own = [(line.code, line.number) for line in authorization.lines if line.number and line.number != number]
    return ClaimText(
        text,
        _segments(number, evidence, text),
        _lines(for_claim(number, [evidence], narrative(Place.CLAIM_NOTE, says, subject))),
        tuple((code, _segments(each, evidence, text)) for code, each in own),
        tuple(_places(says, subject)),
    )


def _segments(number: str, evidence: Evidence, text: str) -> tuple[str, ...]:
    numbers = [(number, "")] if number else []
    return _lines(for_line(numbers, [evidence], text))


def _lines(fragment: Fragment) -> tuple[str, ...]:
    return tuple(fragment.text.split("\n"))


def _places(says: Says, subject: Subject) -> list[PlacedText]:
    """Return the text of each place that takes it; a form that does not take a UID gets the control number."""
    found = []
    for place in Place:
        for each in dict.fromkeys((says, Says.CONTROL_NUMBER)):
            try:
                found.append(PlacedText(place, narrative(place, each, subject), LIMITS[place]))
            except Incomplete:
                continue
            break
    return found
