"""What is kept of devices' queries, and for how long: the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.clock import FixedClock
from bridge.domain.worklist_query import AskedQuery, QueryOutcome
from bridge.flows.note_queries import trim_queries
from bridge.store import worklist_queries
from bridge.store.db import Store
from bridge.store.worklist_queries import Repeat

TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
ASKED = AskedQuery("CT1", "10.0.0.5", "a1", QueryOutcome.ANSWERED, "BRIDGE", 0, identifier=b"key", step_keys=(3, 4))


def kept(store: Store) -> list[int]:
    with store.read() as tx:
        return [one.times for one in worklist_queries.listed(tx, "", limit=10_000)]


def test_a_query_comes_back_as_it_was_kept(store: Store) -> None:
    asked = replace(ASKED, reason="why", transfer_syntax_uid="1.2", was_cut=True, secs=0.25)
    with store.write() as tx:
        key = worklist_queries.add(tx, asked, 3, TEN, TEN + timedelta(minutes=1))
    with store.read() as tx:
        found = worklist_queries.get(tx, key)
    assert found.asked == asked
    assert (found.asked_at, found.last_asked_at, found.times) == (TEN, TEN + timedelta(minutes=1), 3)


def test_a_repeat_is_counted_in_its_row(store: Store) -> None:
    later = TEN + timedelta(minutes=5)
    with store.write() as tx:
        key = worklist_queries.add(tx, ASKED, 1, TEN, TEN)
        worklist_queries.repeat(tx, [Repeat(key, 4, later, "a2", 0.5)])
    with store.read() as tx:
        found = worklist_queries.get(tx, key)
    assert (found.times, found.asked_at, found.last_asked_at) == (5, TEN, later)
    assert (found.asked.association, found.asked.secs) == ("a2", 0.5)


def test_a_device_sees_its_own_newest_first_and_page_by_page(store: Store) -> None:
    with store.write() as tx:
        rows = [worklist_queries.add(tx, ASKED, 1, TEN, TEN + timedelta(minutes=9 - n)) for n in range(3)]
        worklist_queries.add(tx, replace(ASKED, calling_ae_title="MR1"), 1, TEN, TEN)
    with store.read() as tx:
        assert [one.key for one in worklist_queries.listed(tx, "CT1", limit=2)] == [rows[2], rows[1]]
        assert [one.key for one in worklist_queries.listed(tx, "CT1", limit=2, before=rows[1])] == [rows[0]]
        assert [one.key for one in worklist_queries.newest_of(tx, ("CT1", "CT1A"), 2)] == [rows[0], rows[1]]
        assert worklist_queries.titles(tx, TEN) == ["CT1", "MR1"]


def test_what_was_last_asked_long_ago_goes_and_the_rest_stays(store: Store) -> None:
    clock = FixedClock(TEN)
    with store.write() as tx:
        for days in (0, 13, 15, 40):
            at = TEN - timedelta(days=days)
            worklist_queries.add(tx, ASKED, 1 + days, at - timedelta(days=1), at)
    assert trim_queries(store, clock, 14) == 2
    assert kept(store) == [14, 1]


def test_however_many_there_are_they_go(store: Store) -> None:
    with store.write() as tx:
        for number in range(2100):
            asked = replace(ASKED, identifier=b"%d" % number)
            worklist_queries.add(tx, asked, 1, TEN - timedelta(days=30), TEN - timedelta(days=30))
    assert trim_queries(store, FixedClock(TEN), 14) == 2100


def test_no_more_than_so_many_are_kept_whatever_their_age(store: Store) -> None:
    with store.write() as tx:
        for _ in range(20):
            worklist_queries.add(tx, ASKED, 1, TEN, TEN)
        assert worklist_queries.trim(tx, TEN - timedelta(days=1), 5) == 15
    assert len(kept(store)) == 5


def test_keeping_none_forgets_what_was_kept_before(store: Store) -> None:
    with store.write() as tx:
        worklist_queries.add(tx, ASKED, 1, TEN - timedelta(hours=1), TEN - timedelta(hours=1))
    assert trim_queries(store, FixedClock(TEN), 0) == 1
