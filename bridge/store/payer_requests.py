"""What payers were asked about authorizations, and what they answered, each answer kept as it came."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, update

from bridge.domain.attachment import AttachmentState
from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.payer_request import BY_RELEASE, OPEN, PayerRequest, RequestKind, RequestState
from bridge.domain.submission import SubmissionState
from bridge.store.authorizations import read_line, written_line
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import attachments, authorizations, payer_answers, payer_requests, payer_submissions

_COLUMNS = payer_requests.c
_ANSWERS = payer_answers.c
_OPEN = [state.value for state in OPEN]


@dataclass(frozen=True, slots=True)
class HeardAnswer:
    """A payer's answer to a request. body: as it came. read_at: when it was read; why: why it decides nothing."""

    key: int
    authorization_key: int
    request_key: int
    payer: str
    body: bytes
    heard_at: datetime
    read_at: datetime | None = None
    why: str = ""


def add(tx: WriteTx, request: PayerRequest, at: datetime) -> int:
    """Keep a request (its key is ignored); returns its row."""
    return insert_row(
        tx,
        payer_requests,
        authorization_key=request.authorization_key,
        submission_key=request.submission_key,
        payer=request.payer,
        kind=request.kind.value,
        trace=request.trace,
        state=request.state.value,
        lines=[written_line(line) for line in request.lines],
        cancelled=list(request.cancelled),
        control_numbers=list(request.control_numbers),
        asked_by=request.asked_by,
        reason=request.reason,
        asked_at=at,
        whom_digest=request.whom_digest,
    )


def get(tx: ReadTx, key: int) -> PayerRequest:
    """Return the request in row *key*. Raises: LookupError."""
    row = tx.execute(_requests().where(_COLUMNS.key == key)).first()
    if row is None:
        raise LookupError(f"no request to a payer {key}")
    return _request(row)


def of_authorization(tx: ReadTx, authorization_key: int) -> list[PayerRequest]:
    """Return what was asked about an authorization, oldest first."""
    query = _requests().where(_COLUMNS.authorization_key == authorization_key).order_by(_COLUMNS.key)
    return [_request(row) for row in tx.execute(query)]


def open_of(tx: ReadTx, authorization_key: int) -> list[PayerRequest]:
    """Return what is under way about an authorization, oldest first."""
    return [one for one in of_authorization(tx, authorization_key) if one.state in OPEN]


def of_submission(tx: ReadTx, submission_key: int) -> PayerRequest:
    """Return the request that leaves with a release. Raises: LookupError."""
    row = tx.execute(_requests().where(_COLUMNS.submission_key == submission_key)).first()
    if row is None:
        raise LookupError(f"no request to a payer with release {submission_key}")
    return _request(row)


def last_with(tx: ReadTx, payer: str, traces: Collection[str]) -> PayerRequest | None:
    """Return the newest request to a payer with one of *traces* that has left, else the newest; None for none."""
    named = (_COLUMNS.payer == payer, _COLUMNS.trace.in_([one for one in traces if one]))
    found = [_request(row) for row in tx.execute(_requests().where(*named).order_by(_COLUMNS.key.desc()))]
    left = (one for one in found if one.state not in (RequestState.WAITING, RequestState.DROPPED))
    return next(left, next(iter(found), None))


def pended(tx: ReadTx, payers: Collection[str]) -> list[int]:
    """Return the authorizations that one of these payers was asked for and has not decided on, the longest asked first."""
    asked = (_COLUMNS.payer.in_(list(payers)), authorizations.c.status == AuthorizationStatus.PENDED.value)
    last = func.max(_COLUMNS.key)
    query = select(_COLUMNS.authorization_key).join(authorizations, authorizations.c.key == _COLUMNS.authorization_key)
    return list(tx.execute(query.where(*asked).group_by(_COLUMNS.authorization_key).order_by(last)).scalars())


def begin(tx: WriteTx, key: int, at: datetime | None) -> None:
    """Note that a request is about to leave; None: that it certainly did not."""
    state = RequestState.BEGUN if at is not None else RequestState.WAITING
    here = (_COLUMNS.key == key, _COLUMNS.state.in_([*_OPEN, RequestState.FAILED.value]))
    tx.execute(update(payer_requests).where(*here).values(state=state.value, begun_at=at))


