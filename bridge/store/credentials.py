"""Whether what somebody signed in with still lets them in: what they asked for ends with it."""

from __future__ import annotations

from datetime import datetime

from bridge.domain.accounts import Caller, Permission
from bridge.store import users
from bridge.store.db import ReadTx


def may_still(tx: ReadTx, credential: str, permission: Permission, now: datetime) -> bool:
    """Say whether *credential* ("token:5", "user:2") is still good, and its role for *permission*."""
    kind, _, row = credential.partition(":")
    if kind == "token":
        token = users.get_token(tx, int(row))
        is_good = token is not None and token.revoked_at is None and (token.ends_at is None or token.ends_at > now)
        return is_good and token is not None and Caller(credential, token.role, token.scopes).may(permission)
    user = users.get(tx, int(row))
    return user is not None and not user.disabled and Caller(credential, user.role).may(permission)
