"""Where a correction touches an encoded data set: at the root, in nested copies, in the record of what was replaced.

Source: PS3.3 C.12.1.1.9 (Original Attributes), PS3.5 7.5.3 (character sets of items).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.edits import Edit, ElementWriter
from bridge.codecs.dicom.elements import UNDEFINED, Element, Event, Syntax, Walk, vr_of
from bridge.codecs.dicom.original_attributes import Modification, OldValue, modification_item
from bridge.codecs.dicom.part10 import DataSetBytes
from bridge.codecs.dicom.survey import (
    ACCESSION_NUMBER,
    BIRTH_DATE,
    CHARACTER_SET,
    COERCED_AT,
    ISSUER_OF_ACCESSION,
    ISSUER_OF_PATIENT_ID,
    ORIGINAL_ATTRIBUTES,
    PATIENT_ID,
    PATIENT_NAME,
    PROCEDURE_CODES,
    REQUEST_ATTRIBUTES,
    REQUESTED,
    SEQUENCES,
    SEX,
    Changes,
    Survey,
)
from bridge.domain.identifiers import is_oid
from bridge.errors import Unsupported

_PERSON_NAME = 0x0040A123
# Other numbers of the patient stay what they are, and so does what earlier modifications replaced.
_UNTOUCHED_SEQUENCES = frozenset({0x00101002, ORIGINAL_ATTRIBUTES})
_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_MAX_OLD_BYTES = 16 << 20
_FOLLOW_THE_PERSON = frozenset({ISSUER_OF_PATIENT_ID, BIRTH_DATE, SEX})


class DoesNotFit(Exception):
    """A new value has no place in the data set's character set: it must become UTF-8."""


@dataclass(slots=True)
class _Open:
    """
    A sequence or item that the walk is in.

    is_the_person: this item repeats the old name or number. has_new_accession: its accession number was replaced.
    """

    element: Element
    character_set: CharacterSet
    delta: int = 0
    is_the_person: bool = False
    has_new_accession: bool = False


