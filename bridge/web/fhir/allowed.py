"""What a caller may do with which resources: its role, and its scopes, where it has such. Source: SMART App Launch 2.2."""

from __future__ import annotations

from bridge.errors import Refused
from bridge.web import access
from bridge.web.access import caller
from bridge.web.fhir.registry import PERMISSIONS


def may(resource_type: str, action: str) -> bool:
    """Say whether the caller may read ("r") or search ("s") resources of a type."""
    also = PERMISSIONS.get(resource_type)
    if also is not None and not caller().may(also):
        return False
    return caller().is_granted(resource_type, action)


def check(resource_type: str, action: str) -> None:
    """Raises: Refused, if the caller's role or scopes do not include this."""
    if (also := PERMISSIONS.get(resource_type)) is not None:
        access.check(also)
    if not may(resource_type, action):
        raise Refused("your scopes do not include this", code="scope")