def end(tx: WriteTx, key: int, state: RequestState, detail: str, at: datetime) -> None:
    """Note what became of a request that was under way."""
    here = (_COLUMNS.key == key, _COLUMNS.state.in_([*_OPEN, RequestState.FAILED.value]))
    tx.execute(update(payer_requests).where(*here).values(state=state.value, detail=detail, ended_at=at))


def describe(tx: WriteTx, key: int, detail: str) -> None:
    """Note in words how far a request is."""
    tx.execute(update(payer_requests).where(_COLUMNS.key == key).values(detail=detail))


def next_unread(tx: ReadTx) -> HeardAnswer | None:
    """Return the oldest answer to a request that nobody has read yet."""
    row = tx.execute(_answers().where(_ANSWERS.read_at.is_(None)).order_by(_ANSWERS.key).limit(1)).first()
    return None if row is None else HeardAnswer(*row)


def answers_of(tx: ReadTx, authorization_key: int) -> list[HeardAnswer]:
    """Return what was answered to the requests about an authorization, oldest first."""
    query = _answers().where(_COLUMNS.authorization_key == authorization_key).order_by(_ANSWERS.key)
    return [HeardAnswer(*row) for row in tx.execute(query)]


def is_decided_since(tx: ReadTx, request: PayerRequest, at: datetime) -> bool:
    """Say whether an answer about the authorization of *request* that says something was heard since."""
    since = (_COLUMNS.authorization_key == request.authorization_key, _ANSWERS.heard_at >= at)
    said = (_ANSWERS.why == "", _ANSWERS.status.between(200, 299))
    query = select(_ANSWERS.key).join(payer_requests, _ANSWERS.request_key == _COLUMNS.key).where(*since, *said)
    return tx.execute(query.limit(1)).first() is not None


def is_unread(tx: ReadTx, key: int) -> bool:
    """Say whether nobody has read an answer yet."""
    return tx.execute(select(_ANSWERS.key).where(_ANSWERS.key == key, _ANSWERS.read_at.is_(None))).first() is not None


def note_read(tx: WriteTx, key: int, why: str, at: datetime) -> None:
    """Note that an answer was read. why: why it decides nothing, "" if it does."""
    tx.execute(update(payer_answers).where(_ANSWERS.key == key).values(read_at=at, why=why))


def _requests() -> Select[Any]:
    released = payer_submissions.c
    how_far = (released.attachment_key, released.state.label("release"), released.detail.label("said"))
    return (
        select(payer_requests, *how_far, attachments.c.state.label("held"))
        .outerjoin(payer_submissions, released.key == _COLUMNS.submission_key)
        .outerjoin(attachments, attachments.c.key == released.attachment_key)
    )


def _answers() -> Select[Any]:
    told = (_ANSWERS.content, _ANSWERS.heard_at, _ANSWERS.read_at, _ANSWERS.why)
    whose = (_ANSWERS.key, _COLUMNS.authorization_key, _COLUMNS.key, _COLUMNS.payer)
    return select(*whose, *told).join(payer_requests, _COLUMNS.key == _ANSWERS.request_key)


def _request(row: Row[Any]) -> PayerRequest:
    state = RequestState(row.state) if row.release is None else BY_RELEASE[SubmissionState(row.release)]
    # What came in question before it left is let go anew by a person, or never.
    if row.held == AttachmentState.REVIEW.value and state == RequestState.WAITING:
        state = RequestState.DROPPED
    return PayerRequest(
        key=row.key,
        authorization_key=row.authorization_key,
        payer=row.payer,
        kind=RequestKind(row.kind),
        trace=row.trace,
        state=state,
        lines=tuple(read_line(one) for one in row.lines),
        cancelled=tuple(row.cancelled),
        control_numbers=tuple(row.control_numbers),
        submission_key=row.submission_key,
        attachment_key=row.attachment_key,
        asked_by=row.asked_by,
        reason=row.reason,
        asked_at=row.asked_at,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
        detail=row.said if row.release is not None else row.detail,
        whom_digest=row.whom_digest,
    )
