"""A header as DICOM JSON, with addresses in the place of what is too large to stand in it. Source: PS3.18 F, 10.4.1.1.2."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from bridge.codecs.dicom.explicit import swapped
from bridge.codecs.dicom.leaving_header import LeavingHeader
from bridge.errors import Malformed

BULK_BYTES: Final = 1024
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_WORDS: Final = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_WHOLE: Final = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
_REAL: Final = frozenset({"DS", "FD", "FL"})
_ONE_TEXT: Final = frozenset({"LT", "ST", "UT", "UR"})
_CHARACTER_SET: Final = 0x00080005
# The largest whole number that every JSON reader keeps. Source: RFC 8259 6.
_EXACT_MAX: Final = 2**53 - 1

Path = tuple[int, ...]
"""Where an element stands: its tag, or the tags and item numbers (from 1) that lead to it, by turns."""

BulkAddress = Callable[[Path], str]


def metadata_of(header: LeavingHeader, address: BulkAddress) -> dict[str, Any]:
    """
    Return *header* as DICOM JSON. address: where the value of an element is to be fetched.

    Raises: Malformed, if the header cannot be read.
    """
    found = _json(header.data_set(), _Form(address, header.syntax.big_endian), ())
    if header.pixel_tag:
        found[f"{header.pixel_tag:08X}"] = {"vr": header.pixel_vr, "BulkDataURI": address((header.pixel_tag,))}
    return found


def attributes_of(header: LeavingHeader, tags: Iterable[int]) -> dict[str, Any]:
    """Return those of *tags* that *header* holds as DICOM JSON, bulk data aside. Raises: Malformed."""
    data_set = header.data_set()
    form = _Form(lambda path: "", header.syntax.big_endian)
    found = {f"{tag:08X}": _attribute(data_set, tag, form, ()) for tag in tags if tag in data_set}
    return {tag: element for tag, element in found.items() if "BulkDataURI" not in element}


def bulk_value(header: LeavingHeader, path: Path) -> bytes:
    """Return the bytes of the element at *path*, little endian. Raises: LookupError, if there is none that has any."""
    data_set: Any = header.data_set()
    for place, step in enumerate(path):
        try:
            data_set = data_set[step] if place % 2 == 0 else data_set.value[step - 1]
        except (KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError):
            raise LookupError("no such element") from None
    if not isinstance(data_set, DataElement) or data_set.VR not in _BINARY or not isinstance(data_set.value, bytes):
        raise LookupError("no such bulk data")
    return _little(data_set, header.syntax.big_endian)


def path_text(path: Path) -> str:
    """Return *path* as it stands in an address."""
    return "/".join(f"{step:08X}" if place % 2 == 0 else str(step) for place, step in enumerate(path))


def path_of(text: str) -> Path:
    """Return the path that an address names. Raises: LookupError, if it names none."""
    steps = text.split("/")
    if len(steps) % 2 == 0 or len(steps) > 63:
        raise LookupError("no such bulk data")
    try:
        return tuple(
            int(step, 16) if place % 2 == 0 and len(step) == 8 else _item_number(step, place)
            for place, step in enumerate(steps)
        )
    except ValueError:
        raise LookupError("no such bulk data") from None


def _item_number(step: str, place: int) -> int:
    if place % 2 == 0 or not step.isdecimal() or not step.isascii() or not 1 <= int(step[:7]) <= 999_999:
        raise ValueError
    return int(step[:7])


class _Form:
    """How values are written. big_endian: what the words of binary values are."""

    def __init__(self, address: BulkAddress, big_endian: bool) -> None:
        self.address = address
        self.big_endian = big_endian


def _json(data_set: Dataset, form: _Form, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    # Group lengths say how long a form is that this one is not. Source: PS3.18 F.2.2.
    for tag in sorted(data_set.keys()):
        if tag & 0xFFFF and tag >> 16 > 2:
            found[f"{tag:08X}"] = _attribute(data_set, int(tag), form, path)
    if f"{_CHARACTER_SET:08X}" in found:
        found[f"{_CHARACTER_SET:08X}"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return found


def _attribute(data_set: Dataset, tag: int, form: _Form, path: Path) -> dict[str, Any]:
    try:
        element = data_set[tag]
        if element.VR == "SQ":
            items = [_json(item, form, (*path, tag, number)) for number, item in enumerate(element.value, 1)]
            return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        if element.VR in _BINARY:
            return _binary(element, form, (*path, tag))
        values = _values(element)
    except RecursionError:
        raise Malformed("nested too deep", code="too_deep") from None
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError, LookupError):
        return _as_received(data_set, tag)
    return {"vr": element.VR, "Value": values} if any(value is not None for value in values) else {"vr": element.VR}


def _as_received(data_set: Dataset, tag: int) -> dict[str, Any]:
    """Return an element whose value is none of its VR as the bytes that came. Source: PS3.5 6.2.2 (UN)."""
    raw = getattr(data_set.get_item(tag), "value", None)
    if not isinstance(raw, bytes) or not raw:
        return {"vr": "UN"}
    return {"vr": "UN", "InlineBinary": base64.b64encode(raw).decode("ascii")}


def _binary(element: DataElement, form: _Form, path: Path) -> dict[str, Any]:
    value = element.value
    if not value:
        return {"vr": element.VR}
    if len(value) > BULK_BYTES:
        return {"vr": element.VR, "BulkDataURI": form.address(path)}
    inline = base64.b64encode(_little(element, form.big_endian)).decode("ascii")
    return {"vr": element.VR, "InlineBinary": inline}


def _little(element: DataElement, big_endian: bool) -> bytes:
    value = bytes(element.value)
    width = _WORDS.get(element.VR, 1)
    return swapped(value, width) if big_endian and width > 1 else value


def _values(element: DataElement) -> list[Any]:
    value, vr = element.value, element.VR
    if value is None or value == "":
        return []
    many: Sequence[Any] = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    if vr in _ONE_TEXT:
        return [str(value)]
    return [_one(each, vr) for each in many]


def _one(value: Any, vr: str) -> Any:
    if value is None or value == "":
        return None
    if vr == "PN":
        return _name(value)
    if vr == "AT":
        return f"{int(value):08X}"
    if vr in _WHOLE:
        whole = int(value)
        return whole if abs(whole) <= _EXACT_MAX else str(whole)
    if vr in _REAL:
        real = float(value)
        return real if math.isfinite(real) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(real, "NaN")
    return str(value)


def _name(value: Any) -> dict[str, str] | None:
    name = value if isinstance(value, PersonName) else PersonName(str(value))
    groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
    found = {group: text for group, text in groups.items() if text}
    return found or None
