"""What a caller may do with which resources: its scopes, where it has such. Source: SMART App Launch 2.2."""

from __future__ import annotations

from bridge.domain import smart_scopes
from bridge.errors import Refused
from bridge.web.access import caller


def may(resource_type: str, action: str) -> bool:
    """Say whether the caller may read ("r") or search ("s") resources of a type."""
    spoken = [one for one in caller().scopes if smart_scopes.is_smart(one)]
    return not spoken or smart_scopes.grant(spoken, resource_type, action)


def check(resource_type: str, action: str) -> None:
    """Raises: Refused, if the caller's scopes do not include this."""
    if not may(resource_type, action):
        raise Refused("your scopes do not include this", code="scope")
