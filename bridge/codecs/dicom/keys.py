"""Query identifiers: bytes to what is asked for and what is to be returned. Source: PS3.4 C.2.2, K.2.2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bridge.codecs.dicom import charset, worklist_model
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import Element, Event, Limits, Walk, syntax_of, vr_of
from bridge.domain.matching import Range, TimeRange, asks_no_name, is_universal, parse_date_range, parse_time_range
from bridge.errors import Malformed

# A query has some fifty keys; these leave room without letting an identifier become a load.
_LIMITS = Limits(depth=8, items=64)
_MAX_KEYS = 512
_MAX_VALUE_BYTES = 16_384
_TRAILING_PADDING = 0xFFFCFFFC
_ONE_VALUE_VRS = frozenset({"LT", "ST", "UR", "UT"})


@dataclass(frozen=True, slots=True)
class Key:
    """
    One element of an identifier.

    value: as sent, padding included. items: None unless it is a sequence; then the keys of its first item, () if it
    has none or an empty one, which asks for the whole sequence.
    """

    tag: int
    vr: str
    value: bytes = b""
    items: tuple[Key, ...] | None = None


@dataclass(frozen=True, slots=True)
class StudyQuery:
    """What a Study Root FIND asks. level: STUDY, SERIES or IMAGE. Fields as in `WorklistQuery`. Source: PS3.4 C.6.2."""

    level: str
    keys: tuple[Key, ...] = ()
    character_set: CharacterSet | None = None
    is_fully_supported: bool = True
    patient_id: tuple[str, ...] = ()
    issuer_of_patient_id: tuple[str, ...] = ()
    patient_name: tuple[str, ...] = ()
    birth_dates: Range | None = None
    patient_sex: tuple[str, ...] = ()
    accession_number: tuple[str, ...] = ()
    issuer_of_accession_number: tuple[str, ...] = ()
    study_instance_uid: tuple[str, ...] = ()
    study_dates: Range | None = None
    study_times: TimeRange | None = None
    study_id: tuple[str, ...] = ()
    study_description: tuple[str, ...] = ()
    referring_physician_name: tuple[str, ...] = ()
    modalities_in_study: tuple[str, ...] = ()
    sop_classes_in_study: tuple[str, ...] = ()
    series_instance_uid: tuple[str, ...] = ()
    modality: tuple[str, ...] = ()
    series_number: tuple[str, ...] = ()
    series_description: tuple[str, ...] = ()
    body_part_examined: tuple[str, ...] = ()
    laterality: tuple[str, ...] = ()
    station_name: tuple[str, ...] = ()
    series_dates: Range | None = None
    sop_instance_uid: tuple[str, ...] = ()
    sop_class_uid: tuple[str, ...] = ()
    instance_number: tuple[str, ...] = ()


_STUDY_LEVEL: dict[int, str] = {
    0x00100020: "patient_id",
    0x00100021: "issuer_of_patient_id",
    0x00100010: "patient_name",
    0x00100040: "patient_sex",
    0x00080050: "accession_number",
    0x0020000D: "study_instance_uid",
    0x00200010: "study_id",
    0x00081030: "study_description",
    0x00080090: "referring_physician_name",
    0x00080061: "modalities_in_study",
    0x00080062: "sop_classes_in_study",
}
_SERIES_LEVEL: dict[int, str] = {
    0x0020000E: "series_instance_uid",
    0x00080060: "modality",
    0x00200011: "series_number",
    0x0008103E: "series_description",
    0x00081010: "station_name",
    0x00180015: "body_part_examined",
    0x00200060: "laterality",
}
_IMAGE_LEVEL: dict[int, str] = {
    0x00080018: "sop_instance_uid",
    0x00080016: "sop_class_uid",
    0x00200013: "instance_number",
}
_LEVELS: dict[str, dict[int, str]] = {
    "STUDY": _STUDY_LEVEL,
    "SERIES": _STUDY_LEVEL | _SERIES_LEVEL,
    "IMAGE": _STUDY_LEVEL | _SERIES_LEVEL | _IMAGE_LEVEL,
}


# Said rather than asked.
_UNMATCHED_PLAIN = frozenset({0x00080005, 0x00080052})
# Answered at each level without being matched on.
_STUDY_RETURNED = frozenset({0x00080005, 0x00080052, 0x00080054, 0x00080056, 0x00201206, 0x00201208})
_SERIES_RETURNED = _STUDY_RETURNED | {0x00080031, 0x00201209}
_RETURNED = {"STUDY": _STUDY_RETURNED, "SERIES": _SERIES_RETURNED, "IMAGE": _SERIES_RETURNED | {0x00280008}}
_SPANS = frozenset({worklist_model.PATIENT_BIRTH_DATE, 0x00080020, 0x00080030})
_SERIES_DATE = 0x00080021
_ISSUER_OF_ACCESSION = 0x00080051
_ISSUER_KEYS = {0x00400031: "issuer_of_accession_number"}
# The unique keys that a query or retrieval must hold one by one. Source: PS3.4 C.4.1.2.1, C.4.2.2.1, C.6.2.
_UNIQUE = (
    ("STUDY", "study_instance_uid", "StudyInstanceUID"),
    ("SERIES", "series_instance_uid", "SeriesInstanceUID"),
    ("IMAGE", "sop_instance_uid", "SOPInstanceUID"),
)


def check_hierarchy(query: StudyQuery, *, retrieves: bool = False) -> None:
    """
    Check that *query* names everything above its level, and at its level, too, if it *retrieves*.

    Raises: Malformed (A900): relational queries are not negotiated. Source: PS3.4 C.4.1.2.1, C.4.2.2.1.
    """
    for level, name, keyword in _UNIQUE:
        if level == query.level and not retrieves:
            return
        if not getattr(query, name):
            raise Malformed("a unique key is missing", code="no_unique_key", where=keyword, source="PS3.4 C.4.1.2.1")
        if level == query.level:
            return


def named(query: StudyQuery) -> StudyQuery:
    """Return what a retrieval with *query* names: its unique keys, and nothing else. Source: PS3.4 C.4.2.2.1."""
    return StudyQuery(
        query.level,
        study_instance_uid=query.study_instance_uid,
        series_instance_uid=query.series_instance_uid,
        sop_instance_uid=query.sop_instance_uid,
    )


def to_study_query(
    identifier: bytes, transfer_syntax_uid: str, *, default_charset: CharacterSet = charset.LATIN_1
) -> StudyQuery:
    """
    Return what a Study Root Query/Retrieve identifier asks.

    Raises: Malformed (A900), if it cannot be read, or names no level, or one that the model has not.
    Source: PS3.4 C.4.1.1.3.1, C.6.2.1.
    """
    keys = read_identifier(identifier, transfer_syntax_uid)
    asked = Asked(keys, default_charset)
    level = asked.one(keys, worklist_model.QUERY_RETRIEVE_LEVEL).upper()
    if not level:
        raise Malformed("no query level", code="no_level", where="QueryRetrieveLevel", source="PS3.4 C.6.2.1")
    if level not in _LEVELS:
        raise Malformed("not a level of the Study Root model", code="bad_level", where="QueryRetrieveLevel")
    below_study = level != "STUDY"
    return StudyQuery(
        level=level,
        keys=keys,
        character_set=asked.declared,
        birth_dates=parse_date_range(asked.one(keys, worklist_model.PATIENT_BIRTH_DATE)),
        study_dates=parse_date_range(asked.one(keys, 0x00080020)),
        study_times=parse_time_range(asked.one(keys, 0x00080030)),
        series_dates=parse_date_range(asked.one(keys, _SERIES_DATE)) if below_study else None,
        is_fully_supported=all(_is_supported(key, level) for key in keys),
        **asked.fields(keys, _LEVELS[level]),
        **asked.fields(_issuer_keys(keys), _ISSUER_KEYS),
    )


def _issuer_keys(keys: Iterable[Key]) -> tuple[Key, ...]:
    return next((key.items or () for key in keys if key.tag == _ISSUER_OF_ACCESSION), ())


def _is_supported(key: Key, level: str) -> bool:
    """Say whether a key is one that we answer at *level*, and match on where it asks something."""
    if key.tag == _ISSUER_OF_ACCESSION:
        return all(item.tag in _ISSUER_KEYS for item in key.items or ())
    if key.tag in _LEVELS[level] or key.tag in _SPANS or (key.tag == _SERIES_DATE and level != "STUDY"):
        return True
    is_shown = key.tag in _RETURNED[level]
    return is_shown and (key.tag in _UNMATCHED_PLAIN or not key.value.strip(b" \0*"))


def read_identifier(identifier: bytes, transfer_syntax_uid: str) -> tuple[Key, ...]:
    """
    Return the keys of an identifier, in tag order, without group lengths and padding.

    Raises: Malformed, if it is no data set, is empty, or holds more than a query can need.
    """
    walk = Walk(identifier, 0, len(identifier), syntax_of(transfer_syntax_uid), _LIMITS)
    keys = _read_keys(iter(walk), identifier, _Count())
    if not keys:
        raise Malformed("an identifier without keys", code="no_keys", source="PS3.4 C.2.2.1.1")
    return keys


class _Count:
    """How many keys one identifier has brought so far."""

    def __init__(self) -> None:
        self.keys = 0

    def another(self) -> None:
        self.keys += 1
        if self.keys > _MAX_KEYS:
            raise Malformed("more keys than a query can need", code="too_many_keys")


def _read_keys(walk: Iterator[Element], data: bytes, count: _Count) -> tuple[Key, ...]:
    """Read the keys of one data set, up to its end. Nested at most as deep as _LIMITS allow."""
    keys: dict[int, Key] = {}
    for element in walk:
        if element.event is Event.ITEM_END:
            break
        if element.event is Event.FRAGMENT or (element.event is Event.VALUE and element.length > _MAX_VALUE_BYTES):
            raise Malformed("not a query key", code="bad_key")
        count.another()
        if element.event is Event.SEQUENCE:
            key = Key(element.tag, "SQ", items=_read_items(walk, data, count))
        else:
            key = Key(element.tag, element.vr, data[element.value_at : element.value_at + element.length])
        if element.tag & 0xFFFF and element.tag != _TRAILING_PADDING:
            keys.setdefault(element.tag, key)
    return tuple(keys[tag] for tag in sorted(keys))


def _read_items(walk: Iterator[Element], data: bytes, count: _Count) -> tuple[Key, ...]:
    """Read the items of a sequence and return the first one's keys: a key has one. Source: PS3.4 C.2.2.2.6."""
    items: list[tuple[Key, ...]] = []
    for element in walk:
        if element.event is Event.SEQUENCE_END:
            break
        items.append(_read_keys(walk, data, count))
    return items[0] if items else ()