class Replacer:
    """
    Plans the edits of one data set.

    to_utf8: rewrite every text of the data set in ISO_IR 192.
    """

    def __init__(self, dataset: DataSetBytes, stands: Survey, changes: Changes, *, to_utf8: bool) -> None:
        self._dataset = dataset
        self._stands = stands
        self._changes = changes.values
        self._owners = changes.owners
        self._modifications = changes.modifications
        self._to_utf8 = to_utf8
        self._edits: list[Edit] = []
        self._stack: list[_Open] = []
        self._touched: dict[int, int] = {}
        self._original_delta = 0
        self._original: Element | None = None
        self._dropped: Element | None = None

    def plan(self) -> list[Edit]:
        """
        Return the edits, the record of the modifications included.

        Raises: DoesNotFit, unless to_utf8; Unsupported, if old values are too large to keep.
        """
        for element in Walk(self._dataset.data, self._dataset.start, self._dataset.end, self._dataset.syntax):
            if self._dropped is not None:
                if element.event is Event.SEQUENCE_END and element.depth == self._dropped.depth:
                    self._replace_sequence(self._dropped, element.value_at)
                    self._dropped = None
                continue
            if element.event is Event.VALUE:
                self._value(element)
            elif element.event in (Event.SEQUENCE, Event.ITEM):
                self._enter(element)
            elif element.event is not Event.FRAGMENT:
                self._leave()
        self._insert_missing()
        self._record()
        return self._edits

    def _enter(self, element: Element) -> None:
        if element.event is Event.SEQUENCE and self._is_replaced(element):
            self._dropped = element
            return
        around = self._stack[-1].character_set if self._stack else self._stands.character_set
        self._stack.append(_Open(element, around))

    def _leave(self) -> None:
        """Close an item or sequence; a defined length takes what its content grew by."""
        closed = self._stack.pop()
        if not self._stack and closed.element.tag == ORIGINAL_ATTRIBUTES:
            self._original, self._original_delta = closed.element, closed.delta
            return
        if closed.delta and closed.element.length != UNDEFINED:
            self._set_length(closed.element, closed.element.length + closed.delta)
        if self._stack:
            self._stack[-1].delta += closed.delta

    def _set_length(self, element: Element, length: int) -> None:
        self._edits.append(Edit(element.value_at - 4, element.value_at, self._writer(element).length(length)))

    def _value(self, element: Element) -> None:
        tag, end = element.tag, element.value_at + element.length
        if tag & 0xFFFF == 0:
            # Group lengths are retired and would be wrong now (PS3.5 7.2).
            self._edit(element.at, end, b"")
            return
        new = self._changes.get(tag) if element.depth == 0 else self._nested_change(element)
        if new is not None:
            self._edit(element.at, end, self._encoded_as(tag, new, self._writer(element)))
            if self._stack:
                self._touch(PATIENT_NAME if tag == _PERSON_NAME else tag)
        elif tag == CHARACTER_SET:
            self._character_set(element)
        elif self._to_utf8 and (element.vr in _TEXT_VRS):
            self._rewrite_text(element)

    def _character_set(self, element: Element) -> None:
        raw = self._raw(element)
        if self._stack and raw.strip(b" \0"):
            self._stack[-1].character_set = charset.parse(raw)
        if self._to_utf8:
            replacement = self._writer(element).element(CHARACTER_SET, "CS", charset.UTF8.value)
            self._edit(element.at, element.value_at + element.length, replacement)

    def _rewrite_text(self, element: Element) -> None:
        raw = self._raw(element)
        if raw.isascii() and charset.ESC not in raw:
            return
        text, _ = self._around().decode(raw.rstrip(b" \0"), person_name=element.vr == "PN")
        replacement = self._writer(element).element(element.tag, element.vr, text.encode("utf-8"))
        self._edit(element.at, element.value_at + element.length, replacement)

    def _nested_change(self, element: Element) -> str | None:
        """Return the new value of an attribute in an item, None if it stays: only what repeats the old identity goes."""
        if any(opened.element.tag in _UNTOUCHED_SEQUENCES for opened in self._stack):
            return None
        item, tag = self._stack[-1], element.tag
        if tag in REQUESTED:
            return self._changes.get(tag) if self._is_only_request() else None
        if tag in _FOLLOW_THE_PERSON:
            return self._changes.get(tag) if item.is_the_person else None
        repeated = PATIENT_NAME if tag == _PERSON_NAME else tag
        if repeated not in (PATIENT_NAME, PATIENT_ID, ACCESSION_NUMBER):
            return None
        text, _ = self._around().decode(self._raw(element).rstrip(b" \0"), person_name=repeated == PATIENT_NAME)
        text = text.strip(" \0").rstrip("^")
        is_old = text != "" and text in {old.rstrip("^") for old in self._stands.texts.get(repeated, ())}
        item.is_the_person |= is_old and tag in (PATIENT_NAME, PATIENT_ID)
        if tag == ACCESSION_NUMBER and ACCESSION_NUMBER in self._changes:
            item.has_new_accession = is_old = is_old or self._is_only_request()
        return self._changes.get(repeated) if is_old else None

    def _is_only_request(self) -> bool:
        """Say whether the item is the study's one Request Attributes item: then its number is this exam's, right or wrong."""
        sequence = self._stack[0].element.tag
        return len(self._stack) == 2 and sequence == REQUEST_ATTRIBUTES and self._stands.item_counts[sequence] == 1

    def _is_replaced(self, element: Element) -> bool:
        if element.depth == 0:
            return element.tag in self._changes
        in_item = element.tag == ISSUER_OF_ACCESSION and self._stack[-1].has_new_accession
        return in_item and element.tag in self._changes

    def _replace_sequence(self, element: Element, end: int) -> None:
        writer = self._outer_writer(element)
        self._edit(element.at, end, self._encoded_as(element.tag, self._changes[element.tag], writer))
        if self._stack:
            self._touch(element.tag)

    def _sequence(self, tag: int, writer: ElementWriter) -> bytes:
        """Return a sequence of one item, b"" for none: all of them are optional."""
        value = self._changes[tag]
        if not value:
            return b""
        item = self._code_item(value, writer) if tag == PROCEDURE_CODES else self._issuer_item(value, writer)
        return writer.sequence(tag, [item])

    def _issuer_item(self, issuer: str, writer: ElementWriter) -> bytes:
        """Return an item that names an issuer. Source: PS3.3 10.14, 10.15."""
        content = writer.element(0x00400031, "UT", self._encoded(issuer))
        if is_oid(issuer):
            content = writer.element(0x00400032, "UT", issuer.encode("ascii")) + writer.element(
                0x00400033, "CS", b"ISO"
            )
        return content

    def _code_item(self, value: str, writer: ElementWriter) -> bytes:
        """Return an item of "CODE^MEANING^SCHEME". Source: PS3.3 8.8."""
        code, meaning, scheme = (self._encoded(part) for part in value.split("^"))
        return (
            writer.element(0x00080100, "SH", code)
            + writer.element(0x00080102, "SH", scheme)
            + writer.element(0x00080104, "LO", meaning)
        )

    def _insert_missing(self) -> None:
        if self._to_utf8 and CHARACTER_SET not in self._stands.spans:
            element = self._root_writer.element(CHARACTER_SET, "CS", charset.UTF8.value)
            self._insert(self._stands.place_for(CHARACTER_SET), element)
        for tag in sorted(self._changes.keys() - self._stands.spans.keys() - REQUESTED):
            self._insert(self._stands.place_for(tag), self._encoded_as(tag, self._changes[tag], self._root_writer))

    def _record(self) -> None:
        """Append an item for each modification that says what it replaced; earlier ones stay."""
        items: list[tuple[Modification, list[OldValue]]] = []
        for place, modification in enumerate(self._modifications):
            tags = {tag for owners in (self._owners, self._touched) for tag, owner in owners.items() if owner == place}
            if PATIENT_ID in tags:
                tags |= {ISSUER_OF_PATIENT_ID}
            if self._to_utf8 and not items:
                tags |= {CHARACTER_SET}
            if COERCED_AT not in self._stands.spans:
                tags -= {COERCED_AT}
            if tags - {CHARACTER_SET}:
                items.append((modification, [self._old_value(tag) for tag in tags]))
        if sum(len(value.encoded) for _, old in items for value in old) > _MAX_OLD_BYTES:
            raise Unsupported("the replaced values are too large to keep", code="old_values_too_large")
        if self._original is None:
            writer = self._root_writer
            sequence = writer.sequence(ORIGINAL_ATTRIBUTES, [modification_item(writer, *item) for item in items])
            self._insert(self._stands.place_for(ORIGINAL_ATTRIBUTES), sequence)
            return
        writer = self._writer(self._original)
        added = b"".join(writer.item(modification_item(writer, *item)) for item in items)
        end = self._stands.spans[ORIGINAL_ATTRIBUTES][1]
        if self._original.length == UNDEFINED:
            self._insert(end - 8, added)
        else:
            self._insert(end, added)
            self._set_length(self._original, self._original.length + self._original_delta + len(added))

    def _touch(self, tag: int) -> None:
        """Note that *tag* changed inside a sequence: the whole of it, as it was, is part of the modification."""
        sequence, owner = self._stack[0].element.tag, self._owners[tag]
        self._touched[sequence] = min(owner, self._touched.get(sequence, owner))

    def _old_value(self, tag: int) -> OldValue:
        vr = vr_of(tag)
        span = self._stands.spans.get(tag)
        if span is None:
            return OldValue(tag, vr)
        encoded = self._dataset.data[span[0] : span[1]]
        value = b"" if vr == "SQ" else next(self._values_in(span))
        known = self._stands.character_set if self._stands.is_declared else None
        return OldValue(tag, vr, value, encoded, known)

    def _values_in(self, span: tuple[int, int]) -> Iterator[bytes]:
        for element in Walk(self._dataset.data, *span, self._dataset.syntax):
            yield self._raw(element)

    def _insert(self, at: int, encoded: bytes) -> None:
        self._edits.append(Edit(at, at, encoded))

    def _edit(self, start: int, end: int, replacement: bytes) -> None:
        edit = Edit(start, end, replacement)
        self._edits.append(edit)
        if self._stack:
            self._stack[-1].delta += edit.delta

    def _around(self) -> CharacterSet:
        return self._stack[-1].character_set if self._stack else self._stands.character_set

    def _raw(self, element: Element) -> bytes:
        return self._dataset.data[element.value_at : element.value_at + element.length]

    def _encoded_as(self, tag: int, value: str, writer: ElementWriter) -> bytes:
        """Return the element *tag* as the standard has it, whatever stood in its place."""
        if tag in SEQUENCES:
            return self._sequence(tag, writer)
        vr = vr_of(tag)
        return writer.element(tag, vr, self._encoded(value, person_name=vr == "PN"))

    def _encoded(self, text: str, *, person_name: bool = False) -> bytes:
        if self._to_utf8 or text.isascii():
            return text.encode("utf-8")
        around = self._around()
        if not around.is_sound or not self._stands.is_declared or not around.fits(text, person_name=person_name):
            raise DoesNotFit
        return around.encode(text, person_name=person_name)

    @property
    def _root_writer(self) -> ElementWriter:
        return ElementWriter(self._dataset.syntax)

    def _writer(self, element: Element) -> ElementWriter:
        return ElementWriter(Syntax(implicit=element.implicit, big_endian=self._dataset.syntax.big_endian))

    def _outer_writer(self, element: Element) -> ElementWriter:
        """Return the writer of what is around a sequence: one of VR UN is implicit only inside."""
        return self._writer(self._stack[-1].element) if self._stack else self._root_writer
