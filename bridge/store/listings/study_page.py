"""A study as its page shows it: series with counts and the image that stands for each, and where every copy went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from bridge.domain.study import Instance, Series
from bridge.store.db import ReadTx
from bridge.store.received import instance_of_row, series_of_row
from bridge.store.tables import conflicting_instances, forwards, instances, series, studies

_SERIES_SHOWN = 200
_ORDER = (instances.c.instance_number, instances.c.key)


@dataclass(frozen=True, slots=True)
class ShownSeries:
    """One series. frames: of all its instances together; shown: the instance in its middle."""

    series: Series
    instance_count: int
    frames: int
    size_bytes: int
    shown: Instance


@dataclass(frozen=True, slots=True)
class Copies:
    """What one archive was sent of a study. current: how many as the study is bound now."""

    destination: str
    sent: int
    current: int
    binding_version: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Neighbours:
    """An instance in its series. place: from 1. before, after: the keys beside it, None at the ends."""

    instance: Instance
    series: Series
    place: int
    count: int
    before: int | None
    after: int | None


def series_of(tx: ReadTx, study_key: int) -> list[ShownSeries]:
    """Return the series of a study in their order, at most 200."""
    counted = tx.execute(
        select(
            series,
            func.count(instances.c.key).label("instance_count"),
            func.sum(instances.c.number_of_frames).label("frames"),
            func.sum(instances.c.size_bytes).label("size_bytes"),
        )
        .join(instances, instances.c.series_key == series.c.key)
        .where(series.c.study_key == study_key, instances.c.withheld == "")
        .group_by(series.c.key)
        .order_by(series.c.series_number, series.c.key)
        .limit(_SERIES_SHOWN)
    ).all()
    return [
        ShownSeries(series_of_row(row), row.instance_count, int(row.frames), int(row.size_bytes), _middle(tx, row))
        for row in counted
    ]


def copies_of(tx: ReadTx, study_key: int) -> list[Copies]:
    """Return what each archive was sent of a study, whatever binding it left with."""
    c = forwards.c
    rows = tx.execute(
        select(c.destination, c.binding_version, func.count(), func.max(c.sent_at), studies.c.binding_version)
        .join(studies, studies.c.key == c.study_key)
        .where(c.study_key == study_key)
        .group_by(c.destination, c.binding_version, studies.c.binding_version)
        .order_by(c.destination, c.binding_version)
    )
    found: dict[str, Copies] = {}
    for destination, version, count, last_at, now in rows:
        before = found.get(destination)
        found[destination] = Copies(
            destination,
            count + (before.sent if before else 0),
            count if version == now else 0,
            version,
            max(last_at, before.last_at) if before else last_at,
        )
    return list(found.values())


def instance_of(tx: ReadTx, study_key: int, instance_key: int) -> Instance:
    """Return one instance that a study shows. Raises: LookupError."""
    mine = (instances.c.study_key == study_key, instances.c.key == instance_key, instances.c.withheld == "")
    row = tx.execute(select(instances).where(*mine)).first()
    if row is None:
        raise LookupError(f"no instance {instance_key}")
    return instance_of_row(row)


def neighbours_of(tx: ReadTx, instance: Instance) -> Neighbours:
    """Return where *instance* stands in its series."""
    mine = (instances.c.series_key == instance.series_key, instances.c.withheld == "")
    keys = list(tx.execute(select(instances.c.key).where(*mine).order_by(*_ORDER)).scalars())
    at = keys.index(instance.key)
    row = tx.execute(select(series).where(series.c.key == instance.series_key)).one()
    before, after = keys[at - 1] if at else None, keys[at + 1] if at + 1 < len(keys) else None
    return Neighbours(instance, series_of_row(row), at + 1, len(keys), before, after)


def set_aside_blob(tx: ReadTx, study_key: int, conflict_key: int) -> str:
    """Return the blob of an object that was kept aside from a study. Raises: LookupError."""
    taken = select(instances.c.sop_instance_uid).where(instances.c.study_key == study_key)
    c = conflicting_instances.c
    found = tx.execute(select(c.blob).where(c.key == conflict_key, c.sop_instance_uid.in_(taken))).scalar()
    if found is None:
        raise LookupError(f"nothing set aside {conflict_key}")
    return str(found)


def _middle(tx: ReadTx, row: Row[Any]) -> Instance:
    mine = select(instances).where(instances.c.series_key == row.key, instances.c.withheld == "").order_by(*_ORDER)
    return instance_of_row(tx.execute(mine.offset(row.instance_count // 2).limit(1)).one())
