"""Whether what somebody signed in with still lets them in: what they asked for ends with it."""

from __future__ import annotations

from datetime import datetime

from bridge.domain.accounts import Caller, Permission
from bridge.store import users
from bridge.store.db import ReadTx


def holder(tx: ReadTx, credential: str, now: datetime) -> Caller | None:
    """Return who holds *credential* ("token:5", "user:2"), with what it lets them do now; None where it is no longer good."""
    kind, _, row = credential.partition(":")
    if kind == "token":
        token = users.get_token(tx, int(row))
        if token is None or token.revoked_at is not None or (token.ends_at is not None and token.ends_at <= now):
            return None
        return Caller(credential, token.role, token.scopes)
    user = users.get(tx, int(row))
    return Caller(credential, user.role) if user is not None and not user.disabled else None


def may_still(tx: ReadTx, credential: str, permission: Permission, now: datetime) -> bool:
    """Say whether *credential* is still good, and its role and scopes for *permission*."""
    found = holder(tx, credential, now)
    return found is not None and found.may(permission)
