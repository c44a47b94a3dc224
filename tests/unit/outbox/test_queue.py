"""Queueing, holding, claiming and putting back: what the rows say afterwards."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from bridge.domain.chart import Part
from bridge.errors import Conflict, Refused, Unavailable
from bridge.outbox import claim, enqueue, retry, settle, strays
from bridge.outbox.claim import Claimed
from bridge.outbox.enqueue import Work
from bridge.outbox.publisher import Hold
from bridge.store import deliveries
from bridge.store.db import Store
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.embedded import hold_every_delivery
from tests.fakes.clinic import AT, Clinic

LANE = ("imaging_study", "ehr")
LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


def queue(store: Store, order_of: str = "2.25.1", *, after: timedelta = timedelta(), held_reason: str = "") -> None:
    with store.write() as tx:
        enqueue.enqueue(tx, Work(*LANE, order_of), AT, AT + after, held_reason)


def take(store: Store, at_secs: float = 0, owner: str = "one") -> Claimed | None:
    with store.write() as tx:
        return claim.claim(tx, LANE, owner, AT + timedelta(seconds=at_secs), LEASE)


def taken(store: Store, at_secs: float = 0) -> Claimed:
    found = take(store, at_secs)
    assert found is not None
    return found


def rows(store: Store) -> list[Delivery]:
    with store.read() as tx:
        return deliveries.search(tx)[::-1]


def states(store: Store) -> list[str]:
    return [one.state.value for one in rows(store)]


def fail(store: Store, claimed: Claimed, fault: Exception, at_secs: float = 0) -> None:
    at = AT + timedelta(seconds=at_secs)
    with store.write() as tx:
        settle.check_fence(tx, claimed, at)
        settle.failed(tx, claimed, fault, retry.decide(claimed.delivery.attempts, fault, 1.0), at)


def test_the_same_work_waits_once_and_is_due_at_the_earlier_time(store: Store) -> None:
    queue(store, after=20 * SECOND)
    queue(store, after=5 * SECOND)
    queue(store, after=60 * SECOND)
    (one,) = rows(store)
    assert one.next_at == AT + 5 * SECOND


def test_more_work_does_not_cut_a_back_off_short(store: Store) -> None:
    queue(store)
    fail(store, taken(store), Unavailable("busy", retry_after_secs=60))
    queue(store)
    (one,) = rows(store)
    assert one.next_at >= AT + 60 * SECOND


def test_work_queued_while_its_like_is_in_flight_waits_behind_it(store: Store) -> None:
    queue(store)
    taken(store)
    queue(store)
    queue(store)
    assert states(store) == ["sending", "pending"]
    assert take(store) is None


def test_work_behind_a_delivery_that_goes_back_becomes_one_with_it(store: Store) -> None:
    queue(store)
    claimed = taken(store)
    queue(store)
    fail(store, claimed, Unavailable("busy"))
    (one,) = rows(store)
    assert (one.key, one.state, one.attempts) == (claimed.key, "pending", 1)


def test_work_behind_a_delivery_that_dies_goes_its_own_way(store: Store) -> None:
    queue(store)
    claimed = taken(store)
    queue(store)
    fail(store, claimed, Conflict("no"))
    assert states(store) == ["dead", "pending"]
    assert take(store) is not None


def test_a_delivery_that_is_not_ready_costs_no_attempt(store: Store) -> None:
    queue(store)
    claimed = taken(store)
    with store.write() as tx:
        settle.wait(tx, claimed, AT + 9 * SECOND, "not complete", AT)
    (one,) = rows(store)
    assert (one.attempts, one.next_at) == (0, AT + 9 * SECOND)


def test_what_kept_a_delivery_from_starting_is_not_said_of_it_once_it_was_tried(store: Store) -> None:
    queue(store)
    claimed = taken(store)
    with store.write() as tx:
        settle.wait(tx, claimed, AT + SECOND, "images are still coming", AT)
    assert rows(store)[0].detail == "images are still coming"
    fail(store, taken(store, 2), Unavailable("nobody is there", code="destination_down"), 2)
    (row,) = rows(store)
    assert (row.detail, row.last_error) == ("", "nobody is there")


def test_held_work_is_not_claimed_and_is_freed_by_work_without_a_reason(store: Store) -> None:
    queue(store, held_reason="V06")
    assert take(store) is None
    queue(store)
    assert states(store) == ["pending"]


@pytest.mark.parametrize("kind", [HoldKind.IDENTITY, HoldKind.RECEIVER, HoldKind.OBJECTS])
def test_news_of_what_is_held_is_looked_at_whatever_held_it(store: Store, kind: HoldKind) -> None:
    queue(store)
    claimed = taken(store)
    with store.write() as tx:
        settle.held(tx, claimed, Hold("for a reason", kind), AT)
    (held,) = rows(store)
    assert (held.state, held.held_reason, held.hold_kind) == ("held", "for a reason", kind)
    queue(store, held_reason="V06")
    (doubted,) = rows(store)
    assert (doubted.held_reason, doubted.hold_kind) == ("V06", HoldKind.IDENTITY)
    queue(store)
    assert (states(store), rows(store)[0].hold_kind) == (["pending"], HoldKind.NONE)


def test_a_reason_does_not_hold_what_waits_already(store: Store) -> None:
    queue(store)
    queue(store, held_reason="V06")
    assert states(store) == ["pending"]


def test_a_hold_that_meets_a_release_in_flight_is_looked_at_again(store: Store) -> None:
    queue(store)
    claimed = taken(store)
    queue(store)
    with store.write() as tx:
        settle.held(tx, claimed, Hold("not bound"), AT)
    assert states(store) == ["pending"]


def test_a_study_that_was_never_tried_is_held_and_one_that_was_is_taken_back(store: Store) -> None:
    clinic = Clinic(store)
    fresh, tried = clinic.study("2.25.1"), clinic.study("2.25.2")
    clinic.queue(*LANE, tried)
    claimed = taken(store)
    with store.write() as tx:
        settle.record(tx, claimed, "sent", "", AT)
        settle.sent(tx, claimed, "", AT)
    clinic.queue(*LANE, fresh)
    clinic.question(fresh)
    clinic.question(tried)
    assert {(one.order_of, one.state.value) for one in rows(store)} == {
        ("2.25.1", "held"),
        ("2.25.2", "sent"),
        ("2.25.2", "pending"),
    }


def test_a_study_in_flight_when_it_is_questioned_is_looked_at_again(store: Store) -> None:
    clinic = Clinic(store)
    study = clinic.study("2.25.1")
    clinic.queue(*LANE, study)
    taken(store)
    clinic.question(study)
    assert states(store) == ["sending", "pending"]


def test_a_release_frees_what_is_held_and_looks_again_at_what_is_in_flight(store: Store) -> None:
    clinic = Clinic(store)
    study = clinic.study("2.25.1")
    clinic.queue(*LANE, study)
    taken(store)
    clinic.queue("archive", "PACS", study, held_reason="V06")
    with store.write() as tx:
        enqueue.release(tx, study.key, AT)
    assert states(store) == ["sending", "pending", "pending"]


def test_a_nudge_brings_a_waiting_delivery_forward(store: Store) -> None:
    clinic = Clinic(store)
    study = clinic.study("2.25.1")
    with store.write() as tx:
        enqueue.enqueue(tx, Work(*LANE, "2.25.1", study_key=study.key), AT, AT + 60 * SECOND)
    assert take(store) is None
    with store.write() as tx:
        enqueue.nudge(tx, study.key, "imaging_study", AT)
    assert take(store) is not None


def test_a_lease_that_ends_brings_the_delivery_back_and_notes_the_lost_attempt(store: Store) -> None:
    queue(store)
    first = taken(store)
    assert take(store, 29, "two") is None
    second = take(store, 31, "two")
    assert second is not None
    assert (second.key, second.delivery.attempts) == (first.key, 2)
    with store.read() as tx:
        assert [one.outcome for one in deliveries.attempts_of(tx, first.key)] == ["lost"]


def test_an_owner_that_lost_its_lease_writes_nothing(store: Store) -> None:
    queue(store)
    first = taken(store)
    take(store, 31, "two")
    with pytest.raises(Conflict), store.write() as tx:
        settle.check_fence(tx, first, AT)


def test_a_heartbeat_keeps_a_delivery(store: Store) -> None:
    queue(store)
    claimed = taken(store)
    with store.write() as tx:
        claim.extend(tx, [claimed], "one", AT + 60 * SECOND)
    assert take(store, 45, "two") is None


def test_a_refusal_rests_the_whole_destination(store: Store) -> None:
    queue(store, "2.25.1")
    queue(store, "2.25.2")
    fail(store, taken(store), Unavailable("slow", code=retry.THROTTLED, retry_after_secs=60))
    assert take(store, 59) is None
    assert take(store, 70) is not None


def test_what_slows_one_kind_down_slows_all_that_goes_to_the_server(store: Store) -> None:
    queue(store)
    with store.write() as tx:
        enqueue.enqueue(tx, enqueue.chart_part(Part("Procedure", 1), "ehr", None), AT)
        enqueue.enqueue(tx, enqueue.chart_part(Part("Procedure", 1), "other", None), AT)
    fail(store, taken(store), Unavailable("slow", code=retry.THROTTLED, retry_after_secs=60))
    assert [one.next_at > AT for one in rows(store)] == [True, True, False]


@pytest.mark.parametrize(("code", "rests"), [(retry.FORBIDDEN, False), ("unauthorized", True)])
def test_a_kind_that_may_not_be_written_keeps_no_other_kind_waiting(store: Store, code: str, rests: bool) -> None:
    with store.write() as tx:
        for part in (Part("Procedure", 1), Part("Procedure", 2), Part("DiagnosticReport", 1)):
            enqueue.enqueue(tx, enqueue.chart_part(part, "ehr", None), AT)
        claimed = claim.claim(tx, (enqueue.CHART_PART, "ehr"), "one", AT, LEASE)
    assert claimed is not None
    fail(store, claimed, Refused("no", code=code))
    assert [one.next_at > AT for one in rows(store)] == [True, True, rests]


def test_after_an_outage_what_has_waited_the_longest_goes_first(store: Store) -> None:
    queue(store, "2.25.1")
    at_secs = 0.0
    down = Unavailable("nobody there", code=retry.DESTINATION_DOWN)
    for _ in range(6):
        fail(store, taken(store, at_secs), down, at_secs)
        at_secs = (rows(store)[0].next_at - AT).total_seconds()
    queue(store, "2.25.2")
    fail(store, taken(store, at_secs - 1), down, at_secs - 1)
    assert take(store, at_secs - 0.5) is None
    assert [taken(store, at_secs).delivery.order_of for _ in range(2)] == ["2.25.1", "2.25.2"]


def test_a_person_sends_a_dead_delivery_again(store: Store) -> None:
    queue(store)
    claimed = taken(store)
    fail(store, claimed, Conflict("no"))
    with store.write() as tx:
        assert enqueue.retry(tx, claimed.key, AT) == claimed.key
    assert [(one.state.value, one.attempts) for one in rows(store)] == [("pending", 0)]


def test_a_dead_delivery_with_newer_work_waiting_gives_way_to_it(store: Store) -> None:
    queue(store)
    dead = taken(store)
    fail(store, dead, Conflict("no"))
    queue(store, after=60 * SECOND)
    with store.write() as tx:
        newer = enqueue.retry(tx, dead.key, AT)
    assert newer != dead.key
    assert {one.key: one.state.value for one in rows(store)} == {dead.key: "dead", newer: "pending"}
    assert take(store) is not None


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_what_was_sent_or_is_being_sent_is_neither_retried_nor_dropped(store: Store, action: str) -> None:
    queue(store)
    claimed = taken(store)
    with pytest.raises(Conflict, match="the delivery is being sent just now"), store.write() as tx:
        enqueue.retry(tx, claimed.key, AT) if action == "retry" else enqueue.drop(tx, claimed.key, "no", AT)


def test_a_dropped_delivery_is_no_longer_counted(store: Store) -> None:
    queue(store)
    claimed = taken(store)
    fail(store, claimed, Conflict("no"))
    with store.write() as tx:
        enqueue.drop(tx, claimed.key, "not needed", AT)
    with store.read() as tx:
        assert deliveries.counts(tx) == {}
    with pytest.raises(Conflict), store.write() as tx:
        enqueue.drop(tx, claimed.key, "not needed", AT)


def test_many_claimers_never_take_the_same_delivery(store: Store) -> None:
    for number in range(24):
        queue(store, f"2.25.{number % 12}")
    found: list[int] = []
    start = threading.Barrier(4)

    def claim_all() -> None:
        start.wait(10)
        while (one := take(store, owner=threading.current_thread().name)) is not None:
            found.append(one.key)

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == sorted({one.key for one in rows(store)})
    assert len(found) == 12


def test_after_a_restore_only_a_person_lets_go_what_was_queued(store: Store) -> None:
    clinic = Clinic(store)
    sending, held = clinic.study("2.25.1"), clinic.study("2.25.2")
    clinic.queue(*LANE, sending)
    taken(store)
    clinic.queue(*LANE, sending)
    clinic.queue(*LANE, held, held_reason="V06")
    with store.write() as tx:
        hold_every_delivery(tx, clinic.clock)
    assert states(store) == ["held", "held"]

    for study in (sending, held):
        clinic.question(study)
        clinic.queue(*LANE, study)
        with store.write() as tx:
            enqueue.release(tx, study.key, AT)
    assert states(store) == ["held", "held"]
    assert all("restored" in one.held_reason for one in rows(store))
    assert take(store, 60) is None

    with store.write() as tx:
        enqueue.retry(tx, rows(store)[0].key, AT)
    assert states(store) == ["pending", "held"]


def test_a_release_does_not_free_what_has_nowhere_to_go(store: Store) -> None:
    clinic = Clinic(store)
    study = clinic.study("2.25.1")
    clinic.queue(*LANE, study)
    with store.write() as tx:
        strays.settle(tx, set(), AT)
        enqueue.release(tx, study.key, AT)
    assert states(store) == ["held"]
