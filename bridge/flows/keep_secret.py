"""A secret of this database, made when it is first needed: what only its own nodes can read is written with it."""

from __future__ import annotations

import secrets

from bridge.store import stamps
from bridge.store.db import Store

_CURSOR = "cursor_secret"
_LAUNCH = "launch_secret"


def cursor_secret(store: Store) -> bytes:
    """Return the 32 bytes that the places of long lists are written with, alike on every node."""
    return _secret(store, _CURSOR)


def launch_secret(store: Store) -> bytes:
    """Return the 32 bytes that launches are written with while their browser is at the EHR, alike on every node."""
    return _secret(store, _LAUNCH)


def _secret(store: Store, name: str) -> bytes:
    with store.read() as tx:
        known = stamps.get(tx, name)
    if known is None:
        with store.write() as tx:
            stamps.put_new(tx, name, secrets.token_hex(32))
            known = stamps.get(tx, name)
    return bytes.fromhex(known or "")
