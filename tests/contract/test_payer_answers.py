"""Payers' answers on both databases: each is kept, of those that only put off the first and the last in a row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from bridge.domain.submission import PayerAnswer
from bridge.store import submissions
from bridge.store.db import Store
from bridge.store.tables import payer_answers

AT = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


def kept(store: Store) -> list[tuple[int, int]]:
    """Return status and hour of each answer that is kept, oldest first."""
    with store.read() as tx:
        rows = tx.execute(select(payer_answers).order_by(payer_answers.c.key)).all()
    return [(row.status, (row.heard_at - AT) // timedelta(hours=1)) for row in rows]


def test_of_answers_that_put_off_the_ends_of_each_run_are_kept(store: Store) -> None:
    for hour, status in enumerate((503, 503, 503, 503, 429, 429, 429, 503)):
        with store.write() as tx:
            submissions.add_not_now(tx, PayerAnswer(0, None, AT + timedelta(hours=hour), b"busy", status=status))
    assert kept(store) == [(503, 0), (503, 3), (429, 4), (429, 6), (503, 7)]


def test_any_other_answer_is_kept_always(store: Store) -> None:
    for hour in range(3):
        with store.write() as tx:
            submissions.add_answer(tx, PayerAnswer(0, None, AT + timedelta(hours=hour), b"no", status=422))
    assert kept(store) == [(422, 0), (422, 1), (422, 2)]
