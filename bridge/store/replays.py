"""Replays of many messages: what was asked for, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from bridge.domain.message import MessageFilter, ReplayState
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import messages, replay_jobs

_OPEN = (ReplayState.WAITING.value, ReplayState.RUNNING.value)
_TIMES = ("since", "until")


@dataclass(frozen=True, slots=True)
class Replay:
    """
    One replay. until_key, cursor: keys of messages: the last one meant, the last one done. total: as it was asked for.

    applied, refused, failed: what the journal says of those done; changed: how many of them said something else before.
    """

    key: int
    wanted: MessageFilter
    asked_by: str
    dry_run: bool
    state: ReplayState
    until_key: int
    cursor: int
    total: int
    done: int
    applied: int
    refused: int
    failed: int
    changed: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Say whether more is to come."""
        return self.state.value in _OPEN


def add(tx: WriteTx, wanted: MessageFilter, total: int, *, asked_by: str, dry_run: bool, at: datetime) -> int:
    """Ask for a replay of the messages that are here now; return its key."""
    said = {name: value for name, value in asdict(wanted).items() if value not in ("", None)}
    said |= {name: said[name].isoformat() for name in _TIMES if name in said}
    newest = tx.execute(select(func.max(messages.c.key))).scalar() or 0
    return insert_row(
        tx,
        replay_jobs,
        filter=said,
        asked_by=asked_by,
        dry_run=dry_run,
        state=ReplayState.WAITING.value,
        until_key=newest,
        total=total,
        created_at=at,
    )


def get(tx: ReadTx, key: int) -> Replay:
    """Return the replay in row *key*. Raises: LookupError."""
    row = tx.execute(select(replay_jobs).where(replay_jobs.c.key == key)).first()
    if row is None:
        raise LookupError(f"no replay {key}")
    return _replay(row)


def recent(tx: ReadTx, limit: int) -> list[Replay]:
    """Return the newest replays first."""
    return [_replay(row) for row in tx.execute(select(replay_jobs).order_by(replay_jobs.c.key.desc()).limit(limit))]


def next_open(tx: ReadTx) -> Replay | None:
    """Return the replay that was asked for first of those that are not at their end."""
    query = select(replay_jobs).where(replay_jobs.c.state.in_(_OPEN)).order_by(replay_jobs.c.key).limit(1)
    row = tx.execute(query).first()
    return None if row is None else _replay(row)


def note(tx: WriteTx, key: int, cursor: int, counted: Mapping[str, int], at: datetime) -> bool:
    """Add what was done up to the message *cursor*; False if the replay was cancelled meanwhile."""
    added = {name: replay_jobs.c[name] + number for name, number in counted.items()}
    started = func.coalesce(replay_jobs.c.started_at, at)
    query = update(replay_jobs).where(replay_jobs.c.key == key, replay_jobs.c.state.in_(_OPEN))
    values = {**added, "cursor": cursor, "started_at": started, "state": ReplayState.RUNNING.value}
    return bool(tx.execute(query.values(**values)).rowcount)


def end(tx: WriteTx, key: int, state: ReplayState, at: datetime) -> bool:
    """Close a replay; False if it was closed before."""
    query = update(replay_jobs).where(replay_jobs.c.key == key, replay_jobs.c.state.in_(_OPEN))
    return bool(tx.execute(query.values(state=state.value, ended_at=at)).rowcount)


def _replay(row: Any) -> Replay:
    said = dict(row.filter) | {
        name: datetime.fromisoformat(row.filter[name]) for name in _TIMES if row.filter.get(name)
    }
    plain = (name for name in Replay.__slots__ if name not in ("wanted", "state"))
    return Replay(
        wanted=MessageFilter(**said), state=ReplayState(row.state), **{name: getattr(row, name) for name in plain}
    )
