"""Whether what somebody signed in with still lets them in: what they asked for ends with it."""

from __future__ import annotations

from datetime import datetime

from bridge.store import users
from bridge.store.db import ReadTx


def is_valid(tx: ReadTx, credential: str, now: datetime) -> bool:
    """Say whether *credential* ("token:5", "user:2") is still good."""
    kind, _, row = credential.partition(":")
    if kind == "token":
        token = users.get_token(tx, int(row))
        return token is not None and token.revoked_at is None and (token.ends_at is None or token.ends_at > now)
    user = users.get(tx, int(row))
    return user is not None and not user.disabled
