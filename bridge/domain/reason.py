"""The reason that a person gives for what they do, which stays with it."""

from __future__ import annotations

from bridge.errors import Incomplete


def require_reason(reason: str, asked: str = "say why") -> str:
    """Return *reason* without padding. Raises: Incomplete, where nothing is said; it says what is *asked*."""
    if not reason.strip():
        raise Incomplete(asked, code="missing", where="reason")
    return reason.strip()
