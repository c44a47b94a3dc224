"""What other registries are asked about studies: one row for each study and each of them, however many images come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from bridge.domain.outside import AnswerState
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import outside_questions


@dataclass(frozen=True, slots=True)
class Asked:
    """
    How one question stands.

    asked_by: "user:maria" who asked again, "system". asked_at: when it was asked last, None before. sentence: what came
    of it, in words without patient data. attempts: since somebody asked last. is_fresh: no earlier answer will do.
    """

    key: int
    study_key: int
    source: str
    state: AnswerState
    asked_by: str
    created_at: datetime
    next_at: datetime
    asked_at: datetime | None = None
    settled_at: datetime | None = None
    attempts: int = 0
    sentence: str = ""
    digest: str = ""
    patient_key: int | None = None
    is_fresh: bool = False


def want(tx: WriteTx, study_key: int, source: str, at: datetime) -> None:
    """Let *source* be asked about a study, unless it was or will be; one that was not needed before is asked now."""
    table = outside_questions
    known = tx.execute(
        select(table.c.key, table.c.state).where(table.c.study_key == study_key, table.c.source == source)
    ).first()
    if known is None:
        insert_row(tx, table, study_key=study_key, source=source, state="waiting", created_at=at, next_at=at)
    elif known.state == AnswerState.UNNEEDED:
        put(tx, known.key, state=AnswerState.WAITING.value, next_at=at, attempts=0)


def ask_again(tx: WriteTx, study_key: int, source: str, actor: str, at: datetime) -> None:
    """Let *source* be asked now, whatever it said before."""
    want(tx, study_key, source, at)
    table = outside_questions.c
    again = {"state": AnswerState.WAITING.value, "next_at": at, "attempts": 0, "asked_by": actor, "is_fresh": True}
    tx.execute(update(outside_questions).where(table.study_key == study_key, table.source == source).values(**again))


def next_due(tx: ReadTx, source: str, now: datetime) -> Asked | None:
    """Return the question to *source* that has waited longest."""
    table = outside_questions.c
    query = (
        select(outside_questions)
        .where(table.source == source, table.state == AnswerState.WAITING.value, table.next_at <= now)
        .order_by(table.next_at, table.key)
        .limit(1)
    )
    row = tx.execute(query).first()
    return None if row is None else _asked(row)


def earlier(tx: ReadTx, source: str, digest: str, states: tuple[AnswerState, ...], since: datetime) -> Asked | None:
    """Return the newest answer to the same question, about whatever study, that is not older than *since*."""
    table = outside_questions.c
    query = (
        select(outside_questions)
        .where(
            table.source == source,
            table.digest == digest,
            table.state.in_([state.value for state in states]),
            table.asked_at >= since,
        )
        .order_by(table.asked_at.desc())
        .limit(1)
    )
    row = tx.execute(query).first()
    return None if row is None else _asked(row)


def of_study(tx: ReadTx, study_key: int) -> list[Asked]:
    """Return what was and will be asked about a study, by the names of those who are asked."""
    query = select(outside_questions).where(outside_questions.c.study_key == study_key)
    return [_asked(row) for row in tx.execute(query.order_by(outside_questions.c.source))]


def get(tx: ReadTx, key: int) -> Asked:
    """Return one question."""
    return _asked(tx.execute(select(outside_questions).where(outside_questions.c.key == key)).one())


def put(tx: WriteTx, key: int, **values: Any) -> None:
    """Write how a question stands."""
    tx.execute(update(outside_questions).where(outside_questions.c.key == key).values(**values))


def counts(tx: ReadTx) -> dict[tuple[str, str], int]:
    """Return how many questions to each source came to what."""
    table = outside_questions.c
    query = select(table.source, table.state, func.count()).group_by(table.source, table.state)
    return {(row[0], row[1]): int(row[2]) for row in tx.execute(query)}


def _asked(row: Any) -> Asked:
    plain = {name: getattr(row, name) for name in Asked.__slots__ if name != "state"}
    return Asked(state=AnswerState(row.state), **plain)
