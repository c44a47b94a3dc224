"""Numbers for metrics, health and the desks' open work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Table, func, select, text

from bridge.store import deliveries as outbox
from bridge.store import objects, outside_questions, questions
from bridge.store.db import ReadTx, WriteTx
from bridge.store.lanes import FAILURES_BEFORE_REST, speaks_for_its_lane
from bridge.store.tables import attachments, deliveries, instances, messages, mismatches, orders, stamps, studies


@dataclass(frozen=True, slots=True)
class Tallies:
    """Everything /metrics says of the store. deliveries: by (topic, destination, state); failing: by (topic, destination); outside: by (registry, state)."""

    messages: Mapping[str, int]
    orders: Mapping[str, int]
    studies: Mapping[str, int]
    instances: int
    mismatches: int
    damaged_objects: int
    deliveries: Mapping[tuple[str, str, str], int]
    failing: Mapping[tuple[str, str], int]
    oldest_secs: Mapping[str, float]
    outside: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Failing:
    """
    A destination that fails again and again. waiting: everything that is not out; since: when the first of what fails
    was queued, and how often that was tried, and what came of it last.
    """

    topic: str
    destination: str
    waiting: int
    since: datetime
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What waits for a person: studies to decide, deliveries given up or held, messages refused, attachments to release, questions."""

    mismatches: int
    dead: int
    held: int
    failed_messages: int
    to_release: int
    questions: int


def probe(tx: WriteTx) -> None:
    """Prove that the database takes writes and has our tables; leaves nothing behind."""
    tx.execute(select(stamps.c.name).limit(1)).first()
    tx.execute(stamps.delete().where(stamps.c.name == text("''")))


def tallies(tx: ReadTx, now: datetime) -> Tallies:
    """Count what /metrics reports."""
    return Tallies(
        messages=_by(tx, messages, messages.c.state),
        orders=_by(tx, orders, orders.c.status),
        studies=_by(tx, studies, studies.c.state),
        # Rows are only ever added, and numbered: the last number counts them without reading five million.
        instances=int(tx.execute(select(func.max(instances.c.key))).scalar() or 0),
        mismatches=_open_mismatches(tx),
        damaged_objects=objects.count_damaged(tx),
        deliveries=outbox.counts(tx),
        failing=_failing(tx),
        oldest_secs=_oldest(tx, now),
        outside=outside_questions.counts(tx),
    )


def open_work(tx: ReadTx) -> OpenWork:
    """Count what waits for a person; each number is an index range."""
    dead = select(func.count()).where(deliveries.c.state == "dead", deliveries.c.settled_at.is_(None))
    held = select(func.count()).where(deliveries.c.state == "held")
    failed = select(func.count()).where(messages.c.state == "failed")
    drafts = select(func.count()).where(attachments.c.state.in_(["draft", "review"]))
    counted = (int(tx.execute(query).scalar_one()) for query in (dead, held, failed, drafts))
    return OpenWork(*(_open_mismatches(tx), *counted, questions.count_open(tx)))


def unsettled_deliveries(tx: ReadTx) -> dict[tuple[str, str], int]:
    """Return how many deliveries are not out, by (destination, state); an index range, however many were sent."""
    query = (
        select(deliveries.c.destination, deliveries.c.state, func.count())
        .where(deliveries.c.state.in_(["pending", "sending", "held", "dead"]), deliveries.c.settled_at.is_(None))
        .group_by(deliveries.c.destination, deliveries.c.state)
    )
    return {(row[0], row[1]): int(row[2]) for row in tx.execute(query)}


def failing_destinations(tx: ReadTx) -> list[Failing]:
    """
    Return the destinations whose deliveries have failed several times and still wait, in an order that stays.

    What waits for one patient or claim to be known there says nothing of its destination.
    """
    waiting = unsettled_deliveries(tx)
    first: dict[tuple[str, str], Failing] = {}
    columns = (deliveries.c.topic, deliveries.c.destination, deliveries.c.created_at, deliveries.c.attempts)
    failing = (*_FAILS_AGAIN_AND_AGAIN, speaks_for_its_lane())
    query = select(*columns, deliveries.c.last_error).where(*failing).order_by(deliveries.c.key)
    for row in tx.execute(query):
        count = sum(waiting.get((row.destination, state), 0) for state in ("pending", "sending"))
        found = Failing(row.topic, row.destination, count, row.created_at, row.attempts, row.last_error)
        first.setdefault((row.topic, row.destination), found)
    return [first[lane] for lane in sorted(first)]


_FAILS_AGAIN_AND_AGAIN = (deliveries.c.state == "pending", deliveries.c.attempts >= FAILURES_BEFORE_REST)


def _failing(tx: ReadTx) -> dict[tuple[str, str], int]:
    query = select(deliveries.c.topic, deliveries.c.destination, func.count()).where(*_FAILS_AGAIN_AND_AGAIN)
    grouped = query.group_by(deliveries.c.topic, deliveries.c.destination)
    return {(row[0], row[1]): int(row[2]) for row in tx.execute(grouped)}


def _by(tx: ReadTx, table: Table, column: Column[str]) -> dict[str, int]:
    return {row[0]: int(row[1]) for row in tx.execute(select(column, func.count()).select_from(table).group_by(column))}


def _open_mismatches(tx: ReadTx) -> int:
    query = select(func.count()).select_from(mismatches).where(mismatches.c.closed_at.is_(None))
    return int(tx.execute(query).scalar_one())


def _oldest(tx: ReadTx, now: datetime) -> dict[str, float]:
    query = (
        select(deliveries.c.state, func.min(deliveries.c.created_at).label("oldest"))
        .where(deliveries.c.state.in_(["pending", "sending", "held"]))
        .group_by(deliveries.c.state)
    )
    return {row.state: max(0.0, (now - row.oldest).total_seconds()) for row in tx.execute(query)}
