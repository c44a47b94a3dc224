"""A person sends a delivery again, or gives it up."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.errors import Conflict
from bridge.outbox import enqueue
from bridge.store import audit, deliveries, studies
from bridge.store.db import Store, WriteTx
from bridge.store.deliveries import Delivery


def retry_delivery(store: Store, clock: Clock, delivery_key: int, actor: str) -> int:
    """Send a delivery now and return the key of the one that waits. Raises: LookupError; Conflict, if it was sent."""
    now = clock.now()
    with store.write() as tx:
        waiting = enqueue.retry(tx, delivery_key, now)
        audit.add(tx, at=now, action="delivery_retried", actor=actor, detail={"delivery": delivery_key})
    return waiting


def drop_delivery(store: Store, clock: Clock, delivery_key: int, actor: str) -> None:
    """
    Give a delivery up for good; it stays on record.

    Raises: LookupError; Conflict, if it was sent, or takes a study back whose patient is in question.
    """
    now = clock.now()
    with store.write() as tx:
        _refuse_withdrawal(tx, deliveries.get(tx, delivery_key))
        enqueue.drop(tx, delivery_key, f"given up by {actor}", now)
        audit.add(tx, at=now, action="delivery_dropped", actor=actor, detail={"delivery": delivery_key})


def _refuse_withdrawal(tx: WriteTx, delivery: Delivery) -> None:
    if delivery.topic != enqueue.IMAGING_STUDY or delivery.study_key is None or deliveries.has_twin(tx, delivery):
        return
    if studies.get(tx, delivery.study_key).is_bound:
        return
    outside = deliveries.may_stand_outside(tx, delivery.study_key, delivery.topic)
    if (delivery.destination, delivery.order_of) in outside:
        raise Conflict(
            "it takes a study out of a chart that may not be its patient's; bind the study or send it again",
            code="withdrawal_owed",
        )
