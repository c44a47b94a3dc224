"""The objects that an address names, with what their bytes depend on: read for DICOMweb, one query for each kind of row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from bridge.domain.overlay import Overlay
from bridge.domain.study import Instance, Study
from bridge.store import chart_withdrawals, overlays, studies
from bridge.store.db import ReadTx
from bridge.store.tables import instances, object_checks, series


@dataclass(frozen=True, slots=True)
class Sight:
    """
    What somebody may see. unbound: studies that nobody has bound yet, too.

    patient_keys: bound studies of these only, as far as they are in charts; None for everybody's.
    """

    unbound: bool = False
    patient_keys: Collection[int] | None = None

    def shows(self, study: Study) -> bool:
        """Say whether *study* exists for whoever looks."""
        if self.patient_keys is not None:
            return study.is_bound and study.patient_key in self.patient_keys
        return study.is_bound or self.unbound


@dataclass(frozen=True, slots=True)
class Served:
    """One object and its series. is_here: nobody has found its bytes damaged, and no rule has removed them."""

    instance: Instance
    series_instance_uid: str
    is_here: bool = True


@dataclass(frozen=True, slots=True)
class Named:
    """What an address names: objects of one study, in their order, and what lies over them."""

    study: Study
    overlay: Overlay
    objects: tuple[Served, ...]


def find(tx: ReadTx, uids: tuple[str, str, str], sight: Sight, limit: int | None = None) -> Named | None:
    """
    Return what (study, series, instance) name, "" for all of it; None where nothing is to be seen there.

    limit: only the first so many objects.
    """
    study_uid, series_uid, instance_uid = uids
    study = studies.by_uid(tx, study_uid)
    if study is None or not sight.shows(study):
        return None
    if sight.patient_keys is not None and chart_withdrawals.withdrawal_of(tx, study.key) is not None:
        return None
    query = (
        select(instances, series.c.series_instance_uid, object_checks.c.damage)
        .join(series, series.c.key == instances.c.series_key)
        .outerjoin(object_checks, object_checks.c.blob == instances.c.blob)
        .where(instances.c.study_key == study.key, instances.c.withheld == "")
        .order_by(series.c.series_number, series.c.key, instances.c.instance_number, instances.c.key)
        .limit(limit)
    )
    if series_uid:
        query = query.where(series.c.series_instance_uid == series_uid)
    if instance_uid:
        query = query.where(instances.c.sop_instance_uid == instance_uid)
    found = tuple(
        Served(
            Instance(**{name: getattr(row, name) for name in Instance.__slots__}),
            row.series_instance_uid,
            is_here=row.removed_at is None and not row.damage,
        )
        for row in tx.execute(query)
    )
    return Named(study, overlays.current(tx, study), found) if found else None
