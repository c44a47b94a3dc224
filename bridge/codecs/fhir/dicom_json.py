"""What a device sent, kept as DICOM JSON, read without trust: whatever has no form says nothing. Source: PS3.18 F.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST_NAMED = 20


def items_of(attributes: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    """Return the items of a sequence in DICOM JSON. Source: PS3.18 F.2.2."""
    element = attributes.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []


def texts_of(attributes: Mapping[str, Any], tag: str) -> list[str]:
    """Return an element's values as texts, a name in its groups. Source: PS3.18 F.2.2."""
    element = attributes.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    said = [_text(one) for one in values[:_MOST_NAMED]] if isinstance(values, list) else []
    return [one for one in said if one]


def first_text(attributes: Mapping[str, Any], tag: str) -> str:
    """Return an element's first value as text, "" without any."""
    return next(iter(texts_of(attributes, tag)), "")


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        groups = [str(value.get(name, "")) for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return str(value).strip() if isinstance(value, (str, int, float)) else ""
