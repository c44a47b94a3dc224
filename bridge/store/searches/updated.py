"""ImagingStudy: when each was told otherwise last. What is filtered, sorted and shown by `_lastUpdated` is this one time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, String, and_, case, cast, func, literal, or_, select

from bridge.domain.chart import OWN
from bridge.store.announced_studies import ID_PREFIX
from bridge.store.db import ReadTx
from bridge.store.searches import conditions
from bridge.store.searches.conditions import Condition
from bridge.store.tables import announced_studies, chart_versions, decisions, overlay_versions, studies
from bridge.store.tables import study_placements as placed

_KIND = "ImagingStudy"
_STUDY_KEY, _NUMBER = cast(placed.c.study_key, String), cast(placed.c.number, String)
_RESOURCE_ID = case(
    (placed.c.announced_study_key.is_not(None), literal(ID_PREFIX) + cast(placed.c.announced_study_key, String)),
    (placed.c.number == 1, _STUDY_KEY),
    else_=_STUDY_KEY + literal("-") + _NUMBER,
)


def _kept_at(resource_id: ColumnElement[str]) -> ColumnElement[datetime]:
    return (
        select(chart_versions.c.at)
        .where(chart_versions.c.server == OWN, chart_versions.c.reference == literal(f"{_KIND}/") + resource_id)
        .order_by(chart_versions.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )


def _newest(at: ColumnElement[datetime], study_key: ColumnElement[int]) -> ColumnElement[datetime]:
    newest = select(func.max(at)).where(study_key == studies.c.key).scalar_subquery()
    return func.coalesce(newest, studies.c.last_instance_at)


_DECIDED_AT = _newest(decisions.c.decided_at, decisions.c.study_key)
_CORRECTED_AT = _newest(overlay_versions.c.made_at, overlay_versions.c.study_key)
# What made it what it is, where nothing was kept of it yet: an image, a decision or a correction.
_MADE_AT = case(
    (and_(studies.c.last_instance_at <= _DECIDED_AT, _DECIDED_AT >= _CORRECTED_AT), _DECIDED_AT),
    (studies.c.last_instance_at <= _CORRECTED_AT, _CORRECTED_AT),
    else_=studies.c.last_instance_at,
)
UPDATED_AT: ColumnElement[datetime] = func.coalesce(_kept_at(_RESOURCE_ID), _MADE_AT)
# Of one that has only begun.
BEGUN_UPDATED_AT: ColumnElement[datetime] = func.coalesce(
    _kept_at(literal(ID_PREFIX) + cast(announced_studies.c.key, String)), announced_studies.c.changed_at
)


def _touched_since(at: datetime) -> Condition:
    kept = select(chart_versions.c.study_key).where(
        chart_versions.c.at >= at, chart_versions.c.server == OWN, chart_versions.c.study_key.is_not(None)
    )
    decided = select(decisions.c.study_key).where(decisions.c.decided_at >= at)
    corrected = select(overlay_versions.c.study_key).where(overlay_versions.c.made_at >= at)
    since = (studies.c.key.in_(one) for one in (kept, decided, corrected))
    return or_(studies.c.last_instance_at >= at, *since)


# When a study was told otherwise last.
last_updated = conditions.within_since(UPDATED_AT, _touched_since)


def updated_at(tx: ReadTx, keys: Sequence[int]) -> dict[int, datetime]:
    """Return when each of these placements was told otherwise last."""
    query = select(placed.c.key, UPDATED_AT.label("at")).join(studies, studies.c.key == placed.c.study_key)
    return {row.key: row.at for row in tx.execute(query.where(placed.c.key.in_(keys)))}


def made_at(tx: ReadTx, keys: Sequence[int]) -> dict[int, datetime]:
    """Return when something happened last to the study of each of these placements, whether or not that was kept."""
    query = select(placed.c.key, _MADE_AT.label("at")).join(studies, studies.c.key == placed.c.study_key)
    return {row.key: row.at for row in tx.execute(query.where(placed.c.key.in_(keys)))}
