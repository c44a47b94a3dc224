"""Stored objects: check that a file is whole, and read what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_for_tag

from bridge.codecs.dicom import charset, header_details
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import NATIVE, PIXEL_DATA, PIXEL_DATA_ELEMENTS, UNDEFINED, Element, Event, Walk
from bridge.codecs.dicom.header_tags import (
    CHARACTER_SET,
    CODES,
    DATES,
    INTEGERS,
    ISSUER_OF_ACCESSION,
    LOOKED_AT,
    NAMES,
    OTHER_PATIENT_IDS,
    OTHER_PATIENT_IDS_SEQUENCE,
    READ_BY_RULE,
    REQUEST_ATTRIBUTES,
    REQUESTED_PROCEDURE_ID,
    SHORTS,
    TEXT,
    TIMES,
    UIDS,
    WANTED,
    WANTED_SEQUENCES,
)
from bridge.codecs.dicom.part10 import DataSetBytes, FileMeta, dataset_bytes, open_buffer, read_file_meta
from bridge.codecs.dicom.skim import Head, Items, Wanted, skim
from bridge.domain.identifiers import PatientIdentifier, check_uid
from bridge.domain.matching import normal_date, normal_integer, normal_time
from bridge.domain.repairs import Repaired, View
from bridge.domain.study import ENCAPSULATED, Header, RequestAttributes
from bridge.errors import Incomplete, Malformed

_DECODED = frozenset((*TEXT.values(), *NAMES.values()))
# Longer than any value of these has a right to be (LT, the longest, has 10,240 characters).
_MAX_VALUE_BYTES = 16_384
_MAX_ITEMS_KEPT = 100
_LO_MAX = 64
_SIGNATURES, _SIGNED = 0xFFFAFFFA, "digital_signature"
# Source: PS3.5 6.2 (IS).
_LARGEST_IS = (1 << 31) - 1
_SKIMMED = Wanted(WANTED, WANTED_SEQUENCES, _MAX_VALUE_BYTES, _MAX_ITEMS_KEPT)
_KEYWORDS = {tag: keyword_for_tag(tag) for tag in UIDS.values()}


@dataclass(slots=True)
class _Found:
    """
    What the walk brought: wanted values of the root and of the wanted sequences' items.

    read_by_rule: what takes a value's place because a site's rule says so.
    """

    big_endian: bool
    values: dict[int, bytes] = field(default_factory=dict)
    items: dict[int, Items] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    charset: CharacterSet = charset.LATIN_1
    read_by_rule: dict[int, str] = field(default_factory=dict)
    repairs: tuple[Repaired, ...] = ()
    clock_ahead_secs: int = 0
    pixel_bytes: int | None = None


def read_header(
    path: Path,
    *,
    default_charset: CharacterSet = charset.LATIN_1,
    view: View | None = None,
    head: Head | None = None,
) -> Header:
    """
    Check that the Part 10 file at *path* is whole and return what it says of itself.

    Pixels are skipped, not read. default_charset: how text is read that declares no character set. view: what its device
    writes wrongly, None for one of which nothing is known. head: spares opening the file where it holds all that is to be
    read; the answer is the same.
    Raises: Malformed (unreadable, cut short, nested too deep, not a UID), Incomplete code "missing_uid", Unsupported
    code "inflation_limit". Source: PS3.5 7, PS3.10 7.
    """
    known = None if head is None else _skimmed(head)
    if known is not None:
        meta, found = known
    else:
        with open_buffer(path) as data:
            meta = read_file_meta(data)
            found = _collect(dataset_bytes(data, meta), meta)
    _choose_charset(found, default_charset)
    if view is not None:
        _read_by_rule(found, view)
    return _header(found, meta)


def _skimmed(head: Head) -> tuple[FileMeta, _Found] | None:
    try:
        meta = read_file_meta(head.data)
    except Malformed:
        return None
    skimmed = skim(head, meta.dataset_at, meta.transfer_syntax_uid, _SKIMMED)
    if skimmed is None:
        return None
    faults = {_SIGNED} if skimmed.is_signed else set()
    return meta, _Found(False, skimmed.values, skimmed.items, faults, pixel_bytes=skimmed.pixel_bytes)


def _collect(dataset: DataSetBytes, meta: FileMeta) -> _Found:
    found = _Found(dataset.syntax.big_endian)
    walk = Walk(dataset.data, dataset.start, dataset.end, dataset.syntax, wanted=LOOKED_AT)
    sequence = 0
    for element in walk:
        if element.depth == 0 and element.event <= Event.SEQUENCE:
            if element.event is Event.SEQUENCE:
                sequence = element.tag
                _open_sequence(found, element)
            elif element.tag in WANTED:
                _keep(found.values, element, dataset)
            if element.tag in PIXEL_DATA_ELEMENTS:
                found.pixel_bytes = ENCAPSULATED if element.event is Event.SEQUENCE else element.length
            if element.tag == _SIGNATURES:
                found.faults.add(_SIGNED)
            if element.tag == PIXEL_DATA and (element.length == UNDEFINED) == (meta.transfer_syntax_uid in NATIVE):
                found.faults.add("pixel_data_form")
        elif element.depth == 1 and sequence in WANTED_SEQUENCES:
            _keep_nested(found.items[sequence], element, dataset, WANTED_SEQUENCES[sequence])
    found.faults |= walk.faults
    return found


def _open_sequence(found: _Found, element: Element) -> None:
    if element.tag in WANTED_SEQUENCES:
        if element.tag in found.items and element.tag not in header_details.WANTED_SEQUENCES:
            raise Malformed("an element stands twice", code="duplicate_element", where=keyword_for_tag(element.tag))
        found.items[element.tag] = []
    elif element.tag in WANTED - header_details.WANTED:
        raise Malformed("a sequence where a value belongs", code="garbage", where=keyword_for_tag(element.tag))
    elif element.tag == PIXEL_DATA and element.length != UNDEFINED:
        raise Malformed("pixel data written as a sequence", code="garbage", where="PixelData")


def _keep_nested(items: Items, element: Element, dataset: DataSetBytes, wanted: frozenset[int]) -> None:
    if len(items) > _MAX_ITEMS_KEPT:
        return
    if element.event is Event.ITEM:
        items.append({})
    elif element.event is Event.VALUE and element.tag in wanted:
        _keep(items[-1], element, dataset)


def _keep(values: dict[int, bytes], element: Element, dataset: DataSetBytes) -> None:
    """Two readers of a file in which an identity stands twice would see two patients: refuse it."""
    if element.tag in header_details.WANTED and (element.tag in values or element.length > _MAX_VALUE_BYTES):
        return
    if element.tag in values:
        raise Malformed("an element stands twice", code="duplicate_element", where=keyword_for_tag(element.tag))
    if element.length > _MAX_VALUE_BYTES:
        raise Malformed("a value is far too long", code="too_long", where=keyword_for_tag(element.tag))
    values[element.tag] = dataset.data[element.value_at : element.value_at + element.length]


def _choose_charset(found: _Found, default: CharacterSet) -> None:
    raw = found.values.get(CHARACTER_SET, b"")
    found.charset = charset.parse(raw) if raw.strip(b" \0") else default
    if not found.charset.is_sound:
        found.faults.add("unknown_charset")


def _read_by_rule(found: _Found, view: View) -> None:
    """Let a site's rules for the device read what it writes wrongly."""
    texts = _texts(found)
    is_declared = bool(found.values.get(CHARACTER_SET, b"").strip(b" \0"))
    rule = view.charset_for(texts, is_declared=is_declared)
    if rule is not None:
        declared, found.charset = texts, charset.parse(rule.term.encode("ascii"))
        texts = _texts(found)
        found.repairs = tuple(
            Repaired(keyword, declared[keyword], text, rule.name)
            for keyword, text in texts.items()
            if text != declared[keyword]
        )
    read, repaired = view.read(texts)
    found.read_by_rule = {READ_BY_RULE[keyword]: value for keyword, value in read.items()}
    found.repairs += repaired
    found.clock_ahead_secs = view.clock_ahead_secs(texts)


