"""What a performed step says of dose, consumption and billing, in words for people. Source: PS3.3 C.4.16, C.4.17, PS3.18 F.2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Json = Mapping[str, Any]

# Keyword's tag, what a person calls it, its unit as the standard has it.
_PLAIN: Final = (
    ("00400254", "Description", ""),
    ("00400300", "Total time of fluoroscopy", "s"),
    ("00400301", "Exposures", ""),
    ("00400302", "Entrance dose", "dGy"),
    ("0018115E", "Area dose product", "dGy·cm²"),
    ("00181110", "Distance source to detector", "mm"),
)
_BILLING: Final = "00400320"
_FILM: Final = "00400321"
_SUPPLIES: Final = "00400324"
_CODE, _MEANING = "00080100", "00080104"


def details_of(attributes: Json) -> list[tuple[str, str]]:
    """Return what a performed step says of dose, film, billed procedures and supplies: what it is, and how much."""
    found = [
        (label, f"{value} {unit}".rstrip()) for tag, label, unit in _PLAIN if (value := _text(attributes, tag)) != ""
    ]
    found += [("Film", text) for item in _items(attributes, _FILM) if (text := _film(item))]
    found += [("Billed procedure", text) for item in _items(attributes, _BILLING) if (text := _code(item))]
    found += [("Supply", text) for item in _items(attributes, _SUPPLIES) if (text := _supply(item))]
    return found


def _film(item: Json) -> str:
    count, medium, size = (_text(item, tag) for tag in ("21000170", "20000030", "20100050"))
    return " ".join(part for part in (f"{count} ×" if count else "", size, medium) if part)


def _supply(item: Json) -> str:
    """Return a billing item's device and quantity. Source: PS3.3 C.4.17 (Billing Supplies and Devices Sequence)."""
    device = next((text for code in _items(item, "00400296") if (text := _code(code))), "")
    counts = [
        " ".join(filter(None, (_text(one, "00400294"), next((_code(u) for u in _items(one, "00400295")), ""))))
        for one in _items(item, "00400293")
    ]
    return ", ".join(part for part in (device, *counts) if part)


def _code(item: Json) -> str:
    code, meaning = _text(item, _CODE), _text(item, _MEANING)
    return f"{meaning} ({code})" if code and meaning else meaning or code


def _items(attributes: Json, tag: str) -> Iterator[Json]:
    for item in attributes.get(tag, {}).get("Value") or ():
        if isinstance(item, dict):
            yield item


def _text(attributes: Json, tag: str) -> str:
    values = attributes.get(tag, {}).get("Value") or [None]
    first = values[0]
    if first is None or isinstance(first, dict):
        return ""
    return f"{first:g}" if isinstance(first, float) else str(first)
