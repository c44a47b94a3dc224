"""What stands at the root of a data set, and which of the values that lie over it are news to it. Source: PS3.3 C.12.1.1.9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.codecs.dicom import charset, values
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import Event, Walk, vr_of
from bridge.codecs.dicom.original_attributes import Modification, date_time
from bridge.codecs.dicom.part10 import DataSetBytes
from bridge.domain.matching import normal_date
from bridge.domain.overlay import Layer
from bridge.errors import Malformed, Unsupported

CHARACTER_SET = 0x00080005
ORIGINAL_ATTRIBUTES = 0x04000561
PATIENT_NAME, PATIENT_ID, ISSUER_OF_PATIENT_ID = 0x00100010, 0x00100020, 0x00100021
QUALIFIERS, BIRTH_DATE, SEX = 0x00100024, 0x00100030, 0x00100040
ACCESSION_NUMBER, ISSUER_OF_ACCESSION = 0x00080050, 0x00080051
PROCEDURE_CODES, OTHER_PATIENT_IDS_SEQUENCE = 0x00081032, 0x00101002
REQUEST_ATTRIBUTES = 0x00400275
COERCED_AT = 0x00080015

KEYWORDS: dict[str, int] = {
    "PatientName": PATIENT_NAME,
    "PatientID": PATIENT_ID,
    "IssuerOfPatientID": ISSUER_OF_PATIENT_ID,
    "IssuerOfPatientIDQualifiersSequence": QUALIFIERS,
    "PatientBirthDate": BIRTH_DATE,
    "PatientSex": SEX,
    "AccessionNumber": ACCESSION_NUMBER,
    "IssuerOfAccessionNumberSequence": ISSUER_OF_ACCESSION,
    "StudyDescription": 0x00081030,
    "ProcedureCodeSequence": PROCEDURE_CODES,
    "ReferringPhysicianName": 0x00080090,
    "RequestingPhysician": 0x00321032,
    "RequestedProcedureDescription": 0x00321060,
    "RequestedProcedureID": 0x00401001,
    "ScheduledProcedureStepID": 0x00400009,
    "AdmissionID": 0x00380010,
    "OtherPatientIDs": 0x00101000,
    "OtherPatientIDsSequence": OTHER_PATIENT_IDS_SEQUENCE,
}
SEQUENCES = frozenset({QUALIFIERS, ISSUER_OF_ACCESSION, PROCEDURE_CODES, OTHER_PATIENT_IDS_SEQUENCE})
# They stand in the item of Request Attributes and are corrected there, never added.
REQUESTED = frozenset({0x00401001, 0x00400009})
_LAST_TAG = 0xFFFFFFFF
_ISSUER_NAMES = frozenset({0x00400031, 0x00400032})
_CODE_PARTS = (0x00080100, 0x00080104, 0x00080102)
_NESTED = {ISSUER_OF_ACCESSION: _ISSUER_NAMES, PROCEDURE_CODES: frozenset(_CODE_PARTS), REQUEST_ATTRIBUTES: REQUESTED}
_WANTED = frozenset({CHARACTER_SET, *KEYWORDS.values()}) - SEQUENCES


@dataclass(slots=True)
class Survey:
    """
    The root of a data set as it stands.

    spans: offsets of each element, sequences whole. texts: what an attribute says; an issuer may have two names.
    """

    character_set: CharacterSet = charset.LATIN_1
    is_declared: bool = False
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    texts: dict[int, set[str]] = field(default_factory=dict)
    item_counts: dict[int, int] = field(default_factory=dict)
    end: int = 0

    def names_request(self, tag: int) -> bool:
        """Say whether the study's one request says *tag*, so that it can be corrected there."""
        return tag in self.texts and self.item_counts.get(REQUEST_ATTRIBUTES, 0) <= 1

    def place_for(self, tag: int) -> int:
        """Return the offset where an element that is not there belongs."""
        return next((span[0] for found, span in self.spans.items() if found > tag), self.end)


def stands_already(dataset: DataSetBytes, corrections: Mapping[str, str]) -> bool:
    """
    Say whether *dataset* carries every value of *corrections* by now; only as much is read as may hold one.

    Raises: Malformed; Unsupported, code "not_correctable".
    """
    last = max((KEYWORDS.get(keyword, 0) for keyword in corrections), default=0)
    # What is to be erased is known to be absent only at the end: tags may be out of order.
    up_to = max(last, QUALIFIERS) if all(corrections.values()) else _LAST_TAG
    return not changes_of(corrections, survey(dataset, up_to))


def survey(dataset: DataSetBytes, up_to: int = _LAST_TAG) -> Survey:
    """Return what stands at the root of *dataset*. up_to: the last tag that is looked at. Raises: Malformed."""
    found, raw, nested = Survey(), dict[int, bytes](), list[tuple[int, bytes]]()
    sequence = opened_at = 0
    walk = Walk(dataset.data, dataset.start, dataset.end, dataset.syntax)
    for element in walk:
        if element.depth == 0 and element.tag > up_to:
            break
        end = element.value_at + element.length
        if element.depth == 1 and element.event is Event.ITEM:
            found.item_counts[sequence] = found.item_counts.get(sequence, 0) + 1
        elif element.depth == 1 and element.event is Event.VALUE and element.tag in _NESTED.get(sequence, ()):
            whose = sequence if sequence == ISSUER_OF_ACCESSION else element.tag
            nested.append((whose, dataset.data[element.value_at : end]))
        elif element.depth == 0 and element.event is Event.SEQUENCE:
            sequence, opened_at = element.tag, element.at
        elif element.depth == 0 and element.event is Event.SEQUENCE_END:
            found.spans[element.tag] = (opened_at, element.value_at)
        elif element.depth == 0 and element.event is Event.VALUE:
            found.spans[element.tag] = (element.at, end)
            if element.tag in _WANTED:
                raw[element.tag] = dataset.data[element.value_at : end]
    found.end = walk.ended_at
    _decode(found, raw, nested)
    return found


