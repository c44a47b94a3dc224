"""Where a correction touches an encoded data set: at the root, in nested copies, in the record of what was replaced.

Source: PS3.3 C.12.1.1.9 (Original Attributes), PS3.5 7.5.3 (character sets of items).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.codecs.dicom import charset, values
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.edits import Edit, ElementWriter
from bridge.codecs.dicom.elements import UNDEFINED, Element, Event, Syntax, Walk, vr_of
from bridge.codecs.dicom.original_attributes import Modification, OldValue, modification_item
from bridge.codecs.dicom.part10 import DataSetBytes
from bridge.domain.identifiers import is_oid
from bridge.domain.matching import normal_date
from bridge.errors import Unsupported

CHARACTER_SET = 0x00080005
ORIGINAL_ATTRIBUTES = 0x04000561
PATIENT_NAME, PATIENT_ID, ISSUER_OF_PATIENT_ID = 0x00100010, 0x00100020, 0x00100021
QUALIFIERS, BIRTH_DATE, SEX = 0x00100024, 0x00100030, 0x00100040
ACCESSION_NUMBER, ISSUER_OF_ACCESSION = 0x00080050, 0x00080051
_REQUEST_ATTRIBUTES = 0x00400275
_PERSON_NAME = 0x0040A123
# Other numbers of the patient stay what they are, and so does what earlier modifications replaced.
_UNTOUCHED_SEQUENCES = frozenset({0x00101002, ORIGINAL_ATTRIBUTES})
_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_MAX_OLD_BYTES = 16 << 20

KEYWORDS: dict[str, int] = {
    "PatientName": PATIENT_NAME,
    "PatientID": PATIENT_ID,
    "IssuerOfPatientID": ISSUER_OF_PATIENT_ID,
    "IssuerOfPatientIDQualifiersSequence": QUALIFIERS,
    "PatientBirthDate": BIRTH_DATE,
    "PatientSex": SEX,
    "AccessionNumber": ACCESSION_NUMBER,
    "IssuerOfAccessionNumberSequence": ISSUER_OF_ACCESSION,
}
_SEQUENCES = frozenset({QUALIFIERS, ISSUER_OF_ACCESSION})
_ISSUER_NAMES = frozenset({0x00400031, 0x00400032})
_WANTED = frozenset({CHARACTER_SET, *KEYWORDS.values()}) - _SEQUENCES
_FOLLOW_THE_PERSON = frozenset({ISSUER_OF_PATIENT_ID, BIRTH_DATE, SEX})


class DoesNotFit(Exception):
    """A new value has no place in the data set's character set: it must become UTF-8."""


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

    def place_for(self, tag: int) -> int:
        """Return the offset where an element that is not there belongs."""
        return next((span[0] for found, span in self.spans.items() if found > tag), self.end)


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


def stands_already(dataset: DataSetBytes, corrections: Mapping[str, str]) -> bool:
    """
    Say whether *dataset* carries every value of *corrections* by now; only as much is read as may hold one.

    Raises: Malformed; Unsupported, code "not_correctable".
    """
    return not changes_of(corrections, survey(dataset, up_to=max(KEYWORDS.values())))


def survey(dataset: DataSetBytes, up_to: int = 0xFFFFFFFF) -> Survey:
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
        elif element.depth == 1 and sequence in _SEQUENCES and element.tag in _ISSUER_NAMES:
            nested.append((sequence, dataset.data[element.value_at : end]))
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
        text = found.character_set.decode(value, person_name=tag == PATIENT_NAME)[0].strip(" \0")
        found.texts.setdefault(tag, set()).add(text)


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
        if value not in texts and not _says(texts, tag, cleaned := _clean(tag, value)):
            changes[tag] = cleaned
    if changes.keys() & {PATIENT_ID, ISSUER_OF_PATIENT_ID} and QUALIFIERS in stands.spans:
        changes.setdefault(QUALIFIERS, "")
    return changes


def _says(texts: set[str], tag: int, value: str) -> bool:
    """Say whether *value* is among *texts*; the empty components that end a name say nothing. Source: PS3.5 6.2.1."""
    if tag != PATIENT_NAME:
        return value in texts
    return value in {"=".join(group.rstrip("^ ") for group in text.split("=")).rstrip("=") for text in texts}


