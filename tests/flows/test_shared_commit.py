"""Threads that commit at once share a commit, and each hears what came of its own item."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from bridge.clock import FixedClock
from bridge.domain.study import Spooled
from bridge.errors import Conflict, Unavailable
from bridge.flows.shared_commit import SharedCommit
from bridge.store.tables import instances
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled
from tests.flows.asking import say

_LIMIT_SECS = 30


class Writer:
    """Writes what it is given, the first batch only once `go` is set."""

    def __init__(self, outcome: Callable[[int], int | Exception]) -> None:
        self.batches: list[list[int]] = []
        self.began, self.go = threading.Event(), threading.Event()
        self._outcome = outcome

    def write(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.began.set()
        assert self.go.wait(_LIMIT_SECS)
        return [self._outcome(item) for item in items]


def submit_while_the_first_is_written(writer: Writer, others: Sequence[int]) -> list[Future[int]]:
    """Submit 0, and *others* while it is written."""
    shared: SharedCommit[int, int] = SharedCommit(writer.write)
    pool = ThreadPoolExecutor(len(others) + 1)
    futures = [pool.submit(shared.submit, 0)]
    assert writer.began.wait(_LIMIT_SECS)
    futures += [pool.submit(shared.submit, item) for item in others]
    waiting = threading.Condition()
    with waiting:
        assert waiting.wait_for(lambda: _waits(shared, len(others), waiting), _LIMIT_SECS)
    writer.go.set()
    pool.shutdown(wait=True)
    return futures


def _waits(shared: SharedCommit[int, int], count: int, waiting: threading.Condition) -> bool:
    if shared.waiting_count < count:
        threading.Timer(0.005, _wake, [waiting]).start()
    return shared.waiting_count >= count


def _wake(waiting: threading.Condition) -> None:
    with waiting:
        waiting.notify_all()


def test_what_gathers_while_one_is_written_shares_the_next_commit() -> None:
    writer = Writer(lambda item: item * 10)
    futures = submit_while_the_first_is_written(writer, [1, 2, 3])
    assert [future.result() for future in futures] == [0, 10, 20, 30]
    assert [sorted(batch) for batch in writer.batches] == [[0], [1, 2, 3]]


def test_an_item_s_own_fault_is_raised_to_its_thread_only() -> None:
    writer = Writer(lambda item: Conflict("taken", code="taken") if item == 2 else item)
    futures = submit_while_the_first_is_written(writer, [1, 2, 3])
    assert [type(future.exception()) for future in futures] == [type(None), type(None), Conflict, type(None)]


def test_what_ends_a_commit_is_heard_by_all_who_shared_it_and_by_nobody_after() -> None:
    writer = Writer(lambda item: item)
    answer = writer.write

    def write(items: Sequence[int]) -> list[int | Exception]:
        outcomes = answer(items)
        if 1 in items:
            raise Unavailable("the disk is full", code="disk_full")
        return outcomes

    writer.write = write  # type: ignore[method-assign]
    futures = submit_while_the_first_is_written(writer, [1, 2, 3])
    assert futures[0].result() == 0
    assert {type(future.exception()) for future in futures[1:]} == {Unavailable}
    shared: SharedCommit[int, int] = SharedCommit(lambda items: [_refuse(item) for item in items])
    with pytest.raises(Unavailable):
        shared.submit(1)
    assert shared.submit(2) == 2


def _refuse(item: int) -> int | Exception:
    return Unavailable("not now", code="disk_full") if item == 1 else item


def test_many_threads_get_their_own_outcome_each() -> None:
    written: list[int] = []

    def write(items: Sequence[int]) -> list[int]:
        written.extend(items)
        return [item + 1 for item in items]

    shared: SharedCommit[int, int] = SharedCommit(write)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(shared.submit, range(2000))) == list(range(1, 2001))
    assert sorted(written) == list(range(2000))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_object_that_the_database_refuses_takes_no_other_with_it(make_house: Callable[..., House]) -> None:
    house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    refusing = "CREATE TRIGGER refusing BEFORE INSERT ON instances WHEN NEW.sop_instance_uid LIKE '%.13' "
    with house.store.write() as tx:
        tx.execute(text(refusing + "BEGIN SELECT RAISE(ABORT, 'no'); END"))
    sent = [spooled(house, image(PLAIN, "A1", number)) for number in range(1, 17)]
    start = threading.Barrier(len(sent))

    def receive(one: Spooled) -> bool:
        start.wait(_LIMIT_SECS)
        try:
            house.instances.receive(one)
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(len(sent)) as pool:
        answered = [
            one.affected_sop_instance_uid for one, kept in zip(sent, pool.map(receive, sent), strict=True) if kept
        ]
    with house.store.read() as tx:
        found = set(tx.execute(select(instances.c.sop_instance_uid)).scalars())
    assert found == set(answered)
    assert len(answered) == len(sent) - 1
