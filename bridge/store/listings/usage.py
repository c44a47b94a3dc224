"""What the kept objects take: by modality, by source, by month, and how fast they grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Text, cast, func, select

from bridge.store.db import ReadTx
from bridge.store.tables import conflicting_instances, instances, report_documents, series, studies

_RATE_OVER = timedelta(days=30)


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
    bytes_per_day: of the last 30 days, or since the first object if that is later.
    """

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
        total=_amount(here),
        by_modality=_grouped(here, lambda row: row[0]),
        by_source=_grouped(here, lambda row: row[1]),
        by_month=_grouped(here, lambda row: row[2]),
        documents=Amount(int(documents[0]), int(documents[1])),
        set_aside=int(tx.execute(select(func.count()).select_from(conflicting_instances)).scalar_one()),
        removed=_amount([row for row in rows if not row[3]]),
        bytes_per_day=_bytes_per_day(tx, now),
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