def _texts(found: _Found) -> dict[str, str]:
    """Return every value that a rule may look at as the device wrote it."""
    texts = {}
    for keyword, tag in READ_BY_RULE.items():
        raw = found.values.get(tag, b"").rstrip(b" \0")
        names = tag in NAMES.values()
        text = found.charset.decode(raw, person_name=names)[0] if tag in _DECODED else raw.decode("latin_1")
        texts[keyword] = _plain(found, text)
    requested = {
        _nested_text(found, item, REQUESTED_PROCEDURE_ID) for item in found.items.get(REQUEST_ATTRIBUTES, [])
    } - {""}
    # Of several requests none is the one that a rule may name the exam by.
    texts["RequestedProcedureID"] = requested.pop() if len(requested) == 1 else ""
    return texts


def _header(found: _Found, meta: FileMeta) -> Header:
    values = found.values
    fields: dict[str, Any] = {name: _uid(found, tag) for name, tag in UIDS.items()}
    for tag in (*values, *found.read_by_rule):
        if tag in _READERS:
            name, read = _READERS[tag]
            fields[name] = read(found, tag)
    fields["number_of_frames"] = min(max(fields.get("number_of_frames") or 1, 1), _LARGEST_IS)
    fields["specific_character_set"] = found.charset.terms if values.get(CHARACTER_SET, b"").strip(b" \0") else ()
    fields["pixel_bytes"] = found.pixel_bytes
    fields["patient_name_bytes"] = values.get(NAMES["patient_name"], b"").rstrip(b" \0")
    if found.items or OTHER_PATIENT_IDS in values:
        fields["other_patient_ids"] = _other_patient_ids(found)
        fields["issuer_of_accession_number"] = _issuer_of_accession(found)
        fields["request_attributes"] = _request_attributes(found)
    _flag(found, fields, meta)
    _tell(found, fields)
    return Header(
        transfer_syntax_uid=meta.transfer_syntax_uid,
        faults=tuple(sorted(found.faults)),
        repairs=found.repairs,
        clock_ahead_secs=found.clock_ahead_secs,
        **fields,
    )


