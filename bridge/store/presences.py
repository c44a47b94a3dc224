"""Who has which case open: a lease that runs out by itself. It tells people of each other and keeps nobody out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from bridge.store.db import ReadTx, WriteTx, lock
from bridge.store.tables import presences


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody at a case. actor: "user:maria"; since: when they opened it."""

    study_key: int
    actor: str
    since: datetime


def enter(tx: WriteTx, study_key: int, actor: str, now: datetime, lease: timedelta) -> None:
    """Say that *actor* has the case open until *now* + *lease*; since when stays as it was while the lease lasts."""
    lock(tx, f"presence:{actor}")
    tx.execute(delete(presences).where(presences.c.until <= now, presences.c.actor == actor))
    mine = (presences.c.study_key == study_key, presences.c.actor == actor)
    if tx.execute(update(presences).where(*mine).values(until=now + lease)).rowcount:
        return
    tx.execute(insert(presences).values(study_key=study_key, actor=actor, since=now, until=now + lease))


def leave(tx: WriteTx, study_key: int, actor: str) -> None:
    """Say that *actor* has closed the case."""
    tx.execute(delete(presences).where(presences.c.study_key == study_key, presences.c.actor == actor))


def at_cases(tx: ReadTx, study_keys: Collection[int], now: datetime) -> dict[int, list[Presence]]:
    """Return who has these cases open, by study, the first to come first."""
    query = select(presences).where(presences.c.study_key.in_(study_keys), presences.c.until > now)
    found: dict[int, list[Presence]] = {}
    for row in tx.execute(query.order_by(presences.c.since, presences.c.key)):
        found.setdefault(row.study_key, []).append(Presence(row.study_key, row.actor, row.since))
    return found
