"""Which instances were split off a study into one of its own, and as what they stand there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, or_, select, update

from bridge.domain.rejection import JOINED, NOTE, SPLIT_OFF
from bridge.domain.study import Instance, Series
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.received import series_of_row
from bridge.store.tables import instances, rejected_instances, rejections, series, split_instances, splits, studies

_AT_ONCE = 500
_mine = (splits.c.study_key == bindparam("study_key")) | (splits.c.new_study_key == bindparam("study_key"))
_OF_STUDY = Prepared(select(splits).where(_mine).order_by(splits.c.key))


@dataclass(frozen=True, slots=True)
class Split:
    """
    One part that a person split off. study_key: what it was part of; new_study_key: what it is now.

    number: which split of its study, in order, those not counted that were joined again before it. last_instance_key: the
    newest instance that the study had then.
    """

    key: int
    study_key: int
    new_study_key: int
    number: int
    last_instance_key: int
    split_at: datetime
    split_by: str
    reason: str
    joined_at: datetime | None = None
    joined_by: str = ""
    join_reason: str = ""


@dataclass(frozen=True, slots=True)
class LateSeries:
    """A series with images that came after its study was parted. late, early, split_off: how many it shows, and those gone."""

    series_key: int
    late: int
    early: int
    split_off: int

    @property
    def is_whole(self) -> bool:
        """Say whether the person who parted the study left all of it where it is: what is late of it is the same series' still."""
        return self.early > 0 and not self.split_off


def add(tx: WriteTx, split: Split, pairs: Iterable[tuple[int, int]]) -> Split:
    """Store a split (its key is ignored, as is the newest instance). pairs: each instance's key, and the key of what stands for it now."""
    values = {name: getattr(split, name) for name in Split.__slots__ if name != "key"}
    newest = select(func.max(instances.c.key)).where(instances.c.study_key == split.study_key)
    key = insert_row(tx, splits, **values | {"last_instance_key": tx.execute(newest).scalar_one()})
    rows = [{"split_key": key, "instance_key": old, "new_instance_key": new} for old, new in pairs]
    for at in range(0, len(rows), _AT_ONCE):
        tx.execute(insert(split_instances), rows[at : at + _AT_ONCE])
    _withhold(tx, [row["instance_key"] for row in rows], SPLIT_OFF)
    _withhold(tx, [row["new_instance_key"] for row in rows], "")
    return get(tx, key)


def get(tx: ReadTx, key: int) -> Split:
    """Return the split in row *key*. Raises: LookupError."""
    row = tx.execute(select(splits).where(splits.c.key == key)).first()
    if row is None:
        raise LookupError(f"no split {key}")
    return _split(row)


def of_study(tx: ReadTx, study_key: int) -> list[Split]:
    """Return every split that a study was a side of, oldest first."""
    return [_split(row) for row in _OF_STUDY.all(tx, study_key=study_key)]


def last_at(tx: ReadTx, study_key: int) -> datetime | None:
    """Return when something was split off a study last, None if nothing ever was."""
    return tx.execute(select(func.max(splits.c.split_at)).where(splits.c.study_key == study_key)).scalar()


def parted_since(tx: ReadTx, at: datetime) -> set[int]:
    """Return the studies that something was split off then or later."""
    return set(tx.execute(select(splits.c.study_key).where(splits.c.split_at >= at)).scalars())


def parts_of(tx: ReadTx, study_key: int) -> list[int]:
    """Return the studies that were split off a study, or off such a part, and not joined again."""
    stands = splits.c.joined_at.is_(None)
    parts = select(splits.c.new_study_key).where(splits.c.study_key == study_key, stands).cte("parts", recursive=True)
    further = select(splits.c.new_study_key).join_from(splits, parts, splits.c.study_key == parts.c.new_study_key)
    parts = parts.union(further.where(stands))
    return list(tx.execute(select(parts.c.new_study_key).order_by(parts.c.new_study_key)).scalars())


def copies_of(tx: ReadTx, study_key: int, sop_instance_uids: Iterable[str]) -> dict[str, list[str]]:
    """Return what stands for these instances of a study where they were split off: SOP by Study Instance UIDs."""
    old, new = instances.alias("split_off"), instances.alias("copy_of_it")
    wanted, found = list(sop_instance_uids), dict[str, list[str]]()
    for at in range(0, len(wanted), _AT_ONCE):
        query = (
            select(studies.c.study_instance_uid, new.c.sop_instance_uid)
            .join_from(old, split_instances, split_instances.c.instance_key == old.c.key)
            .join(splits, splits.c.key == split_instances.c.split_key)
            .join(new, new.c.key == split_instances.c.new_instance_key)
            .join(studies, studies.c.key == new.c.study_key)
            .where(splits.c.study_key == study_key, splits.c.joined_at.is_(None))
            .where(old.c.sop_instance_uid.in_(wanted[at : at + _AT_ONCE]))
            .order_by(new.c.key)
        )
        for row in tx.execute(query):
            found.setdefault(row.study_instance_uid, []).append(row.sop_instance_uid)
    return found