def _tell(found: _Found, fields: dict[str, Any]) -> None:
    """Add what a chart is told; what of it cannot be read is no fault of the object's."""
    faults = set(found.faults)
    text = partial(_text_of, found)
    nested = partial(_nested_text, found)
    fields["details"] = header_details.details_of(found.values, found.items, text, nested)
    if not fields.get("content_label"):
        fields["content_label"] = header_details.title_of(found.values, found.items, text, nested)
    found.faults = faults


def _text_of(found: _Found, tag: int, person_name: bool) -> str:
    return _text(found, tag, person_name=person_name)


def _flag(found: _Found, fields: dict[str, Any], meta: FileMeta) -> None:
    """Note what was let through."""
    if not fields["specific_character_set"]:
        texts = (found.values.get(tag, b"") for tag in (*TEXT.values(), *NAMES.values()))
        if not all(text.isascii() for text in texts):
            found.faults.add("undeclared_charset")
    if len(fields.get("patient_id", "")) > _LO_MAX:
        found.faults.add("patient_id_too_long")
    if fields.get("patient_sex", "") not in ("", "M", "F", "O"):
        found.faults.add("bad_patient_sex")
    if fields["sop_instance_uid"] != meta.media_storage_sop_instance_uid:
        found.faults.add("meta_uid_differs")


