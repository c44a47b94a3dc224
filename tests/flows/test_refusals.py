"""What the doors turn away is counted and written, however often it comes and whatever the database does meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridge.clock import Clock
from bridge.flows.note_refusals import Refusal, RefusalBook
from bridge.store import audit, schema
from bridge.store.db import Store
from tests.product.running import wait_for

REJECTED = Refusal("association_rejected", "10.0.0.7", "calling_ae_title", "peer:NOBODY", {"called": "BRIDGE"})


@pytest.fixture
def book(store: Store) -> Iterator[RefusalBook]:
    found = RefusalBook(store, Clock())
    found.start()
    yield found
    found.stop()


def rows(store: Store) -> list[tuple[str, str, int]]:
    with store.read() as tx:
        return [(one.action, one.outcome, one.detail["times"]) for one in audit.recent(tx, limit=10_000)]


def test_the_first_of_a_kind_is_written_soon(store: Store, book: RefusalBook) -> None:
    book.note(REJECTED)
    assert wait_for(lambda: rows(store), "a row") == [("association_rejected", "calling_ae_title", 1)]


def test_more_of_the_same_are_one_row_with_their_number(store: Store, book: RefusalBook) -> None:
    book.note(REJECTED)
    wait_for(lambda: rows(store), "the first row")
    for title in ("peer:A", "peer:B", "peer:C"):
        book.note(Refusal(REJECTED.action, REJECTED.origin, REJECTED.outcome, title))
    book.stop()
    assert sorted(times for *_, times in rows(store)) == [1, 3]


def test_a_flood_stops_nobody_and_fills_nothing(store: Store, book: RefusalBook) -> None:
    for number in range(5000):
        book.note(Refusal("connection_refused", f"10.{number // 250}.0.{number % 250}", "plain", "stranger"))
    book.stop()
    assert 0 < len(rows(store)) <= 500


def test_what_a_locked_database_does_not_take_is_written_later(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'bridge.db'}")
    schema.migrate(store)
    book = RefusalBook(store, Clock())
    with closing(sqlite3.connect(tmp_path / "bridge.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        book.start()
        book.note(REJECTED)
        # Long enough for one vain try of the book's own.
        with pytest.raises(Exception, match="busy"), store.write():
            pass
        assert rows(store) == []
        other.execute("ROLLBACK")
    assert wait_for(lambda: rows(store), "the row") == [("association_rejected", "calling_ae_title", 1)]
    book.stop()
    store.dispose()
