"""The audit trail: who saw or did what, when, from where. Append-only; each row's digest covers the row before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import Row, insert, select

from bridge.store.db import ReadTx, WriteTx, lock
from bridge.store.prepared import Prepared
from bridge.store.tables import audit_rows

_COLUMNS = audit_rows.c
_FIRST = "0" * 64
_CHAINED = ("at", "action", "actor", "origin", "outcome", "patient_key", "study_key", "order_key", "detail")
_APPEND = Prepared(insert(audit_rows), (*_CHAINED, "chain"))
_NEWEST = Prepared(select(_COLUMNS.chain).order_by(_COLUMNS.key.desc()).limit(1))


class About(TypedDict, total=False):
    """
    What an audit row may say beside action and actor.

    origin: address or peer it came from. outcome: "" for success, else a slug. detail: flat JSON; no names, no bytes.
    """

    origin: str
    outcome: str
    patient_key: int | None
    study_key: int | None
    order_key: int | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the trail."""

    key: int
    at: datetime
    action: str
    actor: str
    origin: str
    outcome: str
    patient_key: int | None
    study_key: int | None
    order_key: int | None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to be written. actor: as `add` takes it."""

    at: datetime
    action: str
    actor: str
    about: About


def add(tx: WriteTx, *, at: datetime, action: str, actor: str, **about: Unpack[About]) -> None:
    """
    Append one row to the trail.

    actor: "user:maria", "token:ris", "peer:CT1", "sender:RIS|MERCYW" or "system". Call it last in its transaction: on
    PostgreSQL everybody who audits waits here for the one before, as the chain has one end.
    Source: PS3.15 A.5 (what a row must be able to say), 45 CFR 164.312(b).
    """
    add_all(tx, [Entry(at, action, actor, about)])


def add_all(tx: WriteTx, entries: Iterable[Entry]) -> None:
    """Append rows to the trail in their order, as `add` does."""
    lock(tx, "audit")
    chain = _NEWEST.scalar(tx) or _FIRST
    rows = []
    for entry in entries:
        row = _said(entry)
        chain = _link(chain, row)
        rows.append({**row, "chain": chain})
    _APPEND.each(tx, rows)


def _said(entry: Entry) -> dict[str, Any]:
    about = entry.about
    return {
        "at": entry.at.astimezone(UTC),
        "action": entry.action,
        "actor": entry.actor,
        "origin": about.get("origin", ""),
        "outcome": about.get("outcome", ""),
        "patient_key": about.get("patient_key"),
        "study_key": about.get("study_key"),
        "order_key": about.get("order_key"),
        "detail": dict(about.get("detail", {})),
    }


def first_broken(tx: ReadTx, newest: int = 500) -> int | None:
    """
    Return the key of the first row that was edited, or stands where one is missing; None if the chain is whole.

    newest: how many rows from its end are checked: so many as a page may check each time.
    """
    start = tx.execute(select(_COLUMNS.key).order_by(_COLUMNS.key.desc()).limit(1).offset(newest)).scalar()
    chain = _FIRST if start is None else tx.execute(select(_COLUMNS.chain).where(_COLUMNS.key == start)).scalar_one()
    rows = select(audit_rows).where(_COLUMNS.key > (start or 0)).order_by(_COLUMNS.key)
    for found in tx.execute(rows):
        chain = _link(chain, {name: getattr(found, name) for name in _CHAINED})
        if found.chain != chain:
            return int(found.key)
    return None


def recent(
    tx: ReadTx,
    *,
    patient_keys: tuple[int, ...] = (),
    since: datetime | None = None,
    before: int | None = None,
    limit: int,
) -> list[AuditRow]:
    """Return rows newest first. patient_keys: only those about one of them, with their studies and orders."""
    query = select(audit_rows).order_by(_COLUMNS.key.desc()).limit(limit)
    if patient_keys:
        query = query.where(_COLUMNS.patient_key.in_(patient_keys))
    if since is not None:
        query = query.where(_COLUMNS.at >= since)
    if before is not None:
        query = query.where(_COLUMNS.key < before)
    return [_row(found) for found in tx.execute(query)]


def many(tx: ReadTx, keys: Sequence[int]) -> list[AuditRow]:
    """Return the rows of these keys, in their order."""
    found = {row.key: _row(row) for row in tx.execute(select(audit_rows).where(_COLUMNS.key.in_(keys)))}
    return [found[key] for key in keys if key in found]


def _link(before: str, row: Mapping[str, Any]) -> str:
    said = [row[name].isoformat(timespec="microseconds") if name == "at" else row[name] for name in _CHAINED]
    text = json.dumps(said, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}{text}".encode()).hexdigest()


def _row(found: Row[Any]) -> AuditRow:
    return AuditRow(found.key, *(getattr(found, name) for name in _CHAINED))
