"""The outbox's hands: claim, prepare, send, settle, for each destination on threads of its own.

A slow or dead destination keeps only its own threads. Waking by `notify` is a courtesy, looking every fifth of a second
is the guarantee. Whatever ends a thread or the process leaves the row to the end of its lease.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select

from bridge.clock import Clock
from bridge.errors import BridgeError, Conflict, Unavailable
from bridge.outbox import claim as claims
from bridge.outbox import enqueue, retry, settle, strays
from bridge.outbox.claim import Claimed, Lane
from bridge.outbox.in_hand import InHand
from bridge.outbox.publisher import BINDING_CHANGED, Hold, Nothing, NotYet, Parcel, Publisher, Receipt
from bridge.store.db import Store, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.tables import studies

_LOOK_SECS = 0.2
_SETTLE_TRIES = 5
_LEASE_SECS = 12.0

log = structlog.get_logger(__name__)


class Worker:
    """
    Sends what is due until it is stopped.

    publishers: one for each topic. owner: this process, unlike any other (node and process id). threads: how many
    deliveries may be under way to one destination; at_once: to some of them otherwise. lease_secs: how long a dead worker's deliveries stay untouched.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        publishers: Sequence[Publisher[Any, Any]],
        *,
        owner: str,
        threads: int = 2,
        at_once: Mapping[Lane, int] | None = None,
        lease_secs: float = _LEASE_SECS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._publishers: dict[Lane, Publisher[Any, Any]] = {
            (one.topic, destination): one for one in publishers for destination in one.destinations
        }
        self._owner = owner
        self._threads = dict.fromkeys(self._publishers, threads) | dict(at_once or {})
        self._lease = timedelta(seconds=lease_secs)
        self._jitter = jitter
        self._wake = threading.Condition()
        self._woken = False
        self._stopping = threading.Event()
        self._in_hand: dict[int, tuple[Lane, Claimed]] = {}
        self._hand_lock = threading.Lock()
        self._pools: dict[Lane, ThreadPoolExecutor] = {}
        self._loops: list[threading.Thread] = []

    def start(self) -> None:
        """
        Begin; returns at once.

        What waits for a destination that is no longer configured is held, and freed once it is configured again.
        """
        with self._store.write() as tx:
            strays.settle(tx, set(self._publishers), self._clock.now())
        self._pools = {
            lane: ThreadPoolExecutor(self._threads[lane], thread_name_prefix=f"outbox-{lane[0]}")
            for lane in self._publishers
        }
        for loop in (self._look_loop, self._heartbeat_loop):
            thread = threading.Thread(target=loop, name=f"outbox{loop.__name__}", daemon=True)
            thread.start()
            self._loops.append(thread)

    def stop(self, drain_secs: float = 10.0) -> bool:
        """
        Claim nothing more, wait for what is under way, and say whether all of it ended in *drain_secs*.

        What did not end keeps its lease until that runs out, here or in another process.
        """
        self._stopping.set()
        self.notify()
        ends_at = time.monotonic() + drain_secs
        for loop in self._loops:
            loop.join(max(0.1, ends_at - time.monotonic()))
        while self._in_hand and time.monotonic() < ends_at:
            time.sleep(0.02)
        for pool in self._pools.values():
            pool.shutdown(wait=not self._in_hand, cancel_futures=True)
        return not self._in_hand

    @property
    def is_alive(self) -> bool:
        """Say whether both of its loops run."""
        return bool(self._loops) and all(loop.is_alive() for loop in self._loops)

    def notify(self) -> None:
        """Look now: something was queued."""
        with self._wake:
            self._woken = True
            self._wake.notify_all()

    def run_due(self) -> int:
        """Send everything that is due now, on this thread; return how many deliveries were taken up. For tests and tools."""
        taken = 0
        while claimed := self._claim_any(set(self._publishers)):
            lane, one = claimed
            self._deliver(lane, one)
            taken += 1
        return taken

    def _look_loop(self) -> None:
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set() and self._hand_out_one():
                    pass
            except Unavailable as fault:
                log.warning("outbox_store_unavailable", code=fault.code)
            with self._wake:
                if not self._woken:
                    self._wake.wait(_LOOK_SECS)
                self._woken = False

    def _heartbeat_loop(self) -> None:
        while not (self._stopping.wait(self._lease.total_seconds() / 4) and not self._in_hand):
            with self._hand_lock:
                in_hand = [claimed for _, claimed in self._in_hand.values()]
            if in_hand:
                try:
                    with self._store.write() as tx:
                        claims.extend(tx, in_hand, self._owner, self._clock.now() + self._lease)
                except Unavailable as fault:
                    log.warning("outbox_heartbeat_missed", code=fault.code)
            if self._stopping.is_set():
                time.sleep(_LOOK_SECS)

    def _hand_out_one(self) -> bool:
        with self._hand_lock:
            busy = [lane for lane, _ in self._in_hand.values()]
        free = {lane for lane in self._publishers if busy.count(lane) < self._threads[lane]}
        found = self._claim_any(free) if free else None
        if found is None:
            return False
        lane, claimed = found
        self._pools[lane].submit(self._deliver, lane, claimed)
        return True

    def _claim_any(self, lanes: set[Lane]) -> tuple[Lane, Claimed] | None:
        now = self._clock.now()
        with self._store.read() as tx:
            ready = claims.lanes_with_work(tx, now) & lanes
        for lane in sorted(ready):
            with self._store.write() as tx:
                claimed = claims.claim(tx, lane, self._owner, now, self._lease)
            if claimed is not None:
                with self._hand_lock:
                    self._in_hand[claimed.key] = (lane, claimed)
                return lane, claimed
        return None

    def _deliver(self, lane: Lane, claimed: Claimed) -> None:
        try:
            self._three_beats(self._publishers[lane], claimed)
        except Unavailable as fault:
            log.warning("delivery_not_settled", delivery_id=claimed.key, code=fault.code)
        except Exception as fault:  # noqa: BLE001 - the thread is the last place that can say it; the lease brings it back
            log.error("delivery_not_settled", delivery_id=claimed.key, code="bug", at=_where(fault))
        finally:
            with self._hand_lock:
                self._in_hand.pop(claimed.key, None)
            self.notify()

    def _three_beats(self, publisher: Publisher[Any, Any], claimed: Claimed) -> None:
        try:
            with self._store.read() as tx:
                prepared = publisher.prepare(tx, claimed.delivery, self._clock.now())
            if not isinstance(prepared, Parcel):
                self._settle(claimed, partial(self._put_back, claimed, prepared))
                return
            receipt = publisher.send(prepared, InHand(self._store, self._clock, claimed, prepared))
        except Exception as fault:  # noqa: BLE001 - what a fault means is decided by outbox.retry, a bug's too
            self._settle(claimed, partial(self._note_failure, publisher, claimed, fault))
            return
        self._settle(claimed, partial(self._note_sent, publisher, claimed, prepared, receipt))

    def _put_back(self, claimed: Claimed, prepared: NotYet | Hold | Nothing, tx: WriteTx) -> None:
        now = self._clock.now()
        if isinstance(prepared, NotYet):
            settle.wait(tx, claimed, prepared.until, prepared.why, now)
        elif isinstance(prepared, Hold):
            settle.held(tx, claimed, prepared, now)
        else:
            settle.sent(tx, claimed, prepared.why, now)

    def _note_sent(
        self, publisher: Publisher[Any, Any], claimed: Claimed, parcel: Parcel, receipt: Receipt, tx: WriteTx
    ) -> None:
        # Locked until the end: a decision that is being made now is waited for, a later one sees what is written here.
        is_stale = parcel.study_key is not None and _binding_version(tx, parcel.study_key) != parcel.binding_version
        publisher.settled(tx, parcel, receipt, self._clock.now())
        self._end(publisher, claimed, receipt, tx)
        if is_stale:
            enqueue.look_again(tx, claimed.delivery, self._clock.now())

    def _end(self, publisher: Publisher[Any, Any], claimed: Claimed, receipt: Receipt, tx: WriteTx) -> None:
        now = self._clock.now()
        if receipt.fault is not None:
            self._note_failure(publisher, claimed, receipt.fault, tx)
            return
        outcome, said = ("held", receipt.held.why) if receipt.held else ("sent", receipt.detail)
        settle.record(tx, claimed, outcome, said, now)
        if receipt.held:
            settle.held(tx, claimed, receipt.held, now)
            self._log("delivery_held", claimed.delivery)
        else:
            settle.sent(tx, claimed, receipt.detail, now)
            self._log("delivery_sent", claimed.delivery)

    def _note_failure(self, publisher: Publisher[Any, Any], claimed: Claimed, fault: Exception, tx: WriteTx) -> None:
        now = self._clock.now()
        if isinstance(fault, Unavailable) and fault.code == BINDING_CHANGED:
            settle.wait(tx, claimed, now, fault.detail, now)
            return
        decision = retry.decide(claimed.delivery.attempts, fault, self._jitter())
        said, code, is_dead = settle.sentence_of(fault), settle.code_of(fault), isinstance(decision, retry.Dead)
        settle.record(tx, claimed, code, said, now)
        settle.failed(tx, claimed, fault, decision, now)
        publisher.failed(tx, claimed.delivery, said, is_dead, now)
        at = "" if isinstance(fault, BridgeError) else _where(fault)
        self._log("delivery_failed", claimed.delivery, code=code, dead=is_dead, at=at)

    def _settle(self, claimed: Claimed, beat: Callable[[WriteTx], None]) -> None:
        """Write how it ended; a database that is busy just now is asked again, since the outside has already changed."""
        for left in reversed(range(_SETTLE_TRIES)):
            try:
                with self._store.write() as tx:
                    settle.check_fence(tx, claimed, self._clock.now())
                    beat(tx)
                return
            except Conflict as fault:
                if fault.code != settle.LEASE_LOST:
                    raise
                self._log("delivery_lease_lost", claimed.delivery)
                return
            except Unavailable:
                if not left or self._stopping.wait(0.5):
                    raise

    def _log(self, event: str, delivery: Delivery, **fields: Any) -> None:
        log.info(
            event,
            delivery_id=delivery.key,
            topic=delivery.topic,
            destination=delivery.destination,
            study_id=delivery.study_key,
            attempt=delivery.attempts,
            **fields,
        )


def _binding_version(tx: WriteTx, study_key: int) -> int:
    """Return a study's binding version as it stays until *tx* ends."""
    locked = select(studies.c.binding_version).where(studies.c.key == study_key).with_for_update()
    return int(tx.execute(locked).scalar_one())


def _where(fault: Exception) -> str:
    """Return the last frames of *fault* without its text, which may hold values."""
    frames = traceback.extract_tb(fault.__traceback__)[-4:]
    return f"{type(fault).__name__} in " + " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))
