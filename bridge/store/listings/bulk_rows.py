"""The studies of a bulk, as its page lists them."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.study import Study
from bridge.store import bulk_jobs, studies
from bridge.store.bulk_jobs import BulkStudy
from bridge.store.db import ReadTx
from bridge.store.listings import people
from bridge.store.listings.people import Person


@dataclass(frozen=True, slots=True)
class BulkRow:
    """One study. foreseen: the patient that it would be bound to; bound: whose it is now; None for nobody."""

    one: BulkStudy
    study: Study
    foreseen: Person | None
    bound: Person | None


def of_bulk(tx: ReadTx, bulk_key: int, limit: int) -> list[BulkRow]:
    """Return the first studies of a bulk with the people that they lead to."""
    found = bulk_jobs.studies_of(tx, bulk_key, limit)
    of_row = {one.key: one for one in studies.many(tx, [row.study_key for row in found])}
    wanted = [row.foreseen.get("patient_key") for row in found] + [one.patient_key for one in of_row.values()]
    known = people.by_key(tx, wanted)
    return [
        BulkRow(
            row,
            of_row[row.study_key],
            known.get(row.foreseen.get("patient_key") or 0),
            known.get(of_row[row.study_key].patient_key or 0),
        )
        for row in found
    ]
