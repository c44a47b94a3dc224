"""Objects that were kept aside, as the UID they came under was taken by another: for a person to look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from bridge.store.db import ReadTx
from bridge.store.listings.people import Person
from bridge.store.tables import conflicting_instances, instances

_MOST = 200


@dataclass(frozen=True, slots=True)
class SetAside:
    """One object. received: whom its header names; received_from: the peer that sent it; first_key: the instance that stays."""

    sop_instance_uid: str
    reason: str
    received: Person
    received_accession_number: str
    received_at: datetime
    received_from: str
    key: int = 0
    first_key: int = 0


def of_study(tx: ReadTx, study_key: int) -> list[SetAside]:
    """Return what came under the UIDs of a study's instances with other content, newest first, at most 200."""
    query = (
        select(conflicting_instances, instances.c.key.label("first_key"))
        .join(instances, instances.c.sop_instance_uid == conflicting_instances.c.sop_instance_uid)
        .where(instances.c.study_key == study_key)
    )
    return [
        SetAside(
            row.sop_instance_uid,
            row.reason,
            _person(row.received),
            str(row.received.get("accession_number", "")),
            row.received_at,
            row.received_from,
            row.key,
            row.first_key,
        )
        for row in tx.execute(query.order_by(conflicting_instances.c.key.desc()).limit(_MOST))
    ]


def _person(received: dict[str, object]) -> Person:
    name, number, issuer, birth_date, sex = (
        str(received.get(keyword, ""))
        for keyword in ("patient_name", "patient_id", "issuer_of_patient_id", "patient_birth_date", "patient_sex")
    )
    return Person(0, name, number, issuer, birth_date, sex)
