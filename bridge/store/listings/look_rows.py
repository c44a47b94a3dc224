"""Bound studies that wait for a look, as lists show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from bridge.store import looks
from bridge.store.db import ReadTx
from bridge.store.listings.people import Person, by_key
from bridge.store.tables import orders, studies


@dataclass(frozen=True, slots=True)
class LookRow:
    """One line of one study's checklist. patient: whose it is."""

    key: int
    study_key: int
    study_instance_uid: str
    subject: str
    sentence: str
    found_at: datetime
    patient: Person | None
    accession_number: str
    source_ae_title: str
    modality: str


def bound_waiting(tx: ReadTx, *, before: int | None, limit: int) -> list[LookRow]:
    """Return what of bound studies waits for a look, newest first."""
    found = looks.bound_waiting(tx, before=before, limit=limit)
    columns = (
        studies.c.key,
        studies.c.study_instance_uid,
        studies.c.patient_key,
        studies.c.source_ae_title,
        studies.c.received["modality"].as_string().label("modality"),
        orders.c.accession_number,
    )
    wanted = select(*columns).outerjoin(orders, orders.c.key == studies.c.order_key)
    wanted = wanted.where(studies.c.key.in_({look.study_key for _, look in found}))
    known = {row.key: row for row in tx.execute(wanted)}
    people = by_key(tx, (row.patient_key for row in known.values()))
    rows = ((key, look, known[look.study_key]) for key, look in found)
    return [
        LookRow(
            key,
            look.study_key,
            row.study_instance_uid,
            look.subject,
            look.sentence,
            look.found_at,
            people.get(row.patient_key),
            row.accession_number or "",
            row.source_ae_title,
            row.modality or "",
        )
        for key, look, row in rows
    ]
