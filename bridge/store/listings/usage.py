"""
What the kept objects take: by modality, by source, by month, and how fast they grow.

Adding that up reads the row of every instance, which no page waits for where there are many: the worker does it now and
then and leaves what it found in one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Text, cast, func, select

from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import conflicting_instances, instances, report_documents, series, stamps, studies

_RATE_OVER = timedelta(days=30)
# So many are added up while somebody waits.
_AT_ONCE = 50_000
_STAMP = "usage"


@dataclass(frozen=True, slots=True)
class Amount:
    """So many objects, so many bytes."""

    objects: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """
    What is here. by_modality, by_source (AE title), by_month ("2026-03", when received): of studies' objects.

    set_aside: objects that are kept for a person beside their studies, by number; removed: by rule, still known by row.
    bytes_per_day: of the last 30 days, or since the first object if that is later. counted_at: how new all that is.
    """

    counted_at: datetime
    total: Amount
    by_modality: Mapping[str, Amount]
    by_source: Mapping[str, Amount]
    by_month: Mapping[str, Amount]
    documents: Amount
    set_aside: int
    removed: Amount
    bytes_per_day: float


def usage(tx: ReadTx, now: datetime) -> Usage:
    """Add up what rows say is kept; this reads every instance's row."""
    month = func.substr(cast(instances.c.received_at, Text), 1, 7)
    keys = (series.c.modality, studies.c.source_ae_title, month, instances.c.removed_at.is_(None))
    query = (
        select(*keys, func.count(), func.sum(instances.c.size_bytes))
        .join_from(instances, series, series.c.key == instances.c.series_key)
        .join(studies, studies.c.key == instances.c.study_key)
        .group_by(*keys)
    )
    rows = [
        (str(row[0]), str(row[1]), str(row[2]), bool(row[3]), int(row[4]), int(row[5])) for row in tx.execute(query)
    ]
    here = [row for row in rows if row[3]]
    documents = tx.execute(select(func.count(), func.coalesce(func.sum(report_documents.c.size_bytes), 0))).one()
    return Usage(
        counted_at=now,
        total=_amount(here),
        by_modality=_grouped(here, lambda row: row[0]),
        by_source=_grouped(here, lambda row: row[1]),
        by_month=_grouped(here, lambda row: row[2]),
        documents=Amount(int(documents[0]), int(documents[1])),
        set_aside=int(tx.execute(select(func.count()).select_from(conflicting_instances)).scalar_one()),
        removed=_amount([row for row in rows if not row[3]]),
        bytes_per_day=_bytes_per_day(tx, now),
    )


def latest_usage(tx: ReadTx, now: datetime) -> Usage:
    """Return what the worker added up last; what is to be had at once, or was never added up, is added up now."""
    many = (tx.execute(select(func.max(instances.c.key))).scalar() or 0) > _AT_ONCE
    said = tx.execute(select(stamps.c.value).where(stamps.c.name == _STAMP)).scalar() if many else None
    return usage(tx, now) if said is None else _read(orjson.loads(said))


def put_usage(tx: WriteTx, found: Usage) -> None:
    """Leave what was added up for `latest_usage`."""
    tx.execute(stamps.delete().where(stamps.c.name == _STAMP))
    tx.execute(stamps.insert().values(name=_STAMP, value=orjson.dumps(asdict(found)).decode()))


def _read(said: dict[str, Any]) -> Usage:
    def amount(one: Mapping[str, int]) -> Amount:
        return Amount(one["objects"], one["size_bytes"])

    def by_name(one: Mapping[str, Mapping[str, int]]) -> dict[str, Amount]:
        return {name: amount(each) for name, each in one.items()}

    return Usage(
        counted_at=datetime.fromisoformat(said["counted_at"]),
        total=amount(said["total"]),
        by_modality=by_name(said["by_modality"]),
        by_source=by_name(said["by_source"]),
        by_month=by_name(said["by_month"]),
        documents=amount(said["documents"]),
        set_aside=said["set_aside"],
        removed=amount(said["removed"]),
        bytes_per_day=said["bytes_per_day"],
    )


_Row = tuple[str, str, str, bool, int, int]


def _amount(rows: list[_Row]) -> Amount:
    return Amount(sum(row[4] for row in rows), sum(row[5] for row in rows))


def _grouped(rows: list[_Row], name_of: Callable[[_Row], str]) -> dict[str, Amount]:
    objects, size_bytes = Counter[str](), Counter[str]()
    for row in rows:
        objects[name_of(row)] += row[4]
        size_bytes[name_of(row)] += row[5]
    return {name: Amount(objects[name], size_bytes[name]) for name in sorted(objects)}


def _bytes_per_day(tx: ReadTx, now: datetime) -> float:
    since = now - _RATE_OVER
    recent = instances.c.received_at >= since
    first, size_bytes = tx.execute(
        select(func.min(instances.c.received_at), func.sum(instances.c.size_bytes)).where(recent)
    ).one()
    if first is None:
        return 0.0
    older = tx.execute(select(instances.c.key).where(~recent).limit(1)).first()
    begun = since if older is not None else first
    return float(size_bytes) / max(1.0, (now - begun) / timedelta(days=1))
