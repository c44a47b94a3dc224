"""What a publisher asks and tells while it sends: whether the delivery is still wanted, and what has come of it so far."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from bridge.clock import Clock
from bridge.errors import Conflict, Unavailable
from bridge.outbox import claim as claims
from bridge.outbox import settle
from bridge.outbox.claim import Claimed
from bridge.outbox.publisher import BINDING_CHANGED, Parcel
from bridge.store import deliveries
from bridge.store.db import Store, WriteTx
from bridge.store.tables import studies


class InHand:
    """One delivery while it is sent. Source of the promises: `outbox.publisher.StillWanted`."""

    def __init__(self, store: Store, clock: Clock, claimed: Claimed, parcel: Parcel) -> None:
        self._store = store
        self._clock = clock
        self._claimed = claimed
        self._parcel = parcel

    def __call__(self) -> None:
        """Raises: Unavailable, if the binding has changed since the parcel was made, or the lease is lost."""
        with self._store.read() as tx:
            if not claims.is_ours(tx, self._claimed):
                raise Unavailable("another worker took the delivery over", code=settle.LEASE_LOST)
            if self._parcel.study_key is None:
                return
            now = tx.execute(select(studies.c.binding_version).where(studies.c.key == self._parcel.study_key)).scalar()
        if now != self._parcel.binding_version:
            raise Unavailable("the binding changed while it was being sent", code=BINDING_CHANGED)

    def note(self, write: Callable[[WriteTx, datetime], None], detail: str) -> None:
        """Write what stands outside by now, with *detail* for whoever watches. Raises: Unavailable, if the lease is lost."""
        now = self._clock.now()
        try:
            with self._store.write() as tx:
                settle.check_fence(tx, self._claimed, now)
                write(tx, now)
                deliveries.change(tx, self._claimed.key, detail=detail)
        except Conflict as fault:
            raise Unavailable(fault.detail, code=settle.LEASE_LOST) from fault
