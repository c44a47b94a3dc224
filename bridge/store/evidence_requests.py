"""What payers ask to see, a row for each of their Tasks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select, update

from bridge.domain.evidence_request import OPEN_STATES, AskState, EvidenceRequest
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import evidence_requests

_c = evidence_requests.c
_COLUMNS = frozenset(
    {
        "key",
        "payer",
        "task_id",
        "tracking_id",
        "due_at",
        "heard_at",
        "state",
        "why",
        "authorization_key",
        "same_as",
        "told",
    }
)
_TUPLES = frozenset({"codes", "lines"})


def add(tx: WriteTx, request: EvidenceRequest, at: datetime) -> EvidenceRequest:
    """Keep a request (its key is ignored)."""
    said = {one.name: getattr(request, one.name) for one in fields(request)}
    content = {name: list(value) if name in _TUPLES else value for name, value in said.items() if name not in _COLUMNS}
    values: dict[str, Any] = {name: said[name] for name in _COLUMNS if name != "key"}
    key = insert_row(
        tx, evidence_requests, **values | {"content": content, "state": request.state.value, "heard_at": at}
    )
    return get(tx, key)


def get(tx: ReadTx, key: int) -> EvidenceRequest:
    """Return the request in row *key*. Raises: LookupError."""
    row = tx.execute(select(evidence_requests).where(_c.key == key)).first()
    if row is None:
        raise LookupError(f"no evidence request {key}")
    return _request(row)


def of_task(tx: ReadTx, payer: str, task_id: str) -> EvidenceRequest | None:
    """Return the request of a payer's Task."""
    row = tx.execute(select(evidence_requests).where(_c.payer == payer, _c.task_id == task_id)).first()
    return _request(row) if row is not None else None


def open_ones(tx: ReadTx, *, states: Collection[AskState] = OPEN_STATES, limit: int = 200) -> list[EvidenceRequest]:
    """Return what is to be answered, the soonest due first; what repeats another one is left out."""
    wanted = (_c.state.in_([one.value for one in states]), _c.same_as.is_(None))
    query = select(evidence_requests).where(*wanted).order_by(_c.due_at.is_(None), _c.due_at, _c.key).limit(limit)
    return [_request(row) for row in tx.execute(query)]


def of_payer(tx: ReadTx, payer: str) -> list[EvidenceRequest]:
    """Return what a payer waits for, oldest first."""
    query = select(evidence_requests).where(_c.payer == payer, _c.state.in_([one.value for one in OPEN_STATES]))
    return [_request(row) for row in tx.execute(query.order_by(_c.key))]


def of_authorization(tx: ReadTx, authorization_key: int) -> list[EvidenceRequest]:
    """Return what was asked for about an authorization, newest first, without repetitions."""
    mine = (_c.authorization_key == authorization_key, _c.same_as.is_(None))
    return [_request(row) for row in tx.execute(select(evidence_requests).where(*mine).order_by(_c.key.desc()))]


def with_repetitions(tx: ReadTx, key: int) -> list[EvidenceRequest]:
    """Return a request and those that repeat it."""
    query = select(evidence_requests).where(or_(_c.key == key, _c.same_as == key)).order_by(_c.key)
    return [_request(row) for row in tx.execute(query)]


def whole(tx: ReadTx, key: int) -> EvidenceRequest:
    """Return a request for all the lines that it and its repetitions are for, without those that want nothing any more."""
    every = with_repetitions(tx, key)
    wanted = [one for one in every if not one.is_over] or every
    lines = {line for one in wanted for line in one.lines}
    return replace(wanted[0], lines=tuple(sorted(lines)) if all(one.lines for one in wanted) else ())


def settle(tx: WriteTx, key: int, state: AskState, *, why: str = "", authorization_key: int | None = None) -> None:
    """Note how a request stands, and the authorization that it is about, once that is known."""
    values: dict[str, Any] = {"state": state.value, "why": why}
    if authorization_key is not None:
        values["authorization_key"] = authorization_key
    tx.execute(update(evidence_requests).where(_c.key == key).values(**values))


def repeat(tx: WriteTx, key: int, same_as: int) -> None:
    """Note that a request asks again for what another one asks for."""
    tx.execute(update(evidence_requests).where(_c.key == key).values(same_as=same_as))


def hand_on(tx: WriteTx, key: int) -> None:
    """Let the oldest repetition of a request that is over, if it is not, stand for the others in its place."""
    family = [one for one in with_repetitions(tx, key) if one.key != key]
    heir = next((one for one in family if not one.is_over), None)
    if heir is None:
        return
    tx.execute(update(evidence_requests).where(_c.same_as == key).values(same_as=heir.key))
    tx.execute(update(evidence_requests).where(_c.key == heir.key).values(same_as=None))


def note_told(tx: WriteTx, key: int, status: str) -> None:
    """Note what a payer's Task was made to say."""
    tx.execute(update(evidence_requests).where(_c.key == key).values(told=status))


def _request(row: Row[Any]) -> EvidenceRequest:
    said: dict[str, Any] = {name: tuple(value) if name in _TUPLES else value for name, value in row.content.items()}
    said |= {name: getattr(row, name) for name in _COLUMNS}
    return EvidenceRequest(**said | {"state": AskState(row.state)})
