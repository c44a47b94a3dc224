"""A copy of an object under other UIDs, wherever it or its like are named; what they were stands in the copy.

The original is never touched, and everything that names none of the UIDs stays byte for byte as acquired.
Source: PS3.3 C.12.1.1.9, PS3.4 B.4.1.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bridge.codecs.dicom.edits import Edit, ElementWriter, apply_edits, copy_range
from bridge.codecs.dicom.elements import UNDEFINED, Element, Event, Syntax, Walk
from bridge.codecs.dicom.original_attributes import Modification, OldValue, modification_item
from bridge.codecs.dicom.overlay import deflated
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, file_meta, open_buffer, read_file_meta
from bridge.codecs.dicom.survey import ORIGINAL_ATTRIBUTES

_OWN = frozenset({0x00080018, 0x0020000D, 0x0020000E})


def renamed_copy(source: Path, target: Path, uids: Mapping[str, str], modification: Modification) -> None:
    """
    Write *source* to *target* with every UID of *uids* replaced by its value: its own, and references at any depth.

    What an earlier modification replaced stays. The same source, UIDs and modification give the same bytes.
    Raises: Malformed, if *source* cannot be read.
    """
    with open_buffer(source) as data:
        meta = read_file_meta(data)
        dataset = dataset_bytes(data, meta)
        edits = _Renaming(dataset, uids).plan(modification)
        own = meta.media_storage_sop_instance_uid
        about = (meta.media_storage_sop_class_uid, uids.get(own, own), meta.transfer_syntax_uid)
        with source.open("rb") as original, target.open("wb") as file:
            file.write(file_meta(*about, meta.source_application_entity_title))
            if dataset.syntax.deflated:
                file.write(deflated(dataset, edits))
            else:
                copy = partial(copy_range, original, file)
                apply_edits(dataset.data, (dataset.start, dataset.end), edits, file.write, copy)


@dataclass(slots=True)
class _Open:
    """A sequence or item that the walk is in, and by how much its content grew."""

    element: Element
    delta: int = 0


@dataclass(slots=True)
class _Renaming:
    """Plans the edits of one data set."""

    dataset: DataSetBytes
    uids: Mapping[str, str]
    edits: list[Edit] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    old: list[OldValue] = field(default_factory=list)
    # Where the record of earlier modifications begins and ends, or where it belongs.
    original: Element | None = None
    original_end: int = 0
    place: int | None = None

    def plan(self, modification: Modification) -> list[Edit]:
        """Return the edits, the record of the old UIDs included."""
        walk = Walk(self.dataset.data, self.dataset.start, self.dataset.end, self.dataset.syntax)
        for element in walk:
            if element.depth == 0 and element.tag > ORIGINAL_ATTRIBUTES and self.place is None and not self.stack:
                self.place = element.at
            if element.event is Event.VALUE:
                self._value(element)
            elif element.event in (Event.SEQUENCE, Event.ITEM):
                self.stack.append(_Open(element))
            elif element.event is not Event.FRAGMENT:
                self._leave(element)
        if self.old:
            self._record(modification, walk.ended_at)
        return self.edits

    def _value(self, element: Element) -> None:
        end = element.value_at + element.length
        if element.tag & 0xFFFF == 0:
            # Group lengths are retired and would be wrong now. Source: PS3.5 7.2.
            self._edit(Edit(element.at, end, b""))
            return
        if element.vr != "UI" or (self.stack and self.stack[0].element.tag == ORIGINAL_ATTRIBUTES):
            return
        raw = bytes(self.dataset.data[element.value_at : end])
        said = raw.decode("latin-1").rstrip(" \0").split("\\")
        new = [self.uids.get(uid.strip(" \0"), uid) for uid in said]
        if new == said:
            return
        if element.depth == 0 and element.tag in _OWN:
            encoded = bytes(self.dataset.data[element.at : end])
            self.old.append(OldValue(element.tag, "UI", raw, encoded, None))
        replacement = self._writer(element).element(element.tag, "UI", "\\".join(new).encode("latin-1"))
        self._edit(Edit(element.at, end, replacement))

    def _leave(self, ending: Element) -> None:
        closed = self.stack.pop()
        if not self.stack and closed.element.tag == ORIGINAL_ATTRIBUTES:
            self.original, self.original_end = closed.element, ending.at
            return
        if closed.delta and closed.element.length != UNDEFINED:
            self._set_length(closed.element, closed.element.length + closed.delta)
        if self.stack:
            self.stack[-1].delta += closed.delta

    def _record(self, modification: Modification, end: int) -> None:
        if self.original is None:
            writer = ElementWriter(self.dataset.syntax)
            sequence = writer.sequence(ORIGINAL_ATTRIBUTES, [modification_item(writer, modification, self.old)])
            at = end if self.place is None else self.place
            self.edits.append(Edit(at, at, sequence))
            return
        writer = self._writer(self.original)
        added = writer.item(modification_item(writer, modification, self.old))
        self.edits.append(Edit(self.original_end, self.original_end, added))
        if self.original.length != UNDEFINED:
            self._set_length(self.original, self.original.length + len(added))

    def _set_length(self, element: Element, length: int) -> None:
        self.edits.append(Edit(element.value_at - 4, element.value_at, self._writer(element).length(length)))

    def _edit(self, edit: Edit) -> None:
        self.edits.append(edit)
        if self.stack:
            self.stack[-1].delta += edit.delta

    def _writer(self, element: Element) -> ElementWriter:
        return ElementWriter(Syntax(implicit=element.implicit, big_endian=self.dataset.syntax.big_endian))
