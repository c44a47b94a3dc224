"""Many cases with one cause, done as one action that can be undone as one: what it is, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class BulkKind(StrEnum):
    """What is done with the cases."""

    CLOSE = "close"
    REPAIR = "repair"


class BulkState(StrEnum):
    """Where it stands. PREVIEWED waits for a person; DROPPED was never applied."""

    PREVIEWING = "previewing"
    PREVIEWED = "previewed"
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"
    DROPPED = "dropped"


class BulkOutcome(StrEnum):
    """What came of one study. KEPT: it stays as it is, for a reason that is named."""

    WAITING = "waiting"
    CHANGED = "changed"
    SAME = "same"
    KEPT = "kept"
    FAILED = "failed"


# What the worker does, and what that comes to.
WORK = {
    BulkState.PREVIEWING: BulkState.PREVIEWED,
    BulkState.APPLYING: BulkState.APPLIED,
    BulkState.UNDOING: BulkState.UNDONE,
}
# A repair counts while it is applied.
STANDING = (BulkState.APPLYING, BulkState.APPLIED)


@dataclass(frozen=True, slots=True)
class Repairing:
    """
    How what one device sent is to be read. since, until: of the study's first arrival; until None: for as long as it stands.

    entry: one repair as a device's file has it: {"do": "clock", "ahead_minutes": 61}.
    """

    device: str
    since: datetime
    until: datetime | None
    entry: Mapping[str, Any]

    def is_about(self, device: str, first_arrival: datetime) -> bool:
        """Say whether a study of *device* is meant whose first image came at *first_arrival*."""
        in_time = self.since <= first_arrival and (self.until is None or first_arrival < self.until)
        return device == self.device and in_time
