"""The chain of the audit trail, on both databases."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from bridge.store import audit
from bridge.store.db import Store

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def write(store: Store, count: int = 5) -> None:
    for number in range(count):
        with store.write() as tx:
            at = AT + timedelta(seconds=number)
            audit.add(tx, at=at, action="exam_viewed", actor="user:maria", origin="10.0.0.1", detail={"n": number})


def test_a_whole_chain_holds(store: Store) -> None:
    write(store)
    with store.read() as tx:
        assert audit.first_broken(tx) is None
        assert audit.first_broken(tx, newest=2) is None
        assert [row.detail["n"] for row in audit.recent(tx, limit=3)] == [4, 3, 2]


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE audit_rows SET actor = 'user:eve' WHERE key = 3", 3),
        ("UPDATE audit_rows SET outcome = 'refused' WHERE key = 5", 5),
        ("DELETE FROM audit_rows WHERE key = 2", 3),
        ("DELETE FROM audit_rows WHERE key = 1", 2),
    ],
)
def test_an_edited_or_missing_row_is_found(store: Store, tampering: str, found: int) -> None:
    write(store)
    with store.write() as tx:
        tx.execute(text(tampering))
    with store.read() as tx:
        assert audit.first_broken(tx) == found


def test_rows_of_a_rolled_back_transaction_leave_no_trace(store: Store) -> None:
    write(store, 1)
    with suppress(LookupError), store.write() as tx:
        audit.add(tx, at=AT, action="exam_viewed", actor="user:maria")
        raise LookupError
    write(store, 1)
    with store.read() as tx:
        assert audit.first_broken(tx) is None
        assert len(audit.recent(tx, limit=9)) == 2
