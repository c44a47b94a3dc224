"""The words that go onto a claim: a control number that leads to the images, within the limit of its place.

X12 has no escape character and its fields have hard limits: what does not fit, or cannot be said in X12's letters, is
refused with its place. Nothing is ever cut: a DICOM UID of which the end is missing names another study.
Source: 005010X222A1 (2300 NTE, 2400 NTE, SV101-7, REF), 005010X217 (PWK06); NUCC 1500 claim form manual, items 19 and 24.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from bridge.errors import Incomplete

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# X12's basic character set. Source: ASC X12.6 3.3.1.
BASIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!\"&'()*+,-./:;?= ")
DELIMITERS = "*^:~"
CONTROL_NUMBER_LENGTH = 16
_SHORTEST, _LONGEST = 12, 20
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_MAX = 64
# What has no decomposition of its own, and how typists write it. Upper case is applied first.
_WRITTEN = str.maketrans(
    {
        **{"Æ": "AE", "Ø": "O", "Œ": "OE", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "ẞ": "SS"},
        **{"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "‐": "-"},
    }
)


class Place(StrEnum):
    """Where a narrative stands."""

    LINE_NOTE = "837p-2400-nte"
    CLAIM_NOTE = "837p-2300-nte"
    LINE_DESCRIPTION = "837p-sv101-7"
    REFERENCE = "ref02"
    EVIDENCE = "pwk06"
    FORM_ITEM_19 = "cms1500-19"
    FORM_LINE_24 = "cms1500-24"


class Says(StrEnum):
    """What a narrative leads to the images by. A UID only where an agreement with the payer asks for it."""

    CONTROL_NUMBER = "control-number"
    ACCESSION = "accession"
    STUDY_UID = "study-uid"


# PWK06 may have 80 characters; many payers take no more than 50.
LIMITS = {
    Place.LINE_NOTE: 80,
    Place.CLAIM_NOTE: 80,
    Place.LINE_DESCRIPTION: 80,
    Place.REFERENCE: 50,
    Place.EVIDENCE: 50,
    Place.FORM_ITEM_19: 71,
    Place.FORM_LINE_24: 61,
}
# What stands before it; a place that is not here does not take such a thing.
_LABELS = {
    (Place.LINE_NOTE, Says.CONTROL_NUMBER): "IMAGES ",
    (Place.LINE_NOTE, Says.ACCESSION): "IMG ",
    (Place.LINE_NOTE, Says.STUDY_UID): "DICOM STUDY ",
    (Place.CLAIM_NOTE, Says.CONTROL_NUMBER): "IMAGES ",
    (Place.CLAIM_NOTE, Says.ACCESSION): "IMG ",
    (Place.CLAIM_NOTE, Says.STUDY_UID): "DICOM STUDY ",
    (Place.LINE_DESCRIPTION, Says.CONTROL_NUMBER): "IMAGES ",
    (Place.LINE_DESCRIPTION, Says.ACCESSION): "IMG ",
    (Place.LINE_DESCRIPTION, Says.STUDY_UID): "DICOM STUDY ",
    (Place.REFERENCE, Says.CONTROL_NUMBER): "",
    (Place.REFERENCE, Says.ACCESSION): "",
    (Place.EVIDENCE, Says.CONTROL_NUMBER): "",
    (Place.FORM_ITEM_19, Says.CONTROL_NUMBER): "PWK",
    (Place.FORM_ITEM_19, Says.ACCESSION): "NTEADD",
    (Place.FORM_ITEM_19, Says.STUDY_UID): "NTEADD",
    (Place.FORM_LINE_24, Says.CONTROL_NUMBER): "",
    (Place.FORM_LINE_24, Says.ACCESSION): "",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """
    What a narrative can be about. accession_numbers: of every study, the first one's first.

    report_type, transmission: PWK01 and PWK02, which item 19 tells before the control number.
    """

    control_number: str = ""
    accession_numbers: tuple[str, ...] = ()
    study_instance_uid: str = ""
    report_type: str = "RB"
    transmission: str = "EL"


def narrative(place: Place, says: Says, subject: Subject, delimiters: str = DELIMITERS) -> str:
    """
    Return the exact text for *place*.

    delimiters: those of the file it goes into.
    Raises: Incomplete where the place does not take it, where it is missing or does not fit, or a sign cannot be written.
    """
    label = _LABELS.get((place, says))
    if label is None:
        raise Incomplete("this place does not take that: its limit is too short", code="narrative_form", where=place)
    if place is Place.FORM_ITEM_19 and says is Says.CONTROL_NUMBER:
        label += f"{subject.report_type}{subject.transmission}"
    text = label + " ".join(_named(says, subject, place))
    if not BASIC.difference(delimiters).issuperset(text):
        raise Incomplete("a sign of it cannot be written here", code="character", where=place)
    return _within(text, place)


def free_text(text: str, place: Place, delimiters: str = DELIMITERS) -> str:
    """
    Return what a person typed as X12 can say it: upper case, without accents, a blank for each delimiter in use.

    Raises: Incomplete for a sign that has no such form, for nothing at all, and for what does not fit.
    """
    spoken = basic_text(text, delimiters)
    if not spoken:
        raise Incomplete("there is no text", code="empty", where=place)
    return _within(spoken, place)


def basic_text(text: str, delimiters: str = DELIMITERS) -> str:
    """
    Return *text* in X12's basic set, runs of blanks as one.

    Raises: Incomplete for a letter that has no form there: another script is not guessed at.
    """
    decomposed = unicodedata.normalize("NFKD", text.upper().translate(_WRITTEN))
    plain = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    spaced = "".join(" " if sign in delimiters or sign.isspace() else sign for sign in plain)
    if not BASIC.issuperset(spaced):
        raise Incomplete("a sign that X12 does not have", code="character", source="ASC X12.6 3.3.1")
    return " ".join(spaced.split())


def control_number(*parts: str | int, length: int = CONTROL_NUMBER_LENGTH) -> str:
    """
    Return the control number of what *parts* name: the same for the same parts, in letters and digits.

    length: 12 to 20 characters; the last one checks the others (ISO 7064, MOD 37-36).
    """
    if not _SHORTEST <= length <= _LONGEST or not parts:
        raise ValueError("a control number has 12 to 20 characters and is of something")
    named = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    rest = int.from_bytes(hashlib.sha256(named.encode("utf-8")).digest())
    signs = []
    for _ in range(length - 1):
        rest, sign = divmod(rest, len(LETTERS))
        signs.append(LETTERS[sign])
    return "".join(signs) + _check_character("".join(signs))


def is_control_number(text: str) -> bool:
    """Say whether *text* is one of ours, without a slip of the pen."""
    if not _SHORTEST <= len(text) <= _LONGEST or not set(LETTERS).issuperset(text):
        return False
    return _check_character(text[:-1]) == text[-1]


def _check_character(signs: str) -> str:
    """Source: ISO 7064, the hybrid system MOD 37-36."""
    base = len(LETTERS)
    product = base
    for sign in signs:
        total = (product + LETTERS.index(sign)) % base or base
        product = total * 2 % (base + 1)
    return LETTERS[(base + 1 - product) % base]


def _named(says: Says, subject: Subject, place: Place) -> tuple[str, ...]:
    """Return what is written after the label. Raises: Incomplete where it is missing, or no UID."""
    found = {
        Says.CONTROL_NUMBER: (subject.control_number,),
        Says.ACCESSION: subject.accession_numbers,
        Says.STUDY_UID: (subject.study_instance_uid,),
    }[says]
    if not found or not all(found):
        raise Incomplete(f"there is no {says.replace('-', ' ')} to write", code="empty", where=place)
    if says is Says.STUDY_UID and not (len(found[0]) <= _UID_MAX and _UID.fullmatch(found[0])):
        raise Incomplete("what should be a UID is none", code="uid", where=place, source="PS3.5 9.1")
    return tuple(one.upper() for one in found)


def _within(text: str, place: Place) -> str:
    if len(text) > LIMITS[place]:
        raise Incomplete(f"it has more than the {LIMITS[place]} characters of its place", code="too_long", where=place)
    return text
