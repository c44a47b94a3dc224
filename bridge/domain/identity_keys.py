"""The indexed values under which a patient is found; the store keeps them as rows of (patient, kind, value)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from bridge.domain.birth_dates import read_birth_date, swapped
from bridge.domain.evidence import IdentityKey, PatientRecord
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.names import NamePart, parse_name
from bridge.domain.phonetics import phonetic_key
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header

NORMALISED_ID = "normalised_id"
ID_WITHOUT_LETTER = "id_without_letter"
BIRTH_DATE = "birth_date"
LETTERS = "letters"
NATIVE_NAME = "native_name"
FAMILY_AND_YEAR = "family_and_year"
GIVEN_AND_DAY = "given_and_day"

_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Z]+")
_LETTER_AND_NUMBER = re.compile(r"([A-Z])(\d{3,})")
# A date that is nobody's still keeps its year for the phonetic index.
_NO_PLACEHOLDERS: frozenset[str] = frozenset()


def identity_keys(record: PatientRecord) -> tuple[IdentityKey, ...]:
    """
    Return every key of *record*: of its present and earlier values and of the records merged into it.

    The answer depends on no site setting. Call it again whenever the record changes.
    """
    patients = (record.patient, *record.merged)
    keys = [key for patient in patients for identifier in patient.identifiers for key in _id_keys(identifier)]
    dates = [read_birth_date(date, _NO_PLACEHOLDERS) for date in record.known_birth_dates]
    keys += [IdentityKey(BIRTH_DATE, date) for date in dates if len(date) == 8]
    for name in record.known_names:
        keys += _name_keys(name, tuple(dates))
    return tuple(dict.fromkeys(keys))


def header_keys(header: Header, names: Iterable[str], rules: ReconcileRules) -> tuple[IdentityKey, ...]:
    """Return the keys under which *header*'s patient may be found by demographics. names: all its readings."""
    date = read_birth_date(header.patient_birth_date, rules.placeholder_birth_dates)
    keys = [IdentityKey(BIRTH_DATE, value) for value in (date, swapped(date)) if len(value) == 8]
    for name in names:
        keys += _name_keys(name, (date,) if date else ())
    return tuple(dict.fromkeys(keys))


def normalised_id_keys(patient_id: str, authority: str, rules: ReconcileRules) -> tuple[IdentityKey, ...]:
    """
    Return the keys under which a number that nobody holds as written may be found: separators, configured prefixes and
    suffixes, leading zeros and a facility letter do not count.

    None for a number that is well formed here: it is somebody else's, not this patient's in another spelling.
    """
    if rules.mrn_pattern and re.fullmatch(rules.mrn_pattern, patient_id.strip()):
        return ()
    keys: list[IdentityKey] = []
    for text in _bare_numbers(patient_id, rules):
        number = _loose(text)
        if not number:
            continue
        keys.append(IdentityKey(NORMALISED_ID, f"{authority}|{number}"))
        keys.append(IdentityKey(ID_WITHOUT_LETTER, f"{authority}|{number}"))
        lettered = _LETTER_AND_NUMBER.fullmatch(text)
        if lettered:
            keys.append(IdentityKey(NORMALISED_ID, f"{authority}|{_loose(lettered[2])}"))
    return tuple(dict.fromkeys(keys))


def same_number(one: str, other: str, rules: ReconcileRules) -> bool:
    """Say whether two patient numbers are one, but for their spelling."""
    numbers = [{_loose(text) for text in _bare_numbers(patient_id, rules)} for patient_id in (one, other)]
    return bool(numbers[0] & numbers[1])


def is_placeholder_id(patient_id: str, rules: ReconcileRules) -> bool:
    """Say whether *patient_id* names nobody: empty, zero, or a value that stands for "unknown" here."""
    text = patient_id.strip(" \0").upper()
    return not text.strip("0") or text in rules.placeholder_ids


def _id_keys(identifier: PatientIdentifier) -> list[IdentityKey]:
    text = _compact(identifier.patient_id)
    issuer = identifier.issuer_of_patient_id
    keys = [IdentityKey(NORMALISED_ID, f"{issuer}|{_loose(text)}")]
    lettered = _LETTER_AND_NUMBER.fullmatch(text)
    if lettered:
        keys.append(IdentityKey(ID_WITHOUT_LETTER, f"{issuer}|{_loose(lettered[2])}"))
    return keys


def _compact(text: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", text.upper())


def _loose(compacted: str) -> str:
    """Return the number without leading zeros, one of them kept if there is nothing else."""
    return compacted.lstrip("0") or compacted[:1]


def _bare_numbers(patient_id: str, rules: ReconcileRules) -> list[str]:
    text = patient_id.strip(" \0").upper()
    spellings = [text]
    for prefix in rules.id_prefixes:
        if prefix and text.startswith(prefix.upper()):
            spellings.append(text[len(prefix) :])
    for spelling in tuple(spellings):
        for suffix in rules.id_suffixes:
            if suffix and spelling.endswith(suffix.upper()):
                spellings.append(spelling[: -len(suffix)])
    return list(dict.fromkeys(_compact(spelling) for spelling in spellings))


@lru_cache(maxsize=256)
def _name_keys(name: str, dates: tuple[str, ...]) -> tuple[IdentityKey, ...]:
    parsed = parse_name(name)
    keys = [IdentityKey(NATIVE_NAME, native.whole) for native in parsed.natives]
    for reading in parsed.readings:
        letters = "".join(sorted(reading.family.letters + reading.given.letters))
        if len(letters) > 1:
            keys.append(IdentityKey(LETTERS, letters))
        for date in dates:
            keys += _phonetic_keys(reading.family, reading.given, date)
    return tuple(dict.fromkeys(keys))


def _phonetic_keys(family: NamePart, given: NamePart, date: str) -> list[IdentityKey]:
    keys = []
    if family:
        keys.append(IdentityKey(FAMILY_AND_YEAR, f"{phonetic_key(family.letters)}|{date[:4]}"))
    if given and len(date) == 8:
        keys.append(IdentityKey(GIVEN_AND_DAY, f"{phonetic_key(given.letters)}|{date[4:]}"))
    return keys
