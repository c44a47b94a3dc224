"""Would work succeed now: the database takes a write and has our tables."""

from __future__ import annotations

from bridge.store.db import Store
from bridge.store.listings import counts


def check_ready(store: Store) -> None:
    """Try a write that changes nothing. Raises: Unavailable, saying by its code what is wrong."""
    with store.write() as tx:
        counts.probe(tx)
