"""What peers asked us to keep, and what we found and reported. A request is one transaction of its asker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update

from bridge.domain.commitment import Failure, Reference, Report, Request
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import commitment_requests

_C = commitment_requests.c
_KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """
    One request. references: what it names, () once it was reported.

    failed: what is not kept, None until all were looked at.
    """

    key: int
    ae_title: str
    transaction_uid: str
    references: tuple[Reference, ...]
    failed: tuple[Failure, ...] | None
    asked_at: datetime
    verified_at: datetime | None
    reported_at: datetime | None

    @property
    def report(self) -> Report | None:
        """What is to be reported, None while objects are still looked at."""
        if self.failed is None:
            return None
        lost = {failure.reference for failure in self.failed}
        kept = tuple(one for one in self.references if one not in lost)
        return Report(self.transaction_uid, kept, self.failed)


def add(tx: WriteTx, ae_title: str, request: Request, at: datetime) -> int:
    """
    Take a request down and return its row; one that comes again is looked at and reported on again.

    Requests of 30 days ago are forgotten.
    """
    tx.execute(delete(commitment_requests).where(_C.asked_at < at - _KEPT_FOR))
    said: dict[str, Any] = {
        "referenced": [[one.sop_class_uid, one.sop_instance_uid] for one in request.references],
        "failed": None,
        "asked_at": at,
        "verified_at": None,
        "reported_at": None,
    }
    digest = _digest(request)
    row = tx.execute(
        select(_C.key).where(
            _C.ae_title == ae_title, _C.transaction_uid == request.transaction_uid, _C.digest == digest
        )
    ).first()
    if row is None:
        names = {"ae_title": ae_title, "transaction_uid": request.transaction_uid, "digest": digest}
        return insert_row(tx, commitment_requests, **names, **said)
    tx.execute(update(commitment_requests).where(_C.key == row.key).values(**said))
    return int(row.key)


def get(tx: ReadTx, key: int) -> CommitmentRequest | None:
    """Return the request in row *key*, None if it is forgotten."""
    row = tx.execute(select(commitment_requests).where(_C.key == key)).first()
    return None if row is None else _request(row)


def next_unverified(tx: ReadTx) -> CommitmentRequest | None:
    """Return the oldest request whose objects nobody has looked at, None if there is none."""
    row = tx.execute(select(commitment_requests).where(_C.verified_at.is_(None)).order_by(_C.key).limit(1)).first()
    return None if row is None else _request(row)


def count_unverified(tx: ReadTx, ae_title: str) -> int:
    """Return how many requests of one asker wait to be looked at."""
    waiting = select(func.count()).where(_C.ae_title == ae_title, _C.verified_at.is_(None))
    return int(tx.execute(waiting).scalar_one())


def is_in_use(tx: ReadTx, request: CommitmentRequest) -> bool:
    """Say whether another, earlier request of the same asker has the same Transaction UID and is not reported yet."""
    row = tx.execute(
        select(_C.key)
        .where(_C.ae_title == request.ae_title, _C.transaction_uid == request.transaction_uid)
        .where(_C.key < request.key, _C.reported_at.is_(None))
        .limit(1)
    ).first()
    return row is not None


def put_verified(tx: WriteTx, request: CommitmentRequest, failed: tuple[Failure, ...], at: datetime) -> bool:
    """Keep what was found; False if the request came again meanwhile and must be looked at anew."""
    said = [[one.reference.sop_class_uid, one.reference.sop_instance_uid, one.reason] for one in failed]
    done = tx.execute(
        update(commitment_requests)
        .where(_C.key == request.key, _C.asked_at == request.asked_at, _C.verified_at.is_(None))
        .values(failed=said, verified_at=at)
    )
    return bool(done.rowcount)


def note_reported(tx: WriteTx, key: int, at: datetime) -> None:
    """Note that the asker has its report; what it named is not needed any more."""
    reported = update(commitment_requests).where(_C.key == key, _C.verified_at.is_not(None))
    tx.execute(reported.values(reported_at=at, referenced=[], failed=[]))


def _digest(request: Request) -> str:
    named = sorted(f"{one.sop_class_uid} {one.sop_instance_uid}" for one in request.references)
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def _request(row: Any) -> CommitmentRequest:
    failed = None
    if row.verified_at is not None:
        failed = tuple(Failure(Reference(one[0], one[1]), one[2]) for one in row.failed or [])
    return CommitmentRequest(
        key=row.key,
        ae_title=row.ae_title,
        transaction_uid=row.transaction_uid,
        references=tuple(Reference(*one) for one in row.referenced),
        failed=failed,
        asked_at=row.asked_at,
        verified_at=row.verified_at,
        reported_at=row.reported_at,
    )
