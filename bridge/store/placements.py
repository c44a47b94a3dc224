"""
Each chart that a study was in: the resource that FHIR has for it there, which stands, stood, or stands again.

A study of another person is another resource: the one before stays where it was and is marked as an error, so that whoever
read it learns so. The records of one person are one chart, however they were merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from bridge.domain.study import Study
from bridge.store import announced_studies, patients
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import study_placements as table

_OF_STUDY = Prepared(select(table).where(table.c.study_key == bindparam("study_key")).order_by(table.c.number))


@dataclass(frozen=True, slots=True)
class Placement:
    """
    A study in one chart. number: which of its study, from 1. changed_in: the study's version that ended or restored it.

    announced_key: the row of what was announced of it in this chart, before an image of it was here.
    """

    key: int
    study_key: int
    number: int
    patient_key: int
    stands: bool
    changed_in: int
    announced_key: int | None = None

    @property
    def resource_id(self) -> str:
        """What FHIR calls it: it says nothing of the study, and stays."""
        if self.announced_key is not None:
            return announced_studies.resource_id(self.announced_key)
        return f"{self.study_key}" if self.number == 1 else f"{self.study_key}-{self.number}"


def follow(tx: WriteTx, study: Study) -> None:
    """Bring a study's placements to what *study* says now: in its patient's chart, or in nobody's."""
    known = of_study(tx, study.key)
    bound_to = study.patient_key if study.is_bound else None
    if bound_to is None and not known:
        return
    live = None if bound_to is None else patients.survivor(tx, bound_to).key
    theirs = [one for one in known if live is not None and patients.survivor(tx, one.patient_key).key == live]
    # A merge may bring a chart in which it was an error into one in which it stands: there it stays.
    own = next((one for one in theirs if one.stands), next(iter(theirs), None))
    for one in known:
        stands = own is not None and one.key == own.key
        # In whose chart it is now is what an undone merge takes it out of.
        whose = live if stands and live is not None else one.patient_key
        if (one.stands, one.patient_key) != (stands, whose):
            changed = {"stands": stands, "patient_key": whose, "changed_in": study.version}
            tx.execute(update(table).where(table.c.key == one.key).values(**changed))
    if own is None and live is not None:
        number = len(known) + 1
        said = {"number": number, "patient_key": live, "stands": True, "changed_in": study.version}
        begun = announced_studies.of_person(tx, study.study_instance_uid, live)
        insert_row(tx, table, study_key=study.key, announced_study_key=begun.key if begun else None, **said)
        if begun is not None:
            announced_studies.go_on(tx, begun.key, study.key)


def of_study(tx: ReadTx, study_key: int) -> list[Placement]:
    """Return where a study was, the first chart first."""
    return [_placement(row) for row in _OF_STUDY.all(tx, study_key=study_key)]


def current(tx: ReadTx, study_key: int) -> Placement | None:
    """Return where a study stands, None if in no chart."""
    return next((one for one in of_study(tx, study_key) if one.stands), None)


def resource_ids(tx: ReadTx, study_keys: Iterable[int]) -> dict[int, str]:
    """Return what FHIR calls these studies now, those that stand in a chart."""
    query = select(table).where(table.c.study_key.in_(list(study_keys)), table.c.stands)
    return {row.study_key: _placement(row).resource_id for row in tx.execute(query)}


def many(tx: ReadTx, keys: Sequence[int]) -> list[Placement]:
    """Return the placements in these rows, in their order."""
    found = {row.key: _placement(row) for row in tx.execute(select(table).where(table.c.key.in_(keys)))}
    return [found[key] for key in keys if key in found]


def by_resource_id(tx: ReadTx, resource_id: str) -> Placement | None:
    """Return the placement that FHIR calls so, None if there is none."""
    announced = announced_studies.row_of(resource_id)
    if announced is not None:
        row = tx.execute(select(table).where(table.c.announced_study_key == announced)).first()
        return None if row is None else _placement(row)
    study_key, _, number = resource_id.partition("-")
    if not all(one.isascii() and one.isdecimal() and len(one) < 19 for one in (study_key, number or "1")):
        return None
    found = next((one for one in of_study(tx, int(study_key)) if one.number == int(number or "1")), None)
    return found if found is not None and found.resource_id == resource_id else None


def _placement(row: Row[Any]) -> Placement:
    return Placement(
        row.key,
        row.study_key,
        row.number,
        row.patient_key,
        bool(row.stands),
        row.changed_in,
        row.announced_study_key,
    )
