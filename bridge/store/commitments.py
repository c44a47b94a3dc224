"""What archives have committed to keep of what they were sent: an object counts as kept only by its archive's own report.

The record stands in `forwards`, beside the binding that the object left with: sent again, it is open again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, case, func, select, update

from bridge.domain.commitment import SENDS_MOST, CommitmentState, Reference, Report
from bridge.store.db import ReadTx, WriteTx
from bridge.store.overlays import leaves_as
from bridge.store.tables import forwards, instances, studies

_T = TypeVar("_T")
_AT_ONCE = 500
_WAITING = (CommitmentState.UNASKED.value, CommitmentState.ASKED.value)
_COUNTED = (CommitmentState.ASKED, CommitmentState.COMMITTED, CommitmentState.FAILED, CommitmentState.UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class Kept:
    """How many of a study's objects one archive has with the present binding, and what it says of keeping them."""

    destination: str
    forwarded: int
    asked: int
    committed: int
    failed: int
    unsupported: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Uncommitted:
    """
    One object that an archive took. transaction_uid: what it is asked under, or will be. asks: how often it was asked
    without a report. failures: how often it was reported as not kept. at: when its state last changed.
    """

    forward_key: int
    reference: Reference
    state: CommitmentState
    transaction_uid: str
    asks: int
    failures: int
    reason: int | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a report changed of one study. committed, failed: objects of this report; counts: the study's, by now."""

    study_key: int
    committed: int
    failed: int
    reasons: tuple[int, ...]
    exhausted: bool


def of_study(tx: ReadTx, study_key: int) -> list[Kept]:
    """Return what each archive has of a study with its present binding, and has said of keeping it."""
    c = forwards.c
    rows = tx.execute(
        select(
            c.destination,
            func.count(),
            *(func.sum(case((c.commitment == state.value, 1), else_=0)) for state in _COUNTED),
            func.max(c.commitment_at),
        )
        .join(studies, studies.c.key == c.study_key)
        .where(c.study_key == study_key, leaves_as(c.binding_version))
        .group_by(c.destination)
        .order_by(c.destination)
    )
    return [Kept(row[0], row[1], int(row[2]), int(row[3]), int(row[4]), int(row[5]), row[6]) for row in rows]


def open_of(tx: ReadTx, study_key: int, destination: str) -> list[Uncommitted]:
    """Return what *destination* took of a study with its present binding and has not committed to, oldest first."""
    c = forwards.c
    rows = tx.execute(
        select(
            c.key,
            instances.c.sop_class_uid,
            instances.c.sop_instance_uid,
            c.commitment,
            c.transaction_uid,
            c.commitment_asks,
            c.commitment_failures,
            c.failure_reason,
            c.commitment_at,
        )
        .join(instances, instances.c.key == c.instance_key)
        .join(studies, studies.c.key == c.study_key)
        .where(c.study_key == study_key, c.destination == destination, leaves_as(c.binding_version))
        .where(c.commitment != CommitmentState.COMMITTED.value)
        .order_by(c.instance_key)
    )
    return [Uncommitted(row[0], Reference(row[1], row[2]), CommitmentState(row[3]), *row[4:]) for row in rows]


def put_transaction(tx: WriteTx, forward_keys: Iterable[int], transaction_uid: str) -> None:
    """Note under what an archive will be asked for these: its report may be faster than the end of the question."""
    for part in _parts(forward_keys):
        waits = (forwards.c.key.in_(part), forwards.c.commitment.in_(_WAITING))
        fresh = {"commitment": CommitmentState.UNASKED.value, "transaction_uid": transaction_uid}
        tx.execute(update(forwards).where(*waits).values(**fresh))


def put_asked(tx: WriteTx, transaction_uid: str, at: datetime) -> int:
    """Note that an archive took the question *transaction_uid*; return how many objects its report is awaited for."""
    waits = (forwards.c.transaction_uid == transaction_uid, forwards.c.commitment.in_(_WAITING))
    asked = {"commitment": CommitmentState.ASKED.value, "commitment_at": at}
    done = tx.execute(update(forwards).where(*waits).values(**asked, commitment_asks=forwards.c.commitment_asks + 1))
    return int(done.rowcount)


