"""What settings say of payers: where each is reached, what it takes, and what was agreed with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from bridge.domain.narrative import Says
from bridge.remote_sections import Auth, NoAuth
from bridge.sections import Section


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


def narratives(payers: Iterable[Payer]) -> dict[str, Says]:
    """Return what the text on a claim leads to images by, by payer id."""
    return {one.id: Says(one.narrative) for one in payers}
