"""Whatever two workers, crashes, holds and new work do to each other: never two in flight, and the newest state arrives."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, Conflict, Unavailable
from bridge.outbox import claim, enqueue, retry, settle
from bridge.outbox.claim import Claimed
from bridge.outbox.enqueue import Work
from bridge.outbox.publisher import Hold
from bridge.store import deliveries
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from bridge.store.tables import metadata
from tests.fakes.clinic import Clinic

LANE = ("imaging_study", "ehr")
LEASE = timedelta(seconds=30)


@dataclass
class Subject:
    """One study, told as a number that rises with each change; outside: the number the other side has."""

    key: int
    uid: str
    wanted: int = 0
    outside: int = 0
    is_held: bool = False


@dataclass
class InHand:
    """What a worker holds: the delivery, and the state it read when it prepared."""

    claimed: Claimed
    subject: Subject
    read: int
    is_held: bool
    went: bool = False


@dataclass
class Hands:
    holding: dict[str, list[InHand]] = field(default_factory=lambda: {"one": [], "two": []})


@cache
def _empty_database() -> Path:
    path = Path(tempfile.mkdtemp(prefix="outbox-")) / "empty.db"
    store = Store(f"sqlite:///{path}")
    metadata.create_all(store.engine)
    store.dispose()
    atexit.register(shutil.rmtree, path.parent)
    return path


class Outbox:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="outbox-"))
        shutil.copyfile(_empty_database(), self.folder / "bridge.db")
        self.store = Store(f"sqlite:///{self.folder / 'bridge.db'}")
        self.clinic = Clinic(self.store)
        self.subjects = [
            Subject(self.clinic.study(f"2.25.{number}", series=1, instances=1).key, f"2.25.{number}")
            for number in (1, 2)
        ]
        self.hands = Hands()

    def something_changes(self, which: int, later: int) -> None:
        """An instance, a correction: the study is other than before, and is queued in the same transaction."""
        subject = self.subjects[which]
        subject.wanted += 1
        at = self.clinic.clock.now()
        work = Work(*LANE, subject.uid, study_key=subject.key)
        with self.store.write() as tx:
            reason = "V06" if subject.is_held else ""
            enqueue.enqueue(tx, work, at, at + timedelta(seconds=later), reason)

    def it_is_questioned(self, which: int) -> None:
        subject = self.subjects[which]
        subject.is_held = True
        with self.store.write() as tx:
            enqueue.hold(tx, subject.key, "V06", self.clinic.clock.now())

    def it_is_released(self, which: int) -> None:
        subject = self.subjects[which]
        subject.is_held = False
        with self.store.write() as tx:
            enqueue.release(tx, subject.key, self.clinic.clock.now())

    def a_worker_claims_and_prepares(self, worker: str) -> None:
        with self.store.write() as tx:
            claimed = claim.claim(tx, LANE, worker, self.clinic.clock.now(), LEASE)
        if claimed is not None:
            subject = next(one for one in self.subjects if one.uid == claimed.delivery.order_of)
            self.hands.holding[worker].append(InHand(claimed, subject, subject.wanted, subject.is_held))

    def a_send_goes_out(self, worker: str) -> None:
        """The other side takes it, if the lease holds just before; the answer is still on its way."""
        for held in self.hands.holding[worker]:
            with self.store.read() as tx:
                held.went = not held.is_held and claim.is_ours(tx, held.claimed)
            if held.went:
                held.subject.outside = max(held.subject.outside, held.read)

    def an_answer_comes(self, worker: str) -> None:
        """What went out is settled as sent, what must not leave as held."""
        for held in list(self.hands.holding[worker]):
            if held.went or held.is_held:
                self.hands.holding[worker].remove(held)
                self._settle(held, "held" if held.is_held else "sent")

    def it_goes_back(self, worker: str, outcome: BridgeError | str) -> None:
        """A send fails, its answer is lost after it went out, or it was too early."""
        for held in self._take(worker):
            self._settle(held, outcome)

    def a_worker_dies(self, worker: str) -> None:
        self.hands.holding[worker].clear()

    def time_passes(self, secs: int) -> None:
        self.clinic.clock.at += timedelta(seconds=secs)

    def check(self) -> None:
        with self.store.read() as tx:
            everything = deliveries.search(tx, limit=1000)
        for subject in self.subjects:
            found = [one.state for one in everything if one.order_of == subject.uid]
            assert sum(1 for state in found if state == DeliveryState.SENDING) <= 1
            assert sum(1 for state in found if state in (DeliveryState.PENDING, DeliveryState.HELD)) <= 1
            if subject.outside < subject.wanted:
                assert set(found) - {DeliveryState.SENT}, "a change that nothing will bring out"

    def settle_everything(self) -> None:
        """Let what is held be released, and all be sent: what is outside is what was wanted last."""
        self.hands = Hands()
        for which, subject in enumerate(self.subjects):
            if subject.is_held:
                self.it_is_released(which)
        for _ in range(60):
            if not self._unsent():
                break
            self.clinic.clock.at += timedelta(minutes=20)
            self.a_worker_claims_and_prepares("one")
            self.a_send_goes_out("one")
            self.an_answer_comes("one")
        assert self._unsent() == []
        assert [one.outside for one in self.subjects] == [one.wanted for one in self.subjects]

    def close(self) -> None:
        self.store.dispose()
        shutil.rmtree(self.folder)

    def _unsent(self) -> list[deliveries.Delivery]:
        with self.store.read() as tx:
            return [one for one in deliveries.search(tx, limit=1000) if one.state != DeliveryState.SENT]

    def _take(self, worker: str) -> list[InHand]:
        taken, self.hands.holding[worker] = self.hands.holding[worker], []
        return taken

    def _settle(self, held: InHand, outcome: str | BridgeError) -> None:
        at = self.clinic.clock.now()
        try:
            with self.store.write() as tx:
                settle.check_fence(tx, held.claimed, at)
                if held.is_held:
                    settle.held(tx, held.claimed, Hold("V06"), at)
                elif outcome == "sent":
                    settle.record(tx, held.claimed, "sent", "", at)
                    settle.sent(tx, held.claimed, "", at)
                elif outcome == "wait":
                    settle.wait(tx, held.claimed, at + timedelta(seconds=5), "early", at)
                elif isinstance(outcome, BridgeError):
                    decision = retry.decide(held.claimed.delivery.attempts, outcome, 0.5)
                    settle.record(tx, held.claimed, outcome.code, "", at)
                    settle.failed(tx, held.claimed, outcome, decision, at)
        except Conflict as fault:
            if fault.code != settle.LEASE_LOST:
                raise


BUSY, BUSY_LONG = Unavailable("busy"), Unavailable("busy", retry_after_secs=50)
# How often each step is drawn: changes and claims often, so that they meet; what ends a story seldom.
STEPS: list[tuple[Any, ...]] = [
    *[("something_changes", 0, later) for later in (0, 0, 0, 0, 0, 20)],
    ("something_changes", 1, 0),
    *[("a_worker_claims_and_prepares", worker) for worker in ("one", "one", "one", "two", "two")],
    *[("a_send_goes_out", worker) for worker in ("one", "one", "two")],
    *[("an_answer_comes", worker) for worker in ("one", "one", "two")],
    *[("it_goes_back", "one", outcome) for outcome in (BUSY, BUSY_LONG, "wait")],
    *[("time_passes", secs) for secs in (1, 10, 40)],
    ("it_is_questioned", 0),
    *[("it_is_released", 0)] * 3,
    ("a_worker_dies", "two"),
]


@given(steps=st.lists(st.sampled_from(STEPS), min_size=20, max_size=60))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_newest_state_arrives_and_nothing_overtakes_itself(steps: list[tuple[Any, ...]]) -> None:
    outbox = Outbox()
    try:
        for name, *arguments in steps:
            getattr(outbox, name)(*arguments)
            outbox.check()
        outbox.settle_everything()
    finally:
        outbox.close()
