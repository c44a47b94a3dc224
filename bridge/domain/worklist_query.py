"""One C-FIND on the worklist as it is remembered: who asked what, when, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class QueryOutcome(StrEnum):
    """
    What came of a query. BROKEN_OFF: the device left amid the answer. REFUSED: it may not ask for a worklist, or not as it
    proposed to. REJECTED: its association was. UNKEPT: one of too many in a minute to be kept by itself.
    """

    ANSWERED = "answered"
    CANCELLED = "cancelled"
    FAILED = "failed"
    BROKEN_OFF = "broken_off"
    REFUSED = "refused"
    REJECTED = "rejected"
    UNKEPT = "unkept"


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """
    One query, or the attempt at one, as the door saw it.

    calling_ae_title: as configured, or as sent by whoever was not let in. status: the final DIMSE status, None where no
    answer left. reason: a slug, "" for none. identifier: as sent, in transfer_syntax_uid. step_keys: the steps that were
    sent, in their order. was_cut: more matched than are sent at most. secs: until the last answer had left.
    """

    calling_ae_title: str
    address: str
    association: str
    outcome: QueryOutcome
    called_ae_title: str = ""
    status: int | None = None
    reason: str = ""
    identifier: bytes = b""
    transfer_syntax_uid: str = ""
    step_keys: tuple[int, ...] = ()
    was_cut: bool = False
    secs: float = 0.0

    @property
    def kind(self) -> tuple[object, ...]:
        """What makes two queries the same: all but when they came, on which association, and how long they took."""
        who = (self.calling_ae_title, self.called_ae_title, self.address)
        what = (self.identifier, self.transfer_syntax_uid)
        return who, what, self.outcome, self.status, self.reason, self.step_keys, self.was_cut


@dataclass(frozen=True, slots=True)
class KeptQuery:
    """
    A query with its repeats: the same question with the same answer.

    asked: with the newest's association and the slowest's secs. asked_at: when it was first; times: how often in all.
    """

    key: int
    asked: AskedQuery
    asked_at: datetime
    last_asked_at: datetime
    times: int
