"""Bound studies as FHIR serves them: found by identifier, patient or row, newest first.

Unbound ones are never found, and one that still comes in is not found yet: it is served once it would be published.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select

from bridge.domain.completeness import is_all_here
from bridge.domain.study import StudyState
from bridge.store import performed, rejections
from bridge.store.db import ReadTx
from bridge.store.studies import instance_uids
from bridge.store.tables import orders, patient_identifiers, studies

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


def unfinished(tx: ReadTx, quiet_since: datetime) -> list[int]:
    """Return the studies that had an instance just now and whose modality has not said that this is all."""
    fresh = select(studies.c.key, studies.c.study_instance_uid).where(studies.c.last_instance_at > quiet_since)
    return [
        row.key
        for row in tx.execute(fresh.where(studies.c.state.concat("").in_(_BOUND)))
        if not is_all_here(performed.of_study(tx, row.study_instance_uid), instance_uids(tx, row.key))
    ]


def patients_by_number(tx: ReadTx, patient_id: str, issuers: tuple[str, ...] | None) -> list[int]:
    """Return whose number *patient_id* is; issuers: of these authorities only."""
    query = select(patient_identifiers.c.patient_key).where(patient_identifiers.c.patient_id == patient_id)
    if issuers is not None:
        query = query.where(patient_identifiers.c.issuer_of_patient_id.in_(issuers))
    return list(dict.fromkeys(tx.execute(query.limit(50)).scalars()))
