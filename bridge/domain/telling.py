"""What keeps a payer or a FHIR server telling us: a Subscription there, made, looked at and made anew.

Source: HL7 Da Vinci PAS, subscriptions; FHIR R4, Subscription.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# How often a payer says that it is still there, and how often one is asked whether its subscription stands.
HEARTBEAT_SECS = 3600
# One that is asked for a sign of life each hour, and gives none for so long, does not reach us, whatever its subscription says.
QUIET = timedelta(days=1)
_LOOK = timedelta(minutes=10)
_AGAIN, _AGAIN_MAX = timedelta(minutes=1), timedelta(hours=1)


class TellingState(StrEnum):
    """making: it may stand there, which nobody has said; telling: it stands; silent: it was given up there."""

    MAKING = "making"
    TELLING = "telling"
    SILENT = "silent"


class Deed(StrEnum):
    """What is to be done about a subscription now."""

    NOTHING = "nothing"
    MAKE = "make"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Telling:
    """
    A subscription that we keep at a payer or a server. name: the payer's, or "ServiceRequest:ehr", what it is about and where.

    address: theirs, when it was made; reference: "Subscription/7", "" where not known. secret_digest: of what they show of
    themselves. number: of the last event heard. failures: in a row, and detail why.
    """

    name: str
    address: str
    secret_digest: str
    state: TellingState = TellingState.MAKING
    reference: str = ""
    number: int = 0
    made_at: datetime | None = None
    heard_at: datetime | None = None
    looked_at: datetime | None = None
    failures: int = 0
    detail: str = ""

    @property
    def is_telling(self) -> bool:
        return self.state == TellingState.TELLING

    def is_quiet(self, now: datetime) -> bool:
        """Say whether nothing came for longer than signs of life leave room for, since it was made or heard."""
        last = max((at for at in (self.made_at, self.heard_at) if at is not None), default=now)
        return now - last >= QUIET


def next_deed(known: Telling | None, address: str, now: datetime) -> Deed:
    """Return what is to be done about the subscription at *address*."""
    if known is None or known.address != address:
        return Deed.MAKE
    since = now - known.looked_at if known.looked_at is not None else None
    if known.state == TellingState.TELLING and not known.failures:
        return Deed.LOOK if since is None or since >= _LOOK else Deed.NOTHING
    pause = min(_AGAIN * 2 ** min(max(known.failures - 1, 0), 10), _AGAIN_MAX) if known.failures else timedelta(0)
    if since is not None and since < pause:
        return Deed.NOTHING
    return Deed.LOOK if known.state == TellingState.TELLING else Deed.MAKE
