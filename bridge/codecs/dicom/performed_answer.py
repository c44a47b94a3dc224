"""A performed step as an N-GET answers it, put together from everything its device sent; and the attributes of a refusal."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from bridge.codecs.dicom.elements import (
    IMPLICIT_LITTLE,
    ITEM,
    SHORT_LENGTH_VRS,
    vr_of,
)
from bridge.codecs.dicom.performed import FIXED, read_attributes
from bridge.codecs.dicom.tree import TEXT_VRS, Attribute, Node
from bridge.domain.performed import AttributeList

_CHARACTER_SET = 0x00080005
_UTF_8 = b"ISO_IR 192"
_SHORT_MAX = 0xFFFF


def whole(
    said: Sequence[AttributeList], tags: Sequence[int], transfer_syntax_uid: str
) -> tuple[bytes, tuple[int, ...]]:
    """
    Return what was said of a performed step, an N-CREATE first, and which of *tags* it has not.

    tags: the attributes asked for, none for all. Values stay byte for byte as they were sent, unless one message wrote
    in another character set than the next: then all are in ISO_IR 192. Source: PS3.7 10.1.2, PS3.4 F.7.2.2.2.
    """
    parts = [read_attributes(one) for one in said]
    writer = _Writer(transfer_syntax_uid == IMPLICIT_LITTLE, recode=len({_sets(part) for part in parts}) > 1)
    merged = _merged(parts)
    wanted = merged if not tags else {tag: merged[tag] for tag in (*tags, _CHARACTER_SET) if tag in merged}
    return writer.data_set(wanted), tuple(tag for tag in tags if tag not in merged)


def _sets(part: Node) -> bytes:
    own = part.get(_CHARACTER_SET)
    return own.value.strip(b" \0") if own is not None else b""


def _merged(parts: Sequence[Node]) -> dict[int, tuple[Attribute, Node]]:
    """Lay each N-SET over what stood before: a sequence as a whole, what it may not change not at all."""
    merged: dict[int, tuple[Attribute, Node]] = {}
    for number, part in enumerate(parts):
        for tag, attribute in part.items():
            if number == 0 or tag not in FIXED:
                merged[tag] = (attribute, part)
    return merged


class _Writer:
    """Writes attributes that were read, little endian. recode: text in ISO_IR 192, whatever it came in."""

    def __init__(self, implicit: bool, *, recode: bool) -> None:
        self._implicit = implicit
        self._recode = recode

    def data_set(self, attributes: dict[int, tuple[Attribute, Node]]) -> bytes:
        """Return *attributes*, each with the data set that says its character set."""
        parts = [(_CHARACTER_SET, self._element(_CHARACTER_SET, "CS", _UTF_8))] if self._recode else []
        for tag, (attribute, around) in attributes.items():
            if tag != _CHARACTER_SET or not self._recode:
                parts.append((tag, self._attribute(attribute, around)))
        return b"".join(encoded for _, encoded in sorted(parts))

    def _attribute(self, attribute: Attribute, around: Node) -> bytes:
        vr = attribute.vr or vr_of(attribute.tag) or "UN"
        if attribute.items is not None:
            return self._element(attribute.tag, "SQ", b"".join(self._item(item) for item in attribute.items))
        value = attribute.value
        if self._recode and vr in TEXT_VRS:
            text, _ = around.character_set.decode(value.rstrip(b" \0"), person_name=vr == "PN")
            value = text.encode("utf-8", "replace")
        return self._element(attribute.tag, vr, value)

    def _item(self, item: Node) -> bytes:
        kept = [tag for tag in sorted(item) if not (self._recode and tag == _CHARACTER_SET)]
        body = b"".join(self._attribute(item[tag], item) for tag in kept)
        return struct.pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, len(body)) + body

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        group, number = tag >> 16, tag & 0xFFFF
        value += (b"\0" if vr in ("UI", "UN", "OB") else b" ") * (len(value) % 2)
        if self._implicit:
            return struct.pack("<HHL", group, number, len(value)) + value
        if vr in SHORT_LENGTH_VRS and len(value) <= _SHORT_MAX:
            return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value
        code = b"UN" if vr in SHORT_LENGTH_VRS else vr.encode()
        return struct.pack("<HH2sHL", group, number, code, 0, len(value)) + value


def attribute_list(root: Node, tags: Iterable[int], transfer_syntax_uid: str, *, values: bool) -> bytes:
    """
    Return the attributes *tags* as an answer carries them: which were missing a value, or what was wrong.

    values: as they were sent, else empty; sequences are named without their items. Source: PS3.7 C.5.
    """
    named = {}
    for tag in tags:
        sent = root.get(tag)
        value = sent.value if values and sent is not None else b""
        named[tag] = (Attribute(tag, vr_of(tag), value), root)
    return _Writer(transfer_syntax_uid == IMPLICIT_LITTLE, recode=False).data_set(named)
