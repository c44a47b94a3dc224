"""Messages of invented senders, and what the base rules make of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bridge.codecs.hl7 import er7
from bridge.mapping.apply import Mapped, apply
from bridge.mapping.load import load_mappings
from bridge.mapping.resolve import MappingSet
from bridge.mapping.site import Defaults, SiteMapping

SHIPPED = Path(__file__).parents[3] / "mappings"
DEFAULTS = Defaults("HOME", "America/New_York", {"1.2.3.4": "HOME"})


@cache
def shipped() -> MappingSet:
    return load_mappings(SHIPPED)


def header(message_type: str, **fields: str) -> str:
    """A header; fields by name: at, control_id, processing_id, version, charset."""
    return "|".join(
        (
            "MSH|^~\\&|EHR|MERCYW|BRIDGE|HOSP",
            fields.get("at", "20260301120000"),
            "",
            message_type,
            fields.get("control_id", "C1"),
            fields.get("processing_id", "P"),
            fields.get("version", "2.5.1"),
            "||||",
            fields.get("charset", ""),
        )
    )


def mapped(*segments: str, site: SiteMapping | None = None, defaults: Defaults = DEFAULTS) -> Mapped:
    raw = "\r".join(segments).encode() + b"\r"
    chosen = site or shipped().base
    return apply(er7.parse(raw, chosen.charset), chosen, defaults)
