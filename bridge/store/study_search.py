"""Studies by what a query knows of them; what indexes cannot answer is matched on what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, or_, select

from bridge.domain.study import BOUND_STATES, StudyContents
from bridge.store.db import ReadTx
from bridge.store.studies import contents
from bridge.store.tables import instances, orders, patient_identifiers, series, studies


@dataclass(frozen=True, slots=True)
class StudyNarrowing:
    """Exact values only, () for no restriction. dates_from, dates_until: "YYYYMMDD", None for open ends."""

    study_instance_uid: Sequence[str] = ()
    series_instance_uid: Sequence[str] = ()
    sop_instance_uid: Sequence[str] = ()
    accession_number: Sequence[str] = ()
    patient_id: Sequence[str] = ()
    dates_from: str | None = None
    dates_until: str | None = None
    unbound: bool = False


def candidates(tx: ReadTx, by: StudyNarrowing, limit: int) -> Iterator[StudyContents]:
    """Return the studies that may match, newest first; unbound ones only where *by* says so."""
    query = select(studies.c.key).order_by(studies.c.study_date.desc(), studies.c.key.desc()).limit(limit)
    if not by.unbound:
        query = query.where(studies.c.state.in_(sorted(BOUND_STATES)))
    for row in tx.execute(_narrowed(query, by)).all():
        yield contents(tx, row.key)


def _narrowed(query: Select[tuple[int]], by: StudyNarrowing) -> Select[tuple[int]]:
    if by.study_instance_uid:
        query = query.where(studies.c.study_instance_uid.in_(by.study_instance_uid))
    if by.series_instance_uid:
        found = select(series.c.study_key).where(series.c.series_instance_uid.in_(by.series_instance_uid))
        query = query.where(studies.c.key.in_(found))
    if by.sop_instance_uid:
        held = select(instances.c.study_key).where(instances.c.sop_instance_uid.in_(by.sop_instance_uid))
        query = query.where(studies.c.key.in_(held))
    if by.accession_number:
        ordered = select(orders.c.key).where(orders.c.accession_number.in_(by.accession_number))
        query = query.where(
            or_(studies.c.received_accession_number.in_(by.accession_number), studies.c.order_key.in_(ordered))
        )
    if by.patient_id:
        holders = select(patient_identifiers.c.patient_key).where(patient_identifiers.c.patient_id.in_(by.patient_id))
        query = query.where(or_(studies.c.received_patient_id.in_(by.patient_id), studies.c.patient_key.in_(holders)))
    if by.dates_from is not None:
        query = query.where(studies.c.study_date >= by.dates_from)
    if by.dates_until is not None:
        query = query.where(studies.c.study_date <= by.dates_until)
    return query
