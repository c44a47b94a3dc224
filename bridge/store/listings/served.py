"""Bound studies as FHIR serves them: found by identifier, patient or row, newest first.

Unbound ones are never found, and one that still comes in for the first time is not found yet. One that was whole before
stays: images that come late to it are told once they are all here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select

from bridge.domain.chart import OWN
from bridge.domain.chart_status import ChartStatus
from bridge.domain.completeness import is_all_here
from bridge.domain.study import StudyState
from bridge.store import chart_versions, performed, placements, rejections
from bridge.store.db import ReadTx
from bridge.store.studies import instance_uids
from bridge.store.tables import orders, studies

_BOUND = (StudyState.BOUND.value, StudyState.BOUND_WITH_CORRECTION.value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What a search asks for; None leaves it open. value: a study UID, or an accession number.

    quiet_since: a study without a newer instance counts as complete.
    """

    quiet_since: datetime
    study_keys: tuple[int, ...] | None = None
    values: tuple[str, ...] | None = None
    patient_keys: tuple[int, ...] | None = None


def find(tx: ReadTx, wanted: Wanted, *, before: int | None, limit: int) -> tuple[list[int], int]:
    """Return the keys of bound and complete studies, newest first, and how many there are in all."""
    clauses: list[ColumnElement[bool]] = []
    if wanted.study_keys is not None:
        clauses.append(studies.c.key.in_(wanted.study_keys))
    if wanted.values is not None:
        ordered = select(orders.c.key).where(orders.c.accession_number.in_(wanted.values))
        clauses.append(or_(studies.c.study_instance_uid.in_(wanted.values), studies.c.order_key.in_(ordered)))
    if wanted.patient_keys is not None:
        clauses.append(studies.c.patient_key.in_(wanted.patient_keys))
    # Beside a narrower clause the state is made unfit for its index: SQLite would walk every bound study there is.
    state = studies.c.state.concat("") if clauses else studies.c.state
    clauses += [state.in_(_BOUND), ~rejections.shows_nothing()]
    unfinished_now = unfinished(tx, wanted.quiet_since)
    if unfinished_now:
        clauses.append(studies.c.key.not_in(unfinished_now))
    total = int(tx.execute(select(func.count()).select_from(studies).where(*clauses)).scalar_one())
    query = select(studies.c.key).where(*clauses).order_by(studies.c.key.desc()).limit(limit)
    if before is not None:
        query = query.where(studies.c.key < before)
    return list(tx.execute(query).scalars()), total


def unfinished(tx: ReadTx, quiet_since: datetime) -> dict[int, str]:
    """
    Return the studies that still come in for the first time, each with the status that its chart here has of it by now.

    That is: an instance came just now, and its modality has not said that this is all. "" where nothing was kept of it.
    """
    fresh = select(studies.c.key, studies.c.study_instance_uid).where(studies.c.last_instance_at > quiet_since)
    coming = [
        row.key
        for row in tx.execute(fresh.where(studies.c.state.concat("").in_(_BOUND)))
        if not is_all_here(performed.of_study(tx, row.study_instance_uid), instance_uids(tx, row.key))
    ]
    kept = _kept_of(tx, coming) if coming else {}
    return {key: kept.get(key, "") for key in coming if kept.get(key) != ChartStatus.AVAILABLE}


def _kept_of(tx: ReadTx, study_keys: list[int]) -> dict[int, str]:
    """Return the status of the version that stands of each study, in the chart that it is in."""
    named = placements.resource_ids(tx, study_keys)
    return {
        one.whose.study_key: one.status
        for one in chart_versions.newest_of_studies(tx, OWN, study_keys)
        if one.whose.study_key is not None and one.resource_id == named.get(one.whose.study_key)
    }
