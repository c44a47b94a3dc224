"""When devices were last heard of, each by an index of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, bindparam, select

from bridge.store.db import ReadTx
from bridge.store.prepared import Prepared
from bridge.store.tables import performed_steps, studies, worklist_queries


@dataclass(frozen=True, slots=True)
class LastContact:
    """When a device last asked for its worklist, sent images, reported what it performed; None for never, or forgotten."""

    query_at: datetime | None = None
    images_at: datetime | None = None
    performed_at: datetime | None = None


def _newest(at: Column[Any], title: Column[str]) -> Prepared:
    return Prepared(select(at).where(title == bindparam("title")).order_by(at.desc()).limit(1))


_QUERY = _newest(worklist_queries.c.last_asked_at, worklist_queries.c.calling_ae_title)
_IMAGES = _newest(studies.c.last_instance_at, studies.c.source_ae_title)
_PERFORMED = _newest(performed_steps.c.updated_at, performed_steps.c.performed_station_ae_title)


def last_contact(tx: ReadTx, titles: Sequence[str]) -> LastContact:
    """Return when the device that goes by *titles* was last heard of."""
    return LastContact(*(_last(tx, newest, titles) for newest in (_QUERY, _IMAGES, _PERFORMED)))


def _last(tx: ReadTx, newest: Prepared, titles: Sequence[str]) -> datetime | None:
    found = [at for title in titles if (at := newest.scalar(tx, title=title)) is not None]
    return max(found, default=None)
