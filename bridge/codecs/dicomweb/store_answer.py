"""What a STOW-RS server says of each object it was sent. Source: PS3.18 10.5.3, Table 10.5.3-1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from bridge.codecs.dicomweb.native_xml import read_xml
from bridge.errors import Malformed

_REFERENCED: Final = "00081199"
_FAILED: Final = "00081198"
_SOP_INSTANCE_UID: Final = "00081155"
_WARNING_REASON: Final = "00081196"
_FAILURE_REASON: Final = "00081197"
_PROCESSING_FAILURE: Final = 0x0110
_LARGEST_STATUS: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """By SOP Instance UID: what is kept, with its warning or 0; what is not, with the reason."""

    kept: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)


def read_store_answer(body: bytes) -> StoreAnswer:
    """Read a store instances response, in DICOM JSON or XML. Raises: Malformed, if it is neither."""
    said = _read(body)
    return StoreAnswer(
        _each(said, _REFERENCED, _WARNING_REASON, 0), _each(said, _FAILED, _FAILURE_REASON, _PROCESSING_FAILURE)
    )


def _read(body: bytes) -> Mapping[str, Any]:
    if body.lstrip()[:1] == b"<":
        return read_xml(body)
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("the answer is no DICOM JSON", source="PS3.18 F.2") from None
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if not isinstance(said, dict):
        raise Malformed("the answer is no DICOM JSON", source="PS3.18 F.2")
    return said


def _each(said: Mapping[str, Any], sequence: str, reason: str, default: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in _values(said, sequence):
        if not isinstance(item, dict):
            continue
        uids, reasons = _values(item, _SOP_INSTANCE_UID), _values(item, reason)
        number = reasons[0] if reasons else default
        if uids and isinstance(uids[0], str):
            fits = isinstance(number, int) and 0 <= number <= _LARGEST_STATUS
            found[uids[0].strip(" \0")] = number if fits else default
    return found


def _values(said: Mapping[str, Any], tag: str) -> list[Any]:
    attribute = said.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return values if isinstance(values, list) else []
