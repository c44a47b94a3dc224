"""A person sends a delivery again, or gives it up."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.outbox import enqueue
from bridge.store import audit
from bridge.store.db import Store


def retry_delivery(store: Store, clock: Clock, delivery_key: int, actor: str) -> int:
    """Send a delivery now and return the key of the one that waits. Raises: LookupError; Conflict, if it was sent."""
    now = clock.now()
    with store.write() as tx:
        waiting = enqueue.retry(tx, delivery_key, now)
        audit.add(tx, at=now, action="delivery_retried", actor=actor, detail={"delivery": delivery_key})
    return waiting


def drop_delivery(store: Store, clock: Clock, delivery_key: int, actor: str) -> None:
    """Give a delivery up for good; it stays on record. Raises: LookupError; Conflict, if it was sent."""
    now = clock.now()
    with store.write() as tx:
        enqueue.drop(tx, delivery_key, f"given up by {actor}", now)
        audit.add(tx, at=now, action="delivery_dropped", actor=actor, detail={"delivery": delivery_key})
