"""What each peer was told last of a study's availability."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import availability_told

WITHDRAWN = "withdrawn"
_columns = availability_told.c


@dataclass(frozen=True, slots=True)
class Told:
    """What a peer was told. said: a digest of the instances, WITHDRAWN, or "" while it may be hearing of some just now."""

    said: str
    at: datetime


def told(tx: ReadTx, study_key: int, destination: str) -> Told | None:
    """Return what *destination* was told of a study last, None if nothing."""
    wanted = select(_columns.said, _columns.told_at)
    row = tx.execute(wanted.where(_columns.study_key == study_key, _columns.destination == destination)).first()
    return None if row is None else Told(row.said, row.told_at)


def believers(tx: ReadTx, study_key: int) -> list[str]:
    """Return who may believe that a study can be retrieved here."""
    wanted = select(_columns.destination).where(_columns.study_key == study_key, _columns.said != WITHDRAWN)
    return list(tx.execute(wanted.order_by(_columns.destination)).scalars())


def note_told(tx: WriteTx, study_key: int, destination: str, said: str, at: datetime) -> None:
    """Keep what *destination* was told."""
    tx.execute(delete(availability_told).where(_columns.study_key == study_key, _columns.destination == destination))
    tx.execute(insert(availability_told).values(study_key=study_key, destination=destination, said=said, told_at=at))
