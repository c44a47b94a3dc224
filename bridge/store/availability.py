"""What each peer was told last of a study's availability."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from bridge.domain.study import Instance, StudyContents
from bridge.store import studies
from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import availability_told, instances

WITHDRAWN = "withdrawn"
_columns = availability_told.c
_BELIEVERS = Prepared(
    select(_columns.destination)
    .where(_columns.study_key == bindparam("study_key"), _columns.said != WITHDRAWN)
    .order_by(_columns.destination)
)


@dataclass(frozen=True, slots=True)
class Told:
    """
    What a peer was told. said: a digest of the instances, WITHDRAWN, or "" while it may be hearing of some just now.

    believed: the keys of the instances that it may believe to be online.
    """

    said: str
    at: datetime
    believed: frozenset[int] = frozenset()


def told(tx: ReadTx, study_key: int, destination: str) -> Told | None:
    """Return what *destination* was told of a study last, None if nothing."""
    wanted = select(_columns.said, _columns.told_at, _columns.believed)
    row = tx.execute(wanted.where(_columns.study_key == study_key, _columns.destination == destination)).first()
    return None if row is None else Told(row.said, row.told_at, frozenset(row.believed))


def believers(tx: ReadTx, study_key: int) -> list[str]:
    """Return who may believe that a study can be retrieved here."""
    return [row.destination for row in _BELIEVERS.all(tx, study_key=study_key)]


def note_told(
    tx: WriteTx, study_key: int, destination: str, said: str, at: datetime, *, believed: Iterable[int]
) -> None:
    """Keep what *destination* was told."""
    tx.execute(delete(availability_told).where(_columns.study_key == study_key, _columns.destination == destination))
    row = {"study_key": study_key, "destination": destination, "said": said, "told_at": at}
    tx.execute(insert(availability_told).values(**row, believed=sorted(believed)))


def speaks_of(tx: ReadTx, study_key: int, believed: Collection[int]) -> tuple[StudyContents, frozenset[int]]:
    """
    Return what a peer is to hear of a study, and the keys of what of it can be retrieved here.

    That is what the study shows, if it is bound, and what the peer believes, though it be withheld by now.
    """
    study = studies.get(tx, study_key)
    groups, online = dict[int, list[Instance]](), set[int]()
    mine = select(instances).where(instances.c.study_key == study_key)
    for row in tx.execute(mine.order_by(instances.c.instance_number, instances.c.key)):
        is_shown = study.is_bound and not row.withheld
        if is_shown and row.removed_at is None:
            online.add(row.key)
        if is_shown or row.key in believed:
            one = Instance(**{name: getattr(row, name) for name in Instance.__slots__})
            groups.setdefault(row.series_key, []).append(one)
    spoken = tuple(one for one in studies.series_of(tx, [study_key]) if one.key in groups)
    return StudyContents(study, spoken, {one.key: tuple(groups[one.key]) for one in spoken}), frozenset(online)