def put_unsupported(tx: WriteTx, forward_keys: Iterable[int], at: datetime) -> None:
    """Note that an archive does not offer to commit."""
    _change(tx, forward_keys, CommitmentState.UNSUPPORTED, at)


def send_again(tx: WriteTx, forward_keys: Iterable[int]) -> None:
    """Let objects that an archive does not keep be owed to it once more."""
    for part in _parts(forward_keys):
        tx.execute(
            update(forwards)
            .where(forwards.c.key.in_(part), forwards.c.commitment == CommitmentState.FAILED.value)
            .values(commitment_failures=0)
        )


def take_report(tx: WriteTx, destination: str, report: Report, at: datetime) -> list[Settled] | None:
    """
    Write what *destination* reports of what it was asked; return it study by study, None if it was not asked so.

    Objects that the transaction did not name are passed over. A report that comes twice changes nothing.
    """
    asked = and_(forwards.c.destination == destination, forwards.c.transaction_uid == report.transaction_uid)
    if not report.transaction_uid or tx.execute(select(forwards.c.key).where(asked).limit(1)).first() is None:
        return None
    touched: dict[int, tuple[int, list[int]]] = {}
    for uids, reason in _said(report):
        rows = _asked_rows(tx, asked, uids)
        if reason is None:
            _change(tx, rows, CommitmentState.COMMITTED, at, failure_reason=None, commitment_asks=0)
        else:
            tried = {"commitment_failures": forwards.c.commitment_failures + 1, "commitment_asks": 0}
            _change(tx, rows, CommitmentState.FAILED, at, failure_reason=reason, **tried)
        for study_key in rows.values():
            kept, reasons = touched.get(study_key, (0, []))
            touched[study_key] = (kept + 1, reasons) if reason is None else (kept, [*reasons, reason])
    return [
        Settled(study_key, kept, len(reasons), tuple(sorted(set(reasons))), _is_exhausted(tx, study_key, destination))
        for study_key, (kept, reasons) in touched.items()
    ]


def _said(report: Report) -> Iterable[tuple[list[str], int | None]]:
    """Yield the UIDs that share an outcome: None for what is kept, else the reason."""
    failed: dict[int, list[str]] = {}
    for failure in report.failed:
        failed.setdefault(failure.reason, []).append(failure.reference.sop_instance_uid)
    # What a report both commits to and not is not kept.
    lost = {failure.reference.sop_instance_uid for failure in report.failed}
    yield [uid for one in report.committed if (uid := one.sop_instance_uid) not in lost], None
    yield from ((uids, reason) for reason, uids in failed.items())


def _asked_rows(tx: ReadTx, asked: ColumnElement[bool], uids: Sequence[str]) -> dict[int, int]:
    """Return the forwards, with their studies, that wait for word of *uids*."""
    found: dict[int, int] = {}
    for part in _parts(uids):
        rows = tx.execute(
            select(forwards.c.key, forwards.c.study_key)
            .join(instances, instances.c.key == forwards.c.instance_key)
            .where(asked, forwards.c.commitment.in_(_WAITING))
            .where(instances.c.sop_instance_uid.in_(part))
        )
        found |= {row[0]: row[1] for row in rows}
    return found


def _is_exhausted(tx: ReadTx, study_key: int, destination: str) -> bool:
    c = forwards.c
    given_up = (c.study_key == study_key, c.destination == destination, c.commitment == CommitmentState.FAILED.value)
    row = tx.execute(select(c.key).where(*given_up, c.commitment_failures >= SENDS_MOST).limit(1)).first()
    return row is not None


def _change(tx: WriteTx, forward_keys: Iterable[int], state: CommitmentState, at: datetime, **values: Any) -> None:
    for part in _parts(forward_keys):
        tx.execute(
            update(forwards).where(forwards.c.key.in_(part)).values(commitment=state.value, commitment_at=at, **values)
        )


def _parts(values: Iterable[_T]) -> Iterable[list[_T]]:
    left = iter(values)
    while part := list(islice(left, _AT_ONCE)):
        yield part
