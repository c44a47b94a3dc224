"""How a delivery leaves a worker's hands: sent, waiting again, held or dead; nothing, if the lease was lost meanwhile.

Work that was queued behind a delivery in flight is the same work: a delivery that goes back to waiting takes its place.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from bridge.errors import BridgeError, Conflict, Refused, Unavailable
from bridge.outbox.claim import Claimed
from bridge.outbox.enqueue import CHART_PART, ON_ONE_SERVER
from bridge.outbox.publisher import Hold
from bridge.outbox.retry import FORBIDDEN, Dead, RetryAt
from bridge.store import deliveries as store
from bridge.store.db import WriteTx
from bridge.store.deliveries import Attempt, Delivery, DeliveryState
from bridge.store.tables import deliveries

LEASE_LOST = "lease_lost"


def check_fence(tx: WriteTx, claimed: Claimed, at: datetime) -> None:
    """
    Lock the row of *claimed* for the rest of the transaction.

    Raises: Conflict, if another worker took it over: nothing of this attempt may be written.
    """
    done = tx.execute(
        update(deliveries)
        .where(
            deliveries.c.key == claimed.key,
            deliveries.c.fence == claimed.fence,
            deliveries.c.state == DeliveryState.SENDING.value,
        )
        .values(updated_at=at)
    )
    if done.rowcount != 1:
        raise Conflict("another worker took the delivery over", code=LEASE_LOST)


def sent(tx: WriteTx, claimed: Claimed, detail: str, at: datetime) -> None:
    """Finish a delivery. The caller has checked the fence, here and below."""
    store.change(
        tx,
        claimed.key,
        state=DeliveryState.SENT.value,
        detail=detail,
        last_error="",
        **store.NOT_HELD,
        settled_at=at,
        **_no_lease(),
    )


def wait(tx: WriteTx, claimed: Claimed, until: datetime, why: str, at: datetime) -> None:
    """Put a delivery back that was not ready: no attempt is counted."""
    twin = store.remove_waiting_twin(tx, claimed.delivery)
    store.change(
        tx,
        claimed.key,
        state=DeliveryState.PENDING.value,
        attempts=claimed.delivery.attempts - 1,
        next_at=until if twin is None else max(at, min(until, twin.next_at)),
        detail=why,
        **store.NOT_HELD,
        **_no_lease(),
    )


def held(tx: WriteTx, claimed: Claimed, hold: Hold, at: datetime) -> None:
    """
    Put a delivery back that must not leave until somebody releases it.

    Work queued behind it meanwhile may be the release, so it is looked at again.
    """
    twin = store.remove_waiting_twin(tx, claimed.delivery)
    is_free = twin is not None and twin.state == DeliveryState.PENDING
    store.change(
        tx,
        claimed.key,
        state=DeliveryState.PENDING.value if is_free else DeliveryState.HELD.value,
        attempts=claimed.delivery.attempts - 1,
        next_at=twin.next_at if twin is not None else at,
        **(store.NOT_HELD if is_free else {"held_reason": hold.why, "hold_kind": hold.kind.value}),
        **_no_lease(),
    )


def failed(tx: WriteTx, claimed: Claimed, fault: Exception, decision: RetryAt | Dead, at: datetime) -> None:
    """Put a delivery back for later, or make it dead; work queued behind a dead one goes its own way."""
    said = sentence_of(fault)
    if isinstance(decision, Dead):
        store.change(tx, claimed.key, state=DeliveryState.DEAD.value, last_error=said, **_no_lease())
        return
    twin = store.remove_waiting_twin(tx, claimed.delivery)
    again_at = at + timedelta(seconds=decision.delay_secs)
    rests = _rests_with(claimed.delivery, fault) if decision.whole_destination else None
    if rests is not None and isinstance(fault, Unavailable):
        # What has waited the longest says when: so it is also the first to go.
        again_at = max(again_at, store.next_of_older(tx, rests, claimed.key, said) or again_at)
    is_held = twin is not None and twin.state == DeliveryState.HELD
    store.change(
        tx,
        claimed.key,
        state=DeliveryState.HELD.value if is_held else DeliveryState.PENDING.value,
        **(
            {"held_reason": twin.held_reason, "hold_kind": twin.hold_kind.value} if twin is not None else store.NOT_HELD
        ),
        next_at=again_at,
        last_error=said,
        **_no_lease(),
    )
    if rests is not None:
        store.put_off(tx, rests, again_at)


def _rests_with(delivery: Delivery, fault: BridgeError | Exception) -> store.Lanes:
    """Return what waits with a delivery: all that goes to the same server; after a 403 what is of its kind alone."""
    topics = ON_ONE_SERVER if delivery.topic in ON_ONE_SERVER else (delivery.topic,)
    if isinstance(fault, Refused) and fault.code == FORBIDDEN:
        kind = delivery.order_of.partition(":")[0] if delivery.topic == CHART_PART else ""
        return store.Lanes((delivery.topic,), delivery.destination, kind)
    return store.Lanes(topics, delivery.destination)


def record(tx: WriteTx, claimed: Claimed, outcome: str, detail: str, at: datetime) -> None:
    """Append what this attempt came to."""
    store.add_attempt(tx, Attempt(claimed.key, claimed.claimed_at, at, outcome, detail, claimed.delivery.lease_owner))


def sentence_of(fault: Exception) -> str:
    """Return what may be shown and logged of *fault*: an unknown exception's text may hold anything."""
    return fault.detail if isinstance(fault, BridgeError) else f"unexpected fault ({type(fault).__name__})"


def code_of(fault: Exception) -> str:
    """Return the slug of *fault*."""
    return fault.code if isinstance(fault, BridgeError) else "bug"


def _no_lease() -> dict[str, object]:
    return {"lease_owner": "", "lease_until": None}
