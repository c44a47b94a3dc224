"""The worker's three beats, with a publisher that does what the test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from bridge.clock import Clock
from bridge.domain.study import Study, StudyState
from bridge.errors import BridgeError, Conflict, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.enqueue import Work
from bridge.outbox.publisher import Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.outbox.worker import Worker
from bridge.store import deliveries, studies
from bridge.store.db import ReadTx, Store, WriteTx
from bridge.store.deliveries import Delivery, DeliveryState, HoldKind
from tests.fakes.clinic import AT, Clinic

LIMIT_SECS = 10.0


@dataclass
class Scripted:
    """A publisher that plays what it is given, and remembers what it was asked."""

    topic: str = "imaging_study"
    destinations: tuple[str, ...] = ("ehr", "slow")
    prepared: Callable[[Delivery], Parcel | NotYet | Hold | Nothing] = lambda one: Parcel(one, None, 0)
    sending: Callable[[Parcel, StillWanted], Receipt] = lambda parcel, wanted: Receipt("done")
    sent: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    failures: list[tuple[str, bool]] = field(default_factory=list)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> Parcel | NotYet | Hold | Nothing:
        return self.prepared(delivery)

    def send(self, parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        receipt = self.sending(parcel, still_wanted)
        self.sent.append(parcel.delivery.order_of)
        return receipt

    def settled(self, tx: WriteTx, parcel: Parcel, receipt: Receipt, at: datetime) -> None:
        self.recorded.append(parcel.delivery.order_of)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        self.failures.append((detail, is_dead))


@pytest.fixture
def running() -> Iterator[list[Worker]]:
    """Workers that are stopped when the test ends."""
    workers: list[Worker] = []
    yield workers
    for worker in workers:
        worker.stop(2)


def until(look: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_SECS
    while not look():
        assert time.monotonic() < ends_at, "waited too long"
        threading.Event().wait(0.01)


def queue(store: Store, order_of: str, destination: str = "ehr", at: datetime = AT) -> None:
    with store.write() as tx:
        enqueue.enqueue(tx, Work("imaging_study", destination, order_of), at)


def states(store: Store) -> list[str]:
    with store.read() as tx:
        return [one.state.value for one in deliveries.search(tx)][::-1]


def by_hand(store: Store, publisher: Scripted) -> Worker:
    return Worker(store, Clinic(store).clock, [publisher], owner="test", jitter=lambda: 0.5)


def refuse(fault: BridgeError | Exception) -> Callable[[Parcel, StillWanted], Receipt]:
    def send(parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        raise fault

    return send


def test_a_delivery_is_sent_recorded_and_its_attempt_noted(store: Store) -> None:
    publisher = Scripted()
    queue(store, "2.25.1")
    assert by_hand(store, publisher).run_due() == 1
    assert (publisher.sent, publisher.recorded, states(store)) == (["2.25.1"], ["2.25.1"], ["sent"])
    with store.read() as tx:
        (attempt,) = deliveries.attempts_of(tx, 1)
    assert (attempt.outcome, attempt.node) == ("sent", "test")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (NotYet(AT + timedelta(seconds=5), "early"), "pending"),
        (Hold("not bound"), "held"),
        (Nothing("gone"), "sent"),
    ],
)
def test_what_is_not_sent_leaves_no_attempt(store: Store, answer: NotYet | Hold | Nothing, state: str) -> None:
    publisher = Scripted(prepared=lambda one: answer)
    queue(store, "2.25.1")
    by_hand(store, publisher).run_due()
    assert (states(store), publisher.sent) == ([state], [])
    with store.read() as tx:
        assert deliveries.attempts_of(tx, 1) == []


def test_a_failure_that_may_pass_is_retried_later_with_its_reason(store: Store) -> None:
    publisher = Scripted(sending=refuse(Unavailable("the server answers 503")))
    queue(store, "2.25.1")
    by_hand(store, publisher).run_due()
    with store.read() as tx:
        (one,) = deliveries.search(tx)
    assert (one.state, one.last_error) == (DeliveryState.PENDING, "the server answers 503")
    assert one.next_at > AT
    assert publisher.failures == [("the server answers 503", False)]


def test_a_failure_that_will_not_pass_is_dead(store: Store) -> None:
    publisher = Scripted(sending=refuse(Conflict("twice")))
    queue(store, "2.25.1")
    by_hand(store, publisher).run_due()
    assert (states(store), publisher.failures) == (["dead"], [("twice", True)])


def test_the_words_of_an_unknown_exception_are_kept_nowhere(store: Store) -> None:
    publisher = Scripted(sending=refuse(ValueError("HALVORSEN^INGRID")))
    queue(store, "2.25.1")
    by_hand(store, publisher).run_due()
    with store.read() as tx:
        (one,) = deliveries.search(tx)
        (attempt,) = deliveries.attempts_of(tx, one.key)
    assert "HALVORSEN" not in f"{one} {attempt}"
    assert "ValueError" in one.last_error


def test_a_part_that_was_taken_is_recorded_and_the_rest_is_retried(store: Store) -> None:
    publisher = Scripted(sending=lambda parcel, wanted: Receipt("1 of 2", fault=Unavailable("the rest")))
    queue(store, "2.25.1")
    by_hand(store, publisher).run_due()
    assert (publisher.recorded, states(store)) == (["2.25.1"], ["pending"])


def test_a_rest_that_needs_a_person_is_held(store: Store) -> None:
    publisher = Scripted(
        sending=lambda parcel, wanted: Receipt("1 of 2", held=Hold("cannot be corrected", HoldKind.OBJECTS))
    )
    queue(store, "2.25.1")
    by_hand(store, publisher).run_due()
    with store.read() as tx:
        (one,) = deliveries.search(tx)
    assert (one.state, one.held_reason, one.hold_kind) == ("held", "cannot be corrected", HoldKind.OBJECTS)


def test_a_changed_binding_stops_the_send_and_costs_no_attempt(store: Store) -> None:
    clinic = Clinic(store)
    patient = clinic.patient("00041001")
    study = clinic.bind(clinic.study("2.25.1"), patient)
    seen: list[int] = []

    def prepare(one: Delivery) -> Parcel | Nothing:
        seen.append(one.attempts)
        return Parcel(one, study.key, study.binding_version) if len(seen) == 1 else Nothing("seen twice")

    def send(parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        clinic.bind(study, patient)
        still_wanted()
        return Receipt("sent all the same")

    publisher = Scripted(prepared=prepare, sending=send)
    clinic.queue("imaging_study", "ehr", study)
    by_hand(store, publisher).run_due()
    assert publisher.sent == []
    assert seen == [1, 1]


def test_work_that_arrives_while_its_like_is_sent_is_sent_after_it(store: Store) -> None:
    def send(parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        if not publisher.sent:
            queue(store, "2.25.1")
        return Receipt("done")

    publisher = Scripted(sending=send)
    queue(store, "2.25.1")
    by_hand(store, publisher).run_due()
    assert publisher.sent == ["2.25.1", "2.25.1"]


def test_a_running_worker_sends_what_is_queued_and_stops_when_told(store: Store, running: list[Worker]) -> None:
    publisher = Scripted()
    worker = Worker(store, Clock(), [publisher], owner="one")
    worker.start()
    running.append(worker)
    for number in range(20):
        queue(store, f"2.25.{number}", at=Clock().now())
    worker.notify()
    until(lambda: states(store) == ["sent"] * 20)
    assert sorted(publisher.sent) == sorted({f"2.25.{number}" for number in range(20)})
    assert worker.stop(5)
    assert not worker.is_alive


def test_a_slow_destination_does_not_keep_another_waiting(store: Store, running: list[Worker]) -> None:
    free = threading.Event()

    def send(parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        if parcel.delivery.destination == "slow":
            free.wait(LIMIT_SECS)
        return Receipt("done")

    publisher = Scripted(sending=send)
    worker = Worker(store, Clock(), [publisher], owner="one")
    worker.start()
    running.append(worker)
    now = Clock().now()
    for number in range(5):
        queue(store, f"2.25.1{number}", "slow", now)
    queue(store, "2.25.2", "ehr", now)
    worker.notify()
    until(lambda: publisher.sent == ["2.25.2"])
    free.set()
    until(lambda: states(store) == ["sent"] * 6)


def test_a_long_send_keeps_its_lease(store: Store, running: list[Worker]) -> None:
    free, begun = threading.Event(), threading.Event()

    def send(parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        begun.set()
        free.wait(LIMIT_SECS)
        return Receipt("done")

    publisher = Scripted(sending=send)
    workers = [Worker(store, Clock(), [publisher], owner=name, lease_secs=0.6) for name in ("one", "two")]
    queue(store, "2.25.1", at=Clock().now())
    for worker in workers:
        worker.start()
        running.append(worker)
    assert begun.wait(LIMIT_SECS)
    with store.read() as tx:
        first = deliveries.get(tx, 1)

    def was_extended_twice() -> bool:
        with store.read() as tx:
            now = deliveries.get(tx, 1)
        assert now.fence == first.fence, "another worker took it"
        assert now.lease_until is not None
        assert first.lease_until is not None
        return now.lease_until > first.lease_until + timedelta(seconds=1)

    until(was_extended_twice)
    free.set()
    until(lambda: states(store) == ["sent"])
    assert publisher.sent == ["2.25.1"]


def test_a_worker_that_dies_in_the_middle_leaves_its_delivery_to_another(store: Store, running: list[Worker]) -> None:
    clinic = Clinic(store)
    queue(store, "2.25.1")
    clinic.clock.at = AT

    class Killed(BaseException):
        pass

    def die(parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        raise Killed

    with pytest.raises(Killed):
        Worker(store, clinic.clock, [Scripted(sending=die)], owner="one").run_due()
    assert states(store) == ["sending"]
    clinic.clock.at += timedelta(seconds=31)
    publisher = Scripted()
    Worker(store, clinic.clock, [publisher], owner="two").run_due()
    assert (publisher.sent, states(store)) == (["2.25.1"], ["sent"])


def test_what_waits_for_a_place_that_is_not_configured_is_held_until_it_is(store: Store, running: list[Worker]) -> None:
    queue(store, "2.25.1", "gone")
    for destinations, state in ((("ehr",), "held"), (("ehr", "gone"), "sent")):
        worker = Worker(store, Clinic(store).clock, [Scripted(destinations=destinations)], owner="one")
        worker.start()
        running.append(worker)
        until(lambda state=state: states(store) == [state])
        worker.stop(5)


def bound_and_queued(store: Store) -> tuple[Clinic, Study]:
    clinic = Clinic(store)
    study = clinic.bind(clinic.study("2.25.1"), clinic.patient("00041001"))
    clinic.queue("imaging_study", "ehr", study)
    return clinic, study


def test_a_study_is_held_before_anybody_looks_what_stands_outside(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.is_sqlite:
        pytest.skip("on SQLite nobody claims while another writes")
    clinic, study = bound_and_queued(store)
    looked, claimed = threading.Event(), threading.Event()
    look = deliveries.may_stand_outside

    def look_slowly(tx: ReadTx, study_key: int, topic: str) -> set[tuple[str, str]]:
        seen = look(tx, study_key, topic)
        looked.set()
        claimed.wait(1.0)
        return seen

    def prepare(one: Delivery) -> Parcel | Nothing:
        claimed.set()
        deciding.join(LIMIT_SECS)
        return Nothing("claimed between the look and the hold")

    monkeypatch.setattr(deliveries, "may_stand_outside", look_slowly)
    deciding = threading.Thread(target=clinic.question, args=[study])
    deciding.start()
    assert looked.wait(LIMIT_SECS)
    by_hand(store, Scripted(prepared=prepare)).run_due()
    deciding.join(LIMIT_SECS)
    assert states(store) == ["held"]


def test_what_left_under_a_binding_that_nobody_saw_change_is_looked_at_again(store: Store) -> None:
    _, study = bound_and_queued(store)

    def send(parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        with store.write() as tx:
            now = studies.get(tx, study.key)
            studies.save(tx, replace(now, state=StudyState.REVIEW, patient_key=None, binding_version=2))
        return Receipt("done")

    seen: list[int] = []

    def prepare(one: Delivery) -> Parcel | Nothing:
        seen.append(one.key)
        return Parcel(one, study.key, study.binding_version) if len(seen) == 1 else Nothing("seen again")

    by_hand(store, Scripted(prepared=prepare, sending=send)).run_due()
    assert len(seen) == 2
    assert states(store) == ["sent", "sent"]


def test_a_decision_that_is_being_made_while_a_delivery_ends_is_waited_for(store: Store) -> None:
    if store.is_sqlite:
        pytest.skip("on SQLite nobody ends a delivery while another writes")
    _, study = bound_and_queued(store)
    deciding, ended = threading.Event(), threading.Event()

    def decide() -> None:
        with store.write() as tx:
            studies.save(tx, replace(studies.get(tx, study.key), binding_version=study.binding_version + 1))
            deciding.set()
            ended.wait(0.5)

    other = threading.Thread(target=decide)

    def send(parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        other.start()
        assert deciding.wait(LIMIT_SECS)
        return Receipt("done")

    seen: list[int] = []

    def prepare(one: Delivery) -> Parcel | Nothing:
        seen.append(one.key)
        return Parcel(one, study.key, study.binding_version) if len(seen) == 1 else Nothing("seen again")

    by_hand(store, Scripted(prepared=prepare, sending=send)).run_due()
    ended.set()
    other.join(LIMIT_SECS)
    assert len(seen) == 2