def _decode(found: Survey, raw: dict[int, bytes], nested: list[tuple[int, bytes]]) -> None:
    declared = raw.pop(CHARACTER_SET, b"").strip(b" \0")
    found.is_declared = bool(declared)
    found.character_set = charset.parse(declared) if declared else charset.LATIN_1
    for tag, value in (*raw.items(), *nested):
        text = found.character_set.decode(value, person_name=vr_of(tag) == "PN")[0].strip(" \0")
        found.texts.setdefault(tag, set()).add(text)
    if found.item_counts.get(PROCEDURE_CODES) == 1:
        parts = (next(iter(found.texts.get(tag, {""}))) for tag in _CODE_PARTS)
        found.texts[PROCEDURE_CODES] = {"^".join(parts)}


def changes_of(corrections: Mapping[str, str], stands: Survey) -> dict[int, str]:
    """
    Return what really changes, by tag.

    A new number makes the old issuer's qualifiers wrong, so they go where none are given.
    Raises: Unsupported, code "not_correctable", for any other keyword.
    """
    if unknown := sorted(set(corrections) - set(KEYWORDS)):
        raise Unsupported("not an attribute that is corrected", code="not_correctable", where=unknown[0])
    changes: dict[int, str] = {}
    for keyword, value in corrections.items():
        tag = KEYWORDS[keyword]
        texts = stands.texts.get(tag, {""})
        if tag in REQUESTED and not stands.names_request(tag):
            continue
        if tag in SEQUENCES and not value and tag in stands.spans:
            changes[tag] = ""
        elif value not in texts and not _says(texts, tag, cleaned := _clean(tag, value)):
            changes[tag] = cleaned
    if changes.keys() & {PATIENT_ID, ISSUER_OF_PATIENT_ID} and QUALIFIERS in stands.spans:
        changes.setdefault(QUALIFIERS, "")
    return changes


def cleaned(keyword: str, value: str) -> str:
    """
    Return *value* as it would leave in the attribute *keyword*.

    Raises: Malformed, if its VR cannot hold it; Unsupported, code "not_correctable".
    """
    tag = KEYWORDS.get(keyword)
    if tag is None:
        raise Unsupported("not an attribute that is corrected", code="not_correctable", where=keyword)
    if tag == BIRTH_DATE and value and not normal_date(value):
        raise Malformed("not a date", code="bad_date", where=keyword, source="PS3.5 6.2")
    if tag == PROCEDURE_CODES and value:
        _check_code(value, keyword)
    return _clean(tag, value)


def _check_code(value: str, keyword: str) -> None:
    parts = value.split("^")
    if len(parts) != len(_CODE_PARTS) or not all(parts):
        raise Malformed("write CODE^MEANING^SCHEME", code="bad_code", where=keyword, source="PS3.3 8.8")
    for tag, part in zip(_CODE_PARTS, parts, strict=True):
        values.identifier(tag, part, keyword)


@dataclass(frozen=True, slots=True)
class Changes:
    """What really changes, by tag, and which of *modifications* each change is part of."""

    values: dict[int, str]
    owners: dict[int, int]
    modifications: tuple[Modification, ...]


def planned(layers: Sequence[Layer], stands: Survey, modifying_system: str) -> Changes:
    """
    Return what *layers* change in a data set that stands so; of two values for one attribute the later one counts.

    Raises: as `changes_of`.
    """
    values: dict[int, str] = {}
    owners: dict[int, int] = {}
    for place, layer in enumerate(layers):
        for tag, value in changes_of(layer.values, stands).items():
            values[tag], owners[tag] = value, place
    if values:
        last = max(owners.values())
        values[COERCED_AT], owners[COERCED_AT] = date_time(layers[last].at), last
    modifications = tuple(Modification(layer.at, modifying_system, layer.reason) for layer in layers)
    return Changes(values, owners, modifications)


def _says(texts: set[str], tag: int, value: str) -> bool:
    """Say whether *value* is among *texts*; the empty components that end a name say nothing. Source: PS3.5 6.2.1."""
    if vr_of(tag) != "PN":
        return value in texts
    return value in {"=".join(group.rstrip("^ ") for group in text.split("=")).rstrip("=") for text in texts}


def _clean(tag: int, value: str) -> str:
    if vr_of(tag) == "PN":
        return values.person_name(value).decode("utf-8")
    if tag == BIRTH_DATE:
        return normal_date(value)
    if tag in SEQUENCES:
        return value.strip()
    keyword = next(keyword for keyword, known in KEYWORDS.items() if known == tag)
    return values.identifier(tag, value, keyword).decode("utf-8")
