"""An X12 file that we hand over to a clearinghouse: its numbers, its bytes, and whether the other side could read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MAX_CONTROL_NUMBER = 999_999_999
# ISA09 and ISA10.
STAMP = "%y%m%d%H%M"


class InterchangeState(StrEnum):
    """
    begun: it has its number, and has not left; sent: handed over; received: its envelope could be read (TA1).

    accepted: it will be worked on; refused: it will not (TA1, 999), whatever was said before.
    """

    BEGUN = "begun"
    SENT = "sent"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Interchange:
    """
    One file. transaction: "275". control_number: ISA13 and GS06, ours alone for ever. created_at: when it got them;
    stamp: the same by the clearinghouse's clock, as ISA09 and ISA10 tell it.

    blob: SHA-256 of its bytes, under which they are kept; "" before they are written. copies: how often it was handed over, or
    may have been. detail: how it went, in words.
    """

    key: int
    submission_key: int
    clearinghouse: str
    transaction: str
    control_number: int
    created_at: datetime
    stamp: str = ""
    blob: str = ""
    state: InterchangeState = InterchangeState.BEGUN
    detail: str = ""
    answered_at: datetime | None = None
    copies: int = 0


def file_name(sender: str, transaction: str, control_number: int) -> str:
    """Return what a file is called: never twice, and nothing of the patient."""
    plain = "".join(sign for sign in sender if sign.isascii() and sign.isalnum()) or "FILE"
    return f"{plain}-{transaction}-{control_number:09}.x12"


def after(state: InterchangeState, said: InterchangeState) -> InterchangeState:
    """Return how a file stands that stood at *state* once the other side said so: what is refused stays refused."""
    order = list(InterchangeState)
    return said if order.index(said) > order.index(state) else state
