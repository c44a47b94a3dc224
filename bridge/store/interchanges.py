"""X12 files that we handed over: one row each, with a control number that no other ever has."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from bridge.domain.interchange import MAX_CONTROL_NUMBER, Interchange, InterchangeState
from bridge.errors import Conflict
from bridge.store.db import ReadTx, WriteTx, insert_row, lock
from bridge.store.tables import interchanges

_c = interchanges.c


def begin(tx: WriteTx, blank: Interchange, first: int) -> Interchange:
    """
    Give a file its number (its own is ignored): the one after the highest, *first* at least.

    Raises: Conflict, if there are none left.
    """
    lock(tx, "interchanges")
    highest = tx.execute(select(func.max(_c.control_number))).scalar_one() or 0
    number = max(highest + 1, first)
    if number > MAX_CONTROL_NUMBER:
        raise Conflict("there is no control number left: ISA13 has nine digits", code="no_number")
    key = insert_row(
        tx,
        interchanges,
        submission_key=blank.submission_key,
        clearinghouse=blank.clearinghouse,
        transaction_name=blank.transaction,
        control_number=number,
        created_at=blank.created_at,
        stamp=blank.stamp,
        state=InterchangeState.BEGUN.value,
    )
    return get(tx, key)


def get(tx: ReadTx, key: int) -> Interchange:
    """Return the file in row *key*. Raises: LookupError."""
    row = tx.execute(select(interchanges).where(_c.key == key)).first()
    if row is None:
        raise LookupError(f"no interchange {key}")
    return _interchange(row)


def keep(tx: WriteTx, key: int, blob: str) -> None:
    """Note the bytes of a file: what is handed over from now on, however often it is tried."""
    tx.execute(update(interchanges).where(_c.key == key).values(blob=blob))


def set_copies(tx: WriteTx, key: int, copies: int) -> None:
    """Note how often a file was handed over, or may have been."""
    tx.execute(update(interchanges).where(_c.key == key).values(copies=copies))


def set_state(tx: WriteTx, key: int, state: InterchangeState, detail: str, answered_at: datetime | None = None) -> None:
    """Note how a file stands."""
    values: dict[str, Any] = {"state": state.value, "detail": detail}
    values |= {"answered_at": answered_at} if answered_at is not None else {}
    tx.execute(update(interchanges).where(_c.key == key).values(**values))


def of_submissions(tx: ReadTx, submission_keys: Collection[int]) -> list[Interchange]:
    """Return the files of these releases, in the order of their numbers."""
    query = select(interchanges).where(_c.submission_key.in_(list(submission_keys))).order_by(_c.control_number)
    return [_interchange(row) for row in tx.execute(query)] if submission_keys else []


def by_control_number(tx: ReadTx, control_number: int) -> Interchange | None:
    """Return the file of a number."""
    row = tx.execute(select(interchanges).where(_c.control_number == control_number)).first()
    return _interchange(row) if row is not None else None


def _interchange(row: Row[Any]) -> Interchange:
    return Interchange(
        row.key,
        row.submission_key,
        row.clearinghouse,
        row.transaction_name,
        row.control_number,
        row.created_at,
        row.stamp,
        row.blob,
        InterchangeState(row.state),
        row.detail,
        row.answered_at,
        row.copies,
    )
