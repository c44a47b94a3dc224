"""What payers were asked about authorizations, and what they answered, each answer kept as it came."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.payer_request import OPEN, PayerRequest, RequestKind, RequestState
from bridge.store.authorizations import read_line, written_line
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import authorizations, claim_responses, payer_requests

_COLUMNS = payer_requests.c
_RESPONSES = claim_responses.c
_OPEN = [state.value for state in OPEN]


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """A payer's answer. body: as it came. request_key: what it answers, None where it came by itself. why: why it says nothing."""

    key: int
    authorization_key: int
    request_key: int | None
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
        attachment_key=request.attachment_key,
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
    )


def get(tx: ReadTx, key: int) -> PayerRequest:
    """Return the request in row *key*. Raises: LookupError."""
    row = tx.execute(select(payer_requests).where(_COLUMNS.key == key)).first()
    if row is None:
        raise LookupError(f"no request to a payer {key}")
    return _request(row)


def of_authorization(tx: ReadTx, authorization_key: int) -> list[PayerRequest]:
    """Return what was asked about an authorization, oldest first."""
    query = select(payer_requests).where(_COLUMNS.authorization_key == authorization_key).order_by(_COLUMNS.key)
    return [_request(row) for row in tx.execute(query)]


def open_of(tx: ReadTx, authorization_key: int) -> list[PayerRequest]:
    """Return what is under way about an authorization, oldest first."""
    return [one for one in of_authorization(tx, authorization_key) if one.state in OPEN]


def of_attachment(tx: ReadTx, attachment_key: int) -> PayerRequest | None:
    """Return the newest request that carries an attachment's evidence."""
    query = select(payer_requests).where(_COLUMNS.attachment_key == attachment_key).order_by(_COLUMNS.key.desc())
    row = tx.execute(query.limit(1)).first()
    return None if row is None else _request(row)


def pended(tx: ReadTx, payers: Collection[str]) -> list[int]:
    """Return the authorizations that one of these payers was asked for and has not decided on, the longest asked first."""
    asked = (_COLUMNS.payer.in_(list(payers)), authorizations.c.status == AuthorizationStatus.PENDED.value)
    last = func.max(_COLUMNS.key)
    query = select(_COLUMNS.authorization_key).join(authorizations, authorizations.c.key == _COLUMNS.authorization_key)
    return list(tx.execute(query.where(*asked).group_by(_COLUMNS.authorization_key).order_by(last)).scalars())


def begin(tx: WriteTx, key: int, at: datetime | None) -> None:
    """Note that a request is about to leave; None: that it certainly did not."""
    state = RequestState.BEGUN if at is not None else RequestState.WAITING
    here = (_COLUMNS.key == key, _COLUMNS.state.in_(_OPEN))
    tx.execute(update(payer_requests).where(*here).values(state=state.value, begun_at=at))


def end(tx: WriteTx, key: int, state: RequestState, detail: str, at: datetime) -> None:
    """Note what became of a request that was under way."""
    here = (_COLUMNS.key == key, _COLUMNS.state.in_([*_OPEN, RequestState.FAILED.value]))
    tx.execute(update(payer_requests).where(*here).values(state=state.value, detail=detail, ended_at=at))


def describe(tx: WriteTx, key: int, detail: str) -> None:
    """Note in words how far a request is."""
    tx.execute(update(payer_requests).where(_COLUMNS.key == key).values(detail=detail))


def keep_response(tx: WriteTx, answer: KeptResponse) -> int:
    """Keep an answer that nobody has read yet (its key is ignored); returns its row."""
    return insert_row(
        tx,
        claim_responses,
        authorization_key=answer.authorization_key,
        payer_request_key=answer.request_key,
        payer=answer.payer,
        body=answer.body,
        heard_at=answer.heard_at,
    )


def next_unread(tx: ReadTx) -> KeptResponse | None:
    """Return the oldest answer that nobody has read yet."""
    row = tx.execute(
        select(claim_responses).where(_RESPONSES.read_at.is_(None)).order_by(_RESPONSES.key).limit(1)
    ).first()
    return None if row is None else _response(row)


def responses_of(tx: ReadTx, authorization_key: int) -> list[KeptResponse]:
    """Return what was answered about an authorization, oldest first."""
    query = select(claim_responses).where(_RESPONSES.authorization_key == authorization_key).order_by(_RESPONSES.key)
    return [_response(row) for row in tx.execute(query)]


def get_response(tx: ReadTx, key: int) -> KeptResponse:
    """Return the answer in row *key*. Raises: LookupError."""
    row = tx.execute(select(claim_responses).where(_RESPONSES.key == key)).first()
    if row is None:
        raise LookupError(f"no answer of a payer {key}")
    return _response(row)


def is_unread(tx: ReadTx, key: int) -> bool:
    """Say whether nobody has read an answer yet."""
    return get_response(tx, key).read_at is None


def note_read(tx: WriteTx, key: int, why: str, at: datetime) -> None:
    """Note that an answer was read. why: why it says nothing, "" if it does."""
    tx.execute(update(claim_responses).where(_RESPONSES.key == key).values(read_at=at, why=why))


def _request(row: Row[Any]) -> PayerRequest:
    return PayerRequest(
        key=row.key,
        authorization_key=row.authorization_key,
        payer=row.payer,
        kind=RequestKind(row.kind),
        trace=row.trace,
        state=RequestState(row.state),
        lines=tuple(read_line(one) for one in row.lines),
        cancelled=tuple(row.cancelled),
        control_numbers=tuple(row.control_numbers),
        attachment_key=row.attachment_key,
        asked_by=row.asked_by,
        reason=row.reason,
        asked_at=row.asked_at,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
        detail=row.detail,
    )


def _response(row: Row[Any]) -> KeptResponse:
    return KeptResponse(
        row.key,
        row.authorization_key,
        row.payer_request_key,
        row.payer,
        bytes(row.body),
        row.heard_at,
        row.read_at,
        row.why,
    )
