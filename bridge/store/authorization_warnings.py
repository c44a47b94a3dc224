"""What is warned of about exams and their authorizations: opened when it is so, closed when it no longer is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update

from bridge.domain.authorization_warnings import ExamWarning, WarningKind
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import authorization_warnings

_COLUMNS = authorization_warnings.c


@dataclass(frozen=True, slots=True)
class StandingWarning:
    """One warning that stands."""

    key: int
    authorization_key: int
    warning: ExamWarning
    opened_at: datetime


def of_authorizations(tx: ReadTx, keys: Iterable[int]) -> list[StandingWarning]:
    """Return what is warned of about these authorizations."""
    return _standing(tx, _COLUMNS.authorization_key.in_(list(keys)))


def of_orders(tx: ReadTx, keys: Iterable[int]) -> list[StandingWarning]:
    """Return what is warned of about these orders."""
    return _standing(tx, _COLUMNS.order_key.in_(list(keys)))


def replace_all(
    tx: WriteTx, authorization_key: int, found: Sequence[ExamWarning], at: datetime
) -> tuple[list[ExamWarning], list[ExamWarning]]:
    """Let *found* be what is warned of about an authorization; returns what is new, and what is over."""
    standing = of_authorizations(tx, [authorization_key])
    over = [one for one in standing if one.warning not in found]
    known = [one.warning for one in standing]
    new = [one for one in dict.fromkeys(found) if one not in known]
    closed = update(authorization_warnings).where(_COLUMNS.key.in_([one.key for one in over])).values(closed_at=at)
    if over:
        tx.execute(closed)
    for one in new:
        insert_row(
            tx,
            authorization_warnings,
            authorization_key=authorization_key,
            order_key=one.order_key,
            kind=one.kind.value,
            line=one.line,
            sentence=one.sentence,
            opened_at=at,
        )
    return new, [one.warning for one in over]


def _standing(tx: ReadTx, where: ColumnElement[bool]) -> list[StandingWarning]:
    query = select(authorization_warnings).where(where, _COLUMNS.closed_at.is_(None)).order_by(_COLUMNS.key)
    return [
        StandingWarning(
            row.key,
            row.authorization_key,
            ExamWarning(WarningKind(row.kind), row.sentence, row.order_key, row.line),
            row.opened_at,
        )
        for row in tx.execute(query)
    ]