class Asked:
    """Reads the values of keys as text. declared: the character set that the identifier names, None if none."""

    def __init__(self, keys: Iterable[Key], default: CharacterSet) -> None:
        raw = next((key.value for key in keys if key.tag == worklist_model.CHARACTER_SET), b"")
        self.declared = charset.parse(raw) if raw.strip(b" \0") else None
        self._charset = self.declared or default

    def one(self, keys: Iterable[Key], tag: int) -> str:
        """Return the value of the key *tag*, "" if it is absent."""
        return next((self.text(key) for key in keys if key.tag == tag and key.items is None), "")

    def fields(self, keys: Iterable[Key], names: dict[int, str]) -> dict[str, Any]:
        """Return the query's fields that *keys* fill: every value that asks something."""
        found: dict[str, Any] = {}
        for key in keys:
            if key.tag in names and key.items is None:
                asking = tuple(value for value in self.values(key) if value)
                found[names[key.tag]] = () if any(_asks_nothing(value, key.tag) for value in asking) else asking
        return found

    def values(self, key: Key) -> list[str]:
        """Return each value of a text key; a text of lines is one, whatever it holds. Source: PS3.5 6.2, 6.4."""
        text = self._decoded(key)
        return [_plain(value) for value in ([text] if vr_of(key.tag) in _ONE_VALUE_VRS else text.split("\\"))]

    def text(self, key: Key) -> str:
        """Return the value of *key* as one text."""
        return _plain(self._decoded(key))

    def _decoded(self, key: Key) -> str:
        text, _ = self._charset.decode(key.value.rstrip(b" \0"), person_name=vr_of(key.tag) == "PN")
        return text


def _plain(value: str) -> str:
    """Return a value without padding; some devices leave old bytes behind the NUL that ends it."""
    return value.strip(" \0").partition("\0")[0].rstrip(" ")


def _asks_nothing(value: str, tag: int) -> bool:
    return asks_no_name(value) if vr_of(tag) == "PN" else is_universal(value)