def _clean(tag: int, value: str) -> str:
    if tag == PATIENT_NAME:
        return values.person_name(value).decode("utf-8")
    if tag == BIRTH_DATE:
        return normal_date(value)
    if tag in _SEQUENCES:
        return value.strip()
    keyword = next(keyword for keyword, known in KEYWORDS.items() if known == tag)
    return values.identifier(tag, value, keyword).decode("utf-8")


class Replacer:
    """
    Plans the edits of one data set.

    to_utf8: rewrite every text of the data set in ISO_IR 192.
    """

    def __init__(self, dataset: DataSetBytes, stands: Survey, changes: dict[int, str], *, to_utf8: bool) -> None:
        self._dataset = dataset
        self._stands = stands
        self._changes = changes
        self._to_utf8 = to_utf8
        self._edits: list[Edit] = []
        self._stack: list[_Open] = []
        self._touched_sequences: set[int] = set()
        self._original_delta = 0
        self._original: Element | None = None
        self._dropped: Element | None = None

    def plan(self, modification: Modification) -> list[Edit]:
        """
        Return the edits, the record of the modification included.

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
        self._record(modification)
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
            self._edit(element.at, end, self._text_element(element, new))
            if self._stack:
                self._touched_sequences.add(self._stack[0].element.tag)
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
        return len(self._stack) == 2 and sequence == _REQUEST_ATTRIBUTES and self._stands.item_counts[sequence] == 1

    def _is_replaced(self, element: Element) -> bool:
        if element.depth == 0:
            return element.tag in self._changes
        in_item = element.tag == ISSUER_OF_ACCESSION and self._stack[-1].has_new_accession
        return in_item and element.tag in self._changes

    def _replace_sequence(self, element: Element, end: int) -> None:
        self._edit(element.at, end, self._issuer_sequence(element.tag, self._outer_writer(element)))
        if self._stack:
            self._touched_sequences.add(self._stack[0].element.tag)

    def _issuer_sequence(self, tag: int, writer: ElementWriter) -> bytes:
        """Return the issuer as a sequence of one item, b"" for none: it is optional. Source: PS3.3 10.14, 10.15."""
        issuer = self._changes[tag]
        if not issuer:
            return b""
        content = writer.element(0x00400031, "UT", self._encoded(issuer))
        if is_oid(issuer):
            content = writer.element(0x00400032, "UT", issuer.encode("ascii")) + writer.element(
                0x00400033, "CS", b"ISO"
            )
        return writer.sequence(tag, [content])

    def _insert_missing(self) -> None:
        if self._to_utf8 and CHARACTER_SET not in self._stands.spans:
            element = self._root_writer.element(CHARACTER_SET, "CS", charset.UTF8.value)
            self._insert(self._stands.place_for(CHARACTER_SET), element)
        for tag in sorted(self._changes.keys() - self._stands.spans.keys()):
            if tag in _SEQUENCES:
                self._insert(self._stands.place_for(tag), self._issuer_sequence(tag, self._root_writer))
            else:
                text = self._encoded(self._changes[tag], person_name=tag == PATIENT_NAME)
                self._insert(self._stands.place_for(tag), self._root_writer.element(tag, vr_of(tag), text))

    def _record(self, modification: Modification) -> None:
        """Append the item that says what was replaced; earlier ones stay."""
        tags = self._changes.keys() | self._touched_sequences
        if PATIENT_ID in tags:
            tags |= {ISSUER_OF_PATIENT_ID}
        if self._to_utf8:
            tags |= {CHARACTER_SET}
        old = [self._old_value(tag) for tag in tags]
        if sum(len(value.encoded) for value in old) > _MAX_OLD_BYTES:
            raise Unsupported("the replaced values are too large to keep", code="old_values_too_large")
        if self._original is None:
            item = modification_item(self._root_writer, modification, old)
            sequence = self._root_writer.sequence(ORIGINAL_ATTRIBUTES, [item])
            self._insert(self._stands.place_for(ORIGINAL_ATTRIBUTES), sequence)
            return
        writer = self._writer(self._original)
        item = writer.item(modification_item(writer, modification, old))
        end = self._stands.spans[ORIGINAL_ATTRIBUTES][1]
        if self._original.length == UNDEFINED:
            self._insert(end - 8, item)
        else:
            self._insert(end, item)
            self._set_length(self._original, self._original.length + self._original_delta + len(item))

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

    def _text_element(self, element: Element, text: str) -> bytes:
        vr = vr_of(element.tag)
        return self._writer(element).element(element.tag, vr, self._encoded(text, person_name=vr == "PN"))

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