def late_series(tx: ReadTx, study_key: int, since: datetime | None = None) -> list[LateSeries]:
    """
    Return which series of a parted study have images that came since: it is not told by them whose they are.

    since: what was shown by then was seen, and is not late any more; what a note kept back when it came was not.
    """
    standing = (splits.c.study_key == study_key, splits.c.joined_at.is_(None))
    newest = tx.execute(select(func.max(splits.c.last_instance_key)).where(*standing)).scalar()
    if newest is None:
        return []
    is_shown, is_late = instances.c.withheld == "", instances.c.key > newest
    if since is not None:
        is_late = and_(is_late, or_(instances.c.received_at > since, _first_shown_since(since)))
    counts = (
        _number_of(and_(is_shown, is_late)),
        _number_of(and_(is_shown, ~is_late)),
        _number_of(instances.c.withheld == SPLIT_OFF),
    )
    query = (
        select(instances.c.series_key, *counts)
        .where(instances.c.study_key == study_key)
        .group_by(instances.c.series_key)
        .having(counts[0] > 0)
    )
    return [LateSeries(*map(int, row)) for row in tx.execute(query)]


def next_number(tx: ReadTx, study_key: int) -> int:
    """Return the number of a study's next split: one that was joined again leaves its place free."""
    standing = (splits.c.study_key == study_key, splits.c.joined_at.is_(None))
    taken = set(tx.execute(select(splits.c.number).where(*standing)).scalars())
    return next(number for number in range(1, len(taken) + 2) if number not in taken)


def join(tx: WriteTx, split: Split, by: str, reason: str, at: datetime) -> None:
    """Let the instances of a split stand where they were."""
    said = {"joined_at": at, "joined_by": by, "join_reason": reason}
    tx.execute(update(splits).where(splits.c.key == split.key).values(**said))
    rows = tx.execute(select(split_instances).where(split_instances.c.split_key == split.key)).all()
    _withhold(tx, [row.instance_key for row in rows], "")
    _withhold(tx, [row.new_instance_key for row in rows], JOINED)


def chosen(tx: ReadTx, study_key: int, uids: Iterable[str]) -> list[tuple[Instance, Series, str]]:
    """Return what a study shows of the series and instances in *uids*, each with its series and who brought it."""
    wanted = list(dict.fromkeys(uids))
    named = instances.c.sop_instance_uid.in_(wanted) | series.c.series_instance_uid.in_(wanted)
    query = (
        select(instances)
        .join(series, series.c.key == instances.c.series_key)
        .where(instances.c.study_key == study_key, instances.c.withheld == "", named)
        .order_by(instances.c.key)
    )
    of_study = {row.key: row for row in tx.execute(select(series).where(series.c.study_key == study_key))}
    return [
        (
            Instance(**{name: getattr(row, name) for name in Instance.__slots__}),
            series_of_row(of_study[row.series_key]),
            row.received_from,
        )
        for row in tx.execute(query)
    ]


def shown(tx: ReadTx, study_key: int) -> list[tuple[str, str]]:
    """Return the blob of each instance that a study shows and where it came from, the first received first."""
    mine = (instances.c.study_key == study_key, instances.c.withheld == "")
    rows = tx.execute(select(instances.c.blob, instances.c.received_from).where(*mine).order_by(instances.c.key))
    return [(row.blob, row.received_from) for row in rows]


def content(tx: ReadTx, study_key: int) -> list[tuple[str, str]]:
    """Return, like `shown`, everything of a study that is no rejection note."""
    mine = (instances.c.study_key == study_key, instances.c.withheld != NOTE)
    rows = tx.execute(select(instances.c.blob, instances.c.received_from).where(*mine).order_by(instances.c.key))
    return [(row.blob, row.received_from) for row in rows]


def count(tx: ReadTx, split_key: int) -> int:
    """Return how many instances a split moved."""
    query = select(func.count()).where(split_instances.c.split_key == split_key)
    return int(tx.execute(query).scalar_one())


def old_keys(tx: ReadTx, split_key: int) -> list[int]:
    """Return the keys of the instances that a split moved, as they were."""
    query = select(split_instances.c.instance_key).where(split_instances.c.split_key == split_key)
    return list(tx.execute(query).scalars())


def _first_shown_since(at: datetime) -> ColumnElement[bool]:
    """Say whether an instance was rejected before it came, and that was taken back only after *at*."""
    before = (rejections.c.note_key < instances.c.key, rejections.c.decided_at > at)
    named = select(rejections.c.key).join(rejected_instances, rejected_instances.c.rejection_key == rejections.c.key)
    return named.where(rejected_instances.c.sop_instance_uid == instances.c.sop_instance_uid, *before).exists()


def _number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _withhold(tx: WriteTx, keys: list[int], withheld: str) -> None:
    for at in range(0, len(keys), _AT_ONCE):
        some = instances.c.key.in_(keys[at : at + _AT_ONCE])
        tx.execute(update(instances).where(some).values(withheld=withheld))


def _split(row: Any) -> Split:
    return Split(**{name: getattr(row, name) for name in Split.__slots__})
