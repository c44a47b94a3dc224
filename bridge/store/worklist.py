"""The worklist as devices query it: candidates by index, whole items already encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select

from bridge.domain.order import LIVE
from bridge.store.db import ReadTx
from bridge.store.tables import orders, patient_identifiers, step_stations, steps


@dataclass(frozen=True, slots=True)
class Narrowing:
    """
    What of a query an index can answer: exact values only, () for no restriction; the rest is matched on the items.

    starts_from, starts_until: "YYYYMMDDHHMMSS[.F]", compared as text; None leaves the end open.
    """

    scheduled_station_ae_title: Sequence[str] = ()
    modality: Sequence[str] = ()
    starts_from: str | None = None
    starts_until: str | None = None
    accession_number: Sequence[str] = ()
    patient_id: Sequence[str] = ()
    study_instance_uid: Sequence[str] = ()


def candidates(tx: ReadTx, by: Narrowing) -> list[tuple[int, bytes]]:
    """Return (step key, encoded item) of the live steps that may match, by start time; incomplete steps have none."""
    query = (
        select(steps.c.key, steps.c.encoded)
        .where(steps.c.status.in_(sorted(LIVE)), steps.c.encoded.is_not(None))
        .order_by(steps.c.scheduled_start_local, steps.c.key)
    )
    return [(row.key, row.encoded) for row in tx.execute(_narrowed(query, by))]


def _narrowed(query: Select[tuple[int, bytes]], by: Narrowing) -> Select[tuple[int, bytes]]:
    if by.scheduled_station_ae_title:
        stations = select(step_stations.c.step_key).where(
            step_stations.c.scheduled_station_ae_title.in_(by.scheduled_station_ae_title)
        )
        query = query.where(steps.c.key.in_(stations))
    if by.modality:
        query = query.where(steps.c.modality.in_(by.modality))
    if by.starts_from is not None:
        query = query.where(steps.c.scheduled_start_local >= by.starts_from)
    if by.starts_until is not None:
        query = query.where(steps.c.scheduled_start_local <= by.starts_until)
    if by.accession_number or by.study_instance_uid:
        query = query.join(orders, orders.c.key == steps.c.order_key)
    if by.accession_number:
        query = query.where(orders.c.accession_number.in_(by.accession_number))
    if by.study_instance_uid:
        query = query.where(orders.c.study_instance_uid.in_(by.study_instance_uid))
    if by.patient_id:
        holders = select(patient_identifiers.c.patient_key).where(patient_identifiers.c.patient_id.in_(by.patient_id))
        query = query.where(steps.c.order_key.in_(select(orders.c.key).where(orders.c.patient_key.in_(holders))))
    return query
