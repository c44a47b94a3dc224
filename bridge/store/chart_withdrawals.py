"""What people took out of every chart: it stays out, whatever rules and servers do, until a person takes that back.

A study goes with all that rests on it: what was performed, reports and their documents. One of these may go alone, and so
may a study of which no image is here yet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, select, update

from bridge.domain.chart import ChartWithdrawal, Part
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import chart_withdrawals as table
from bridge.store.tables import studies


class Coming(NamedTuple):
    """A study that no image is here of: its UID."""

    study_instance_uid: str


# A study's row, one that is to come, or a part of an exam.
Subject = int | Coming | Part

_c = table.c


def withdrawal_of(tx: ReadTx, about: Subject) -> ChartWithdrawal | None:
    """Return the withdrawal that stands of a study, or of a part alone; None if it may be in charts."""
    return next((one for one in of_subject(tx, about) if one.stands), None)


def of_subject(tx: ReadTx, about: Subject) -> list[ChartWithdrawal]:
    """Return every withdrawal of a study, or of a part alone, newest first."""
    rows = tx.execute(select(table).where(_is_about(about)).order_by(_c.key.desc()))
    return [ChartWithdrawal(**{name: getattr(row, name) for name in ChartWithdrawal.__slots__}) for row in rows]


def taken_out() -> Select[Any]:
    """Return the query for the studies that are in no chart by a person's word."""
    return select(_c.study_key).where(_c.taken_back_at.is_(None), _c.study_key.is_not(None))


def coming_taken_out() -> Select[Any]:
    """Return the query for the UIDs of the studies that a person took out of every chart before an image of them was here."""
    return select(_c.study_instance_uid).where(_c.taken_back_at.is_(None), _c.study_instance_uid != "")


def parts_taken_out() -> Select[Any]:
    """Return the query for the names of the parts that are in no chart by a person's word about them alone."""
    return select(_c.of_work).where(_c.taken_back_at.is_(None), _c.of_work != "")


def add(tx: WriteTx, about: Subject, by: str, reason: str, at: datetime) -> None:
    """
    Note that a person took something out of every chart.

    What is being recorded of a study waits, or is seen by the caller.
    """
    if isinstance(about, int):
        tx.execute(select(studies.c.key).where(studies.c.key == about).with_for_update())
    insert_row(tx, table, made_at=at, made_by=by, reason=reason, **_named(about))


def come(tx: WriteTx, study_instance_uid: str, study_key: int) -> None:
    """The first image of a study is here: what a person said of it before holds for its row."""
    coming = (_c.study_instance_uid == study_instance_uid, _c.study_key.is_(None))
    tx.execute(update(table).where(*coming).values(study_key=study_key))


def take_back(tx: WriteTx, about: Subject, by: str, reason: str, at: datetime) -> None:
    """Note that it may be in charts again."""
    tx.execute(
        update(table)
        .where(_is_about(about), _c.taken_back_at.is_(None))
        .values(taken_back_at=at, taken_back_by=by, taken_back_reason=reason)
    )


def _is_about(about: Subject) -> ColumnElement[bool]:
    ((column, value),) = _named(about).items()
    same: ColumnElement[bool] = _c[column] == value
    return same


def _named(about: Subject) -> dict[str, Any]:
    """Return the column that says what a withdrawal is about, with its value."""
    if isinstance(about, int):
        return {"study_key": about}
    return {"study_instance_uid": about.study_instance_uid} if isinstance(about, Coming) else {"of_work": about.name}
