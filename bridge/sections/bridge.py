"""What settings say of the house itself."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator

from bridge.sections.section import Npi, Section


class BridgeSection(Section):
    """Where things lie and what house this is. mappings: laid over the shipped mappings/. npi: the house's, for payers."""

    data: Path = Path("var")
    mappings: Path | None = None
    time_zone: str = "UTC"
    organization: str = "Imaging Bridge"
    npi: Npi = ""

    @field_validator("mappings", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as fault:
            raise ValueError("no such time zone") from fault
        return value
