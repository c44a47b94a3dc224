"""What each peer was told last of a study's availability."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select

from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import availability_told

_columns = availability_told.c


def told(tx: ReadTx, study_key: int, destination: str) -> str:
    """Return the digest of what *destination* was told of a study last, "" if nothing."""
    wanted = select(_columns.said).where(_columns.study_key == study_key, _columns.destination == destination)
    return str(tx.execute(wanted).scalar() or "")


def note_told(tx: WriteTx, study_key: int, destination: str, said: str, at: datetime) -> None:
    """Keep what *destination* was told."""
    tx.execute(delete(availability_told).where(_columns.study_key == study_key, _columns.destination == destination))
    tx.execute(insert(availability_told).values(study_key=study_key, destination=destination, said=said, told_at=at))
