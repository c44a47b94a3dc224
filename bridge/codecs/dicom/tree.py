"""A small data set as nested attributes, read by the checked walk: for command-sized data, never for stored objects."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import Element, Event, Limits, Syntax, Walk, syntax_of, vr_of
from bridge.errors import Malformed

_CHARACTER_SET = 0x00080005
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_SINGLE_TEXT_VRS = frozenset({"LT", "ST", "UR", "UT"})
_ASCII_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_PN_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One element. value: as sent. items: of a sequence its items, None for a value."""

    tag: int
    vr: str
    value: bytes = b""
    items: tuple[Node, ...] | None = None


class Node(dict[int, Attribute]):
    """A data set or sequence item: attributes by tag. character_set: its own, or the one around it."""

    character_set: CharacterSet = charset.LATIN_1
    syntax: Syntax = Syntax()

    def text(self, tag: int) -> str:
        """Return the first value of *tag* as text, up to a NUL that ends it, "" if there is none."""
        attribute = self.get(tag)
        if attribute is None or attribute.items is not None:
            return ""
        text, _ = self.character_set.decode(attribute.value.rstrip(b" \0"), person_name=vr_of(tag) == "PN")
        return text.split("\\")[0].strip(" \0").partition("\0")[0].rstrip(" ")

    def items_of(self, tag: int) -> tuple[Node, ...]:
        """Return the items of the sequence *tag*, none if it is absent."""
        attribute = self.get(tag)
        return (attribute.items or ()) if attribute else ()


def read_tree(
    data: bytes, transfer_syntax_uid: str, limits: Limits, *, default_charset: CharacterSet = charset.LATIN_1
) -> Node:
    """
    Return *data* as a tree.

    Raises: Malformed, as the walk does, or code "duplicate_element".
    """
    syntax = syntax_of(transfer_syntax_uid)
    walk = Walk(data, 0, len(data), syntax, limits)
    root = _read_node(iter(walk), data, syntax)
    _settle(root, default_charset)
    return root


def _read_node(walk: Iterator[Element], data: bytes, syntax: Syntax) -> Node:
    node = Node()
    node.syntax = syntax
    for element in walk:
        if element.event is Event.ITEM_END:
            break
        if element.tag in node:
            raise Malformed("an element stands twice", code="duplicate_element")
        if element.event is Event.SEQUENCE:
            node[element.tag] = Attribute(element.tag, "SQ", items=tuple(_read_items(walk, data, syntax)))
        elif element.tag & 0xFFFF:
            value = data[element.value_at : element.value_at + element.length]
            node[element.tag] = Attribute(element.tag, element.vr, value)
    return node


def _read_items(walk: Iterator[Element], data: bytes, syntax: Syntax) -> Iterator[Node]:
    for element in walk:
        if element.event is Event.SEQUENCE_END:
            return
        if element.event is Event.ITEM:
            yield _read_node(walk, data, syntax)


def _settle(node: Node, inherited: CharacterSet) -> None:
    """Give each item the character set it names, or the one around it. Source: PS3.5 7.5.3."""
    own = node.get(_CHARACTER_SET)
    node.character_set = charset.parse(own.value) if own and own.value.strip(b" \0") else inherited
    for attribute in node.values():
        for item in attribute.items or ():
            _settle(item, node.character_set)


def to_json(node: Node) -> dict[str, Any]:
    """Return *node* as DICOM JSON; binary values inline. Source: PS3.18 F.2."""
    return {f"{tag:08X}": _attribute_json(node, node[tag]) for tag in sorted(node) if tag != _CHARACTER_SET}


def _attribute_json(node: Node, attribute: Attribute) -> dict[str, Any]:
    vr = attribute.vr or vr_of(attribute.tag) or "UN"
    if attribute.items is not None:
        return {"vr": "SQ", "Value": [to_json(item) for item in attribute.items]} if attribute.items else {"vr": "SQ"}
    if not attribute.value:
        return {"vr": vr}
    if vr in _NUMBERS:
        return {"vr": vr, "Value": _numbers(attribute.value, vr, node.syntax.big_endian)}
    if vr not in TEXT_VRS and vr not in _ASCII_VRS:
        return {"vr": vr, "InlineBinary": base64.b64encode(attribute.value).decode("ascii")}
    text, _ = node.character_set.decode(attribute.value.rstrip(b" \0"), person_name=vr == "PN")
    values = [text] if vr in _SINGLE_TEXT_VRS else text.split("\\")
    return {"vr": vr, "Value": [_value_json(value.strip(" \0"), vr) for value in values]}


def _numbers(value: bytes, vr: str, big_endian: bool) -> list[int | float | None]:
    code = _NUMBERS[vr]
    size = struct.calcsize("=" + code)
    whole = value[: len(value) // size * size]
    numbers = struct.unpack(f"{'>' if big_endian else '<'}{len(whole) // size}{code}", whole)
    return [number if math.isfinite(number) else None for number in numbers]


def _value_json(value: str, vr: str) -> Any:
    if not value:
        return None
    if vr == "PN":
        return {name: group for name, group in zip(_PN_GROUPS, value.split("="), strict=False) if group}
    if vr in ("IS", "DS"):
        try:
            number = int(value) if vr == "IS" else float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    return value
