"""Lists of orders that come as a file: where a list stands, and what becomes of each of its rows."""

from __future__ import annotations

from enum import StrEnum


class ListState(StrEnum):
    """Where a list stands. LOOKED_AT: read and shown, nothing applied."""

    LOOKED_AT = "looked-at"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class RowOutcome(StrEnum):
    """What became of a row. UNCHANGED: the order says all of it already."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
