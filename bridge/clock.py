"""The only source of time and identity: handed in wherever either is needed, so that tests decide both."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime


class Clock:
    """The system's clock and random identities."""

    def now(self) -> datetime:
        """Return the current instant, aware, UTC."""
        return datetime.now(UTC)

    def new_id(self) -> str:
        """Return a fresh opaque identifier: 32 hexadecimal digits, 122 random bits."""
        return uuid.uuid4().hex

    def new_uid(self) -> str:
        """Return a fresh DICOM UID under 2.25. Source: PS3.5 B.2."""
        return f"2.25.{uuid.uuid4().int}"


class FixedClock(Clock):
    """A clock that stands still until it is moved; its identities count up."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._count = 0

    def now(self) -> datetime:
        return self.at

    def new_id(self) -> str:
        self._count += 1
        return f"{self._count:032x}"

    def new_uid(self) -> str:
        self._count += 1
        return f"2.25.{self._count}"
