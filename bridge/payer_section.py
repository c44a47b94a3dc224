"""What settings say of payers: where each is reached, what it takes, and what was agreed with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from bridge.domain.narrative import Says
from bridge.remote_sections import Auth, NoAuth
from bridge.sections import Section


def _zone(value: str) -> str:
    try:
        ZoneInfo(value or "UTC")
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone") from None
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]


class Payer(Section):
    """
    A payer's endpoint. id: its number on claims (X12 NM109).

    narrative: what a claim's text leads to images by; anything but our control number where a payer agreed to it.
    """

    name: str
    id: str
    base_url: str = ""
    kind: tuple[Literal["cdex", "pas"], ...] = ()
    auth: Auth = NoAuth()
    narrative: Literal["control-number", "accession", "study-uid"] = "control-number"


class Clearinghouse(Section):
    """
    Who passes payers' X12 files on. inbox: the folder in which it puts answers, or in which a program fetches them.

    zone: in which its files tell the time, "" for the bridge's own.
    """

    name: str = Field(min_length=1)
    inbox: Path
    zone: TimeZone = ""


def narratives(payers: Iterable[Payer]) -> dict[str, Says]:
    """Return what the text on a claim leads to images by, by payer id."""
    return {one.id: Says(one.narrative) for one in payers}
