"""Other hospitals' numbers of our patients that were learned, each with who taught it, until it is taken back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from bridge.domain.identifiers import PatientIdentifier
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import cross_references


@dataclass(frozen=True, slots=True)
class CrossReference:
    """
    One number that stands for one patient.

    source: "user:maria", or "outside:" and the name of whom we asked. study_key: the study whose binding taught it.
    """

    patient_key: int
    identifier: PatientIdentifier
    source: str
    learned_at: datetime
    study_key: int | None = None
    key: int = 0


def learn(tx: WriteTx, reference: CrossReference) -> bool:
    """Keep *reference*, whose key is ignored; False if the same was learned from the same source and still stands."""
    number = reference.identifier
    same = [
        one
        for one in of_number(tx, number)
        if (one.patient_key, one.source, one.study_key)
        == (reference.patient_key, reference.source, reference.study_key)
    ]
    if same:
        return False
    insert_row(
        tx,
        cross_references,
        patient_key=reference.patient_key,
        issuer_of_patient_id=number.issuer_of_patient_id,
        patient_id=number.patient_id,
        source=reference.source,
        study_key=reference.study_key,
        learned_at=reference.learned_at,
        ended_at=None,
    )
    return True


def of_number(tx: ReadTx, number: PatientIdentifier) -> list[CrossReference]:
    """Return what stands for one number."""
    table = cross_references.c
    return _standing(tx, table.patient_id == number.patient_id, table.issuer_of_patient_id == number.key[0])


def of_patient(tx: ReadTx, patient_keys: Iterable[int]) -> list[CrossReference]:
    """Return what stands for these records."""
    return _standing(tx, cross_references.c.patient_key.in_(list(patient_keys)))


def taught_by(tx: ReadTx, study_key: int) -> list[CrossReference]:
    """Return what the binding of one study taught and still stands."""
    return _standing(tx, cross_references.c.study_key == study_key)


def take_back(tx: WriteTx, keys: Iterable[int], at: datetime) -> None:
    """End what was learned; the rows stay."""
    tx.execute(update(cross_references).where(cross_references.c.key.in_(list(keys))).values(ended_at=at))


def _standing(tx: ReadTx, *conditions: object) -> list[CrossReference]:
    query = select(cross_references).where(cross_references.c.ended_at.is_(None), *conditions)  # type: ignore[arg-type]
    return [
        CrossReference(
            row.patient_key,
            PatientIdentifier(row.patient_id, row.issuer_of_patient_id),
            row.source,
            row.learned_at,
            row.study_key,
            row.key,
        )
        for row in tx.execute(query.order_by(cross_references.c.key))
    ]
