"""Data sets as the Native DICOM Model in XML, from and to DICOM JSON. Source: PS3.19 A.1, PS3.18 F.1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from pydicom.datadict import keyword_for_tag

from bridge.codecs.dicom.elements import vr_of
from bridge.errors import Malformed

_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_WHOLE_NUMBERS = frozenset({"IS", "SL", "SS", "UL", "US", "SV", "UV"})
_NUMBERS = _WHOLE_NUMBERS | {"DS", "FL", "FD"}
_DEPTH_MAX = 16
_ILLEGAL = {code: None for code in (*range(0x20), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)) if code not in (9, 10, 13)}


def read_xml(raw: bytes) -> dict[str, Any]:
    """
    Return a Native DICOM Model as DICOM JSON.

    Raises: Malformed, if it is none, is not UTF-8, declares a document type, or nests too deep.
    """
    try:
        text = raw.decode("utf-8-sig")
        # Without a document type there are no entities that could grow or fetch.
        if "<!DOCTYPE" in text or "\0" in text:
            raise Malformed("a document type is not read", source="PS3.19 A.1")
        root = ElementTree.fromstring(text)  # noqa: S314 (what that warns of needs a document type)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError):
        raise Malformed("not XML in UTF-8", source="PS3.19 A.1") from None
    if _name(root) != "NativeDicomModel":
        raise Malformed("not a Native DICOM Model", source="PS3.19 A.1")
    return _data_set(root, 0)


def to_xml(item: Mapping[str, Any]) -> bytes:
    """Return DICOM JSON as a Native DICOM Model."""
    root = Element("NativeDicomModel", {"xmlns": _NAMESPACE, "xml:space": "preserve"})
    _fill(root, item)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _data_set(of: Element, depth: int) -> dict[str, Any]:
    if depth > _DEPTH_MAX:
        raise Malformed("nested too deep", code="too_deep")
    found: dict[str, Any] = {}
    for attribute in of:
        tag = attribute.get("tag", "").upper()
        vr = attribute.get("vr") or (vr_of(int(tag, 16)) if tag.isalnum() and len(tag) == 8 and _is_hex(tag) else "")
        if _name(attribute) != "DicomAttribute" or not vr or attribute.get("privateCreator"):
            continue
        values = _items(attribute, depth) if vr == "SQ" else _values(attribute, vr)
        found[tag] = {"vr": vr, "Value": values} if values else {"vr": vr}
    return found


def _items(attribute: Element, depth: int) -> list[Any]:
    return [_data_set(item, depth + 1) for item in _numbered(attribute, "Item")]


def _values(attribute: Element, vr: str) -> list[Any]:
    if vr == "PN":
        return [_person_name(name) for name in _numbered(attribute, "PersonName")]
    return [_value((one.text or "").strip(), vr) for one in _numbered(attribute, "Value")]


def _person_name(of: Element) -> dict[str, str]:
    found = {}
    for group in of:
        parts = {_name(part): (part.text or "").strip() for part in group}
        found[_name(group)] = "^".join(parts.get(part, "") for part in _PARTS).rstrip("^")
    return {group: found[group] for group in _GROUPS if found.get(group)}


def _value(text: str, vr: str) -> Any:
    if not text:
        return None
    if vr not in _NUMBERS:
        return text
    try:
        return int(text) if vr in _WHOLE_NUMBERS else float(text)
    except ValueError:
        raise Malformed("not a number", source="PS3.19 A.1") from None


def _numbered(of: Element, name: str) -> Iterable[Element]:
    found = [one for one in of if _name(one) == name]
    return sorted(found, key=lambda one: int(one.get("number", "0")) if one.get("number", "0").isdecimal() else 0)


def _fill(parent: Element, item: Mapping[str, Any]) -> None:
    for tag, element in sorted(item.items()):
        vr = element.get("vr", "UN")
        attribute = SubElement(parent, "DicomAttribute", {"tag": tag, "vr": vr} | _named(tag, item))
        if "BulkDataURI" in element:
            SubElement(attribute, "BulkData", {"uri": element["BulkDataURI"]})
        if "InlineBinary" in element:
            SubElement(attribute, "InlineBinary").text = element["InlineBinary"]
        for number, value in enumerate(element.get("Value", ()), start=1):
            _add_value(attribute, vr, str(number), value)


def _named(tag: str, item: Mapping[str, Any]) -> dict[str, str]:
    """Return an attribute's keyword, or whose private one it is. Source: PS3.19 Table A.1.5-2."""
    keyword = keyword_for_tag(int(tag, 16))
    if keyword or not int(tag[:4], 16) % 2 or int(tag[4:], 16) <= 0xFF:
        return {"keyword": keyword} if keyword else {}
    creator = item.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value") or [""]
    return {"privateCreator": _legal(str(creator[0]))} if creator[0] else {}


def _legal(text: str) -> str:
    """Return *text* without the control characters that no XML may hold. Source: XML 1.0 2.2."""
    return text.translate(_ILLEGAL)


def _add_value(attribute: Element, vr: str, number: str, value: Any) -> None:
    if vr == "SQ":
        _fill(SubElement(attribute, "Item", {"number": number}), value or {})
    elif vr == "PN":
        name = SubElement(attribute, "PersonName", {"number": number})
        for group in _GROUPS:
            _add_group(name, group, (value or {}).get(group, ""))
    else:
        SubElement(attribute, "Value", {"number": number}).text = "" if value is None else _legal(str(value))


def _add_group(name: Element, group: str, text: str) -> None:
    if not text:
        return
    parent = SubElement(name, group)
    for part, value in zip(_PARTS, text.split("^"), strict=False):
        if value:
            SubElement(parent, part).text = _legal(value)


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _is_hex(text: str) -> bool:
    return all(character in "0123456789ABCDEF" for character in text)
