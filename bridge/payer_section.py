"""What settings say of payers: where each is reached, what it takes, and what was agreed with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from bridge.domain.narrative import Says
from bridge.remote_sections import Auth, NoAuth
from bridge.sections import ClientTls, Section

# What portals and clearinghouses commonly take.
MAX_PACKET_MB = 10.0


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
    max_packet_mb: the largest PDF that it takes. timeout_secs: how long its answer is waited for. tls: as of a FHIR server.
    asks_while_pended: it is asked again by itself what it has not decided.
    """

    name: str
    id: str
    base_url: str = ""
    asks_while_pended: bool = False
    kind: tuple[Literal["cdex", "pas"], ...] = ()
    auth: Auth = NoAuth()
    narrative: Literal["control-number", "accession", "study-uid"] = "control-number"
    max_packet_mb: float = Field(default=MAX_PACKET_MB, gt=0, le=100)
    timeout_secs: float = Field(default=60, gt=0, le=300)
    tls: ClientTls | None = None


class Clearinghouse(Section):
    """
    Who passes payers' X12 files on. inbox: the folder in which it puts answers, or in which a program fetches them.

    zone: in which its files tell the time, "" for the bridge's own.
    """

    name: str = Field(min_length=1)
    inbox: Path
    zone: TimeZone = ""


def takes_requests(one: Payer) -> bool:
    """Say whether a payer takes requests for authorization as FHIR."""
    return bool(one.base_url and one.id) and "pas" in one.kind


def narratives(payers: Iterable[Payer]) -> dict[str, Says]:
    """Return what the text on a claim leads to images by, by payer id."""
    return {one.id: Says(one.narrative) for one in payers}


def packet_limits(payers: Iterable[Payer]) -> dict[str, int]:
    """Return the bytes of the largest PDF that each takes, by payer id and by name."""
    return {key: int(one.max_packet_mb * 1_000_000) for one in payers for key in (one.id, one.name)}
