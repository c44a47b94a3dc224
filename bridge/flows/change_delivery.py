"""A person sends a delivery again, or gives it up."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.domain.attachment import AttachmentState
from bridge.errors import Conflict
from bridge.outbox import enqueue
from bridge.store import audit, authorizations, chart_subjects, chart_withdrawals, deliveries, order_notices, studies
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
    owed = (_takes_study_back, _takes_part_back, _clears_claim, _withdraws_images)
    if not deliveries.has_twin(tx, delivery) and any(is_owed(tx, delivery) for is_owed in owed):
        raise Conflict(
            "it takes back what may not be its patient's, or what a person withdrew; bind the study or send it again",
            code="withdrawal_owed",
        )


def _takes_study_back(tx: WriteTx, delivery: Delivery) -> bool:
    if delivery.topic != enqueue.IMAGING_STUDY or delivery.study_key is None:
        return False
    is_withdrawn = chart_withdrawals.withdrawal_of(tx, delivery.study_key) is not None
    if studies.get(tx, delivery.study_key).is_bound and not is_withdrawn:
        return False
    outside = deliveries.may_stand_outside(tx, delivery.study_key, delivery.topic)
    return (delivery.destination, delivery.order_of) in outside


def _takes_part_back(tx: WriteTx, delivery: Delivery) -> bool:
    if delivery.topic != enqueue.CHART_PART:
        return False
    part = enqueue.part_in(delivery)
    about = chart_subjects.studies_of(tx, part)
    is_out = chart_subjects.why_out(tx, part) or any(not studies.get(tx, key).is_bound for key in about)
    return bool(is_out) and deliveries.was_tried(tx, delivery.topic, delivery.destination, delivery.order_of)


def _clears_claim(tx: WriteTx, delivery: Delivery) -> bool:
    if delivery.topic != enqueue.CLAIM or delivery.attachment_key is None:
        return False
    is_held = authorizations.get_attachment(tx, delivery.attachment_key).state == AttachmentState.REVIEW
    return is_held and deliveries.was_tried(tx, delivery.topic, delivery.destination, delivery.order_of)


def _withdraws_images(tx: WriteTx, delivery: Delivery) -> bool:
    if delivery.topic != enqueue.ORDER_STATUS or delivery.order_key is None:
        return False
    told = order_notices.of_order(tx, delivery.order_key, delivery.destination).values()
    named = [studies.get(tx, one.study_key) for one in told if one.study_key is not None and one.may_hold_images]
    return any(not study.is_bound or study.order_key != delivery.order_key for study in named)
