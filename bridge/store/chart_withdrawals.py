"""What people took out of every chart: it stays out, whatever rules and servers do, until a person takes that back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from bridge.domain.chart import ChartWithdrawal
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import chart_withdrawals as table
from bridge.store.tables import studies

_c = table.c


def withdrawal_of(tx: ReadTx, study_key: int) -> ChartWithdrawal | None:
    """Return the withdrawal of a study that stands, None if it may be in charts."""
    return next((one for one in of_study(tx, study_key) if one.stands), None)


def of_study(tx: ReadTx, study_key: int) -> list[ChartWithdrawal]:
    """Return every withdrawal of a study, newest first."""
    rows = tx.execute(select(table).where(_c.study_key == study_key).order_by(_c.key.desc()))
    return [ChartWithdrawal(**{name: getattr(row, name) for name in ChartWithdrawal.__slots__}) for row in rows]


def add(tx: WriteTx, study_key: int, by: str, reason: str, at: datetime) -> None:
    """Note that a person took a study out of every chart; what is being recorded of it waits, or is seen by the caller."""
    tx.execute(select(studies.c.key).where(studies.c.key == study_key).with_for_update())
    insert_row(tx, table, study_key=study_key, made_at=at, made_by=by, reason=reason)


def take_back(tx: WriteTx, study_key: int, by: str, reason: str, at: datetime) -> None:
    """Note that the study may be in charts again."""
    tx.execute(
        update(table)
        .where(_c.study_key == study_key, _c.taken_back_at.is_(None))
        .values(taken_back_at=at, taken_back_by=by, taken_back_reason=reason)
    )