def _uid(found: _Found, tag: int) -> str:
    where = _KEYWORDS[tag]
    value = found.values.get(tag, b"").decode("latin_1").strip(" \0")
    if not value:
        raise Incomplete("the data set lacks a UID", code="missing_uid", where=where, source="PS3.4 B.2.3")
    check_uid(value, where, tolerate_leading_zeros=True)
    if (value[0] == "0" or ".0" in value) and any(len(part) > 1 and part[0] == "0" for part in value.split(".")):
        found.faults.add("uid_leading_zero")
    return value


def _code(found: _Found, tag: int) -> str:
    read = found.read_by_rule.get(tag)
    return _plain(found, found.values.get(tag, b"").decode("latin_1")) if read is None else read


def _plain(found: _Found, text: str) -> str:
    """Return *text* without its padding; a NUL inside, which no value may hold, is shown as what cannot be read."""
    text = text.strip(" \0")
    if "\0" in text:
        found.faults.add("undecodable_text")
        return text.replace("\0", "\ufffd")
    return text


def _text(found: _Found, tag: int, *, person_name: bool = False) -> str:
    read = found.read_by_rule.get(tag)
    if read is not None:
        return read
    raw = found.values.get(tag, b"").rstrip(b" \0")
    text, legal = found.charset.decode(raw, person_name=person_name)
    if not legal:
        found.faults.add("undecodable_text")
    return _plain(found, text)


def _normal(found: _Found, tag: int, normal: Callable[[str], str], fault: str) -> str:
    raw = _code(found, tag)
    value = normal(raw)
    if raw and not value:
        found.faults.add(fault)
    return value


def _integer(found: _Found, tag: int) -> int | None:
    raw = _code(found, tag)
    number = normal_integer(raw) if raw else None
    if raw and number is None:
        found.faults.add("bad_integer")
    return number


def _short(found: _Found, tag: int) -> int | None:
    raw = found.values.get(tag, b"")
    if len(raw) < 2:
        return None
    return int.from_bytes(raw[:2], "big" if found.big_endian else "little")


_READERS: dict[int, tuple[str, Callable[[_Found, int], str | int | None]]] = {
    tag: (name, read)
    for tags, read in (
        (TEXT, _text),
        (NAMES, partial(_text, person_name=True)),
        (CODES, _code),
        (DATES, partial(_normal, normal=normal_date, fault="bad_date")),
        (TIMES, partial(_normal, normal=normal_time, fault="bad_time")),
        (INTEGERS, _integer),
        (SHORTS, _short),
    )
    for name, tag in tags.items()
}


def _nested_text(found: _Found, item: dict[int, bytes], tag: int) -> str:
    own = item.get(CHARACTER_SET, b"").strip(b" \0")
    text, _ = (charset.parse(own) if own else found.charset).decode(item.get(tag, b"").rstrip(b" \0"))
    return _plain(found, text)


def _other_patient_ids(found: _Found) -> tuple[PatientIdentifier, ...]:
    items = found.items.get(OTHER_PATIENT_IDS_SEQUENCE, [])
    sent = [(_nested_text(found, item, 0x00100020), _nested_text(found, item, 0x00100021)) for item in items]
    listed = [(value.strip(), "") for value in _text(found, OTHER_PATIENT_IDS).split("\\")]
    return tuple(PatientIdentifier(value, issuer) for value, issuer in dict.fromkeys(sent + listed) if value)


def _issuer_of_accession(found: _Found) -> str:
    for item in found.items.get(ISSUER_OF_ACCESSION, [])[:1]:
        return _nested_text(found, item, 0x00400031) or _nested_text(found, item, 0x00400032)
    return ""


def _request_attributes(found: _Found) -> tuple[RequestAttributes, ...]:
    return tuple(
        RequestAttributes(
            requested_procedure_id=_nested_text(found, item, 0x00401001),
            scheduled_procedure_step_id=_nested_text(found, item, 0x00400009),
            accession_number=_nested_text(found, item, 0x00080050),
            study_instance_uid=_nested_text(found, item, 0x0020000D),
        )
        for item in found.items.get(REQUEST_ATTRIBUTES, [])
        if item
    )
