"""Studies that a modality has begun, as they are read here before an image of them is: each is a resource in one chart.

With its first image a study of the same person goes on as that resource (`placements`); of anybody else it is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from bridge.domain.chart_status import ChartStatus
from bridge.store import patients
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import announced_studies as table

# What FHIR calls one begins so: it says nothing of the study, and stays.
ID_PREFIX = "begun-"


@dataclass(frozen=True, slots=True)
class AnnouncedStudy:
    """
    A study in the chart of a person. status: as it was written down last; who reads it judges it again.

    study_key: the study that goes on as this resource, None until then.
    """

    key: int
    study_instance_uid: str
    patient_key: int
    order_key: int
    modality: str
    started_local: str
    status: ChartStatus
    changed_at: datetime
    study_key: int | None = None

    @property
    def resource_id(self) -> str:
        return resource_id(self.key)


def resource_id(key: int) -> str:
    """Return what FHIR calls what was announced in row *key*, from then on."""
    return f"{ID_PREFIX}{key}"


def row_of(name: str) -> int | None:
    """Return the row that a resource's id names, None if it is no announced study's."""
    digits = name.removeprefix(ID_PREFIX)
    is_one = digits != name and digits.isascii() and digits.isdecimal() and len(digits) < 19
    return int(digits) if is_one and resource_id(int(digits)) == name else None


def of_study(tx: ReadTx, study_instance_uid: str) -> list[AnnouncedStudy]:
    """Return what was announced of a study, each in another person's chart, the first first."""
    query = select(table).where(table.c.study_instance_uid == study_instance_uid).order_by(table.c.key)
    return [_announced(row) for row in tx.execute(query)]


def of_person(tx: ReadTx, study_instance_uid: str, live_key: int) -> AnnouncedStudy | None:
    """
    Return what was announced of a study in the chart of whose live record this is, None if no study may go on as that.

    A merge may bring several into one chart: it is the one that stands, else the first.
    """
    found = [
        one
        for one in of_study(tx, study_instance_uid)
        if one.study_key is None and patients.survivor(tx, one.patient_key).key == live_key
    ]
    return min(found, key=lambda one: (one.status != ChartStatus.REGISTERED, one.key), default=None)


def many(tx: ReadTx, keys: Sequence[int]) -> list[AnnouncedStudy]:
    """Return what was announced in these rows, in their order."""
    found = {row.key: _announced(row) for row in tx.execute(select(table).where(table.c.key.in_(keys)))}
    return [found[key] for key in keys if key in found]


def add(tx: WriteTx, one: AnnouncedStudy) -> AnnouncedStudy:
    """Store what is announced (its key is ignored), and return it with its row."""
    return many(tx, [insert_row(tx, table, **_values(one))])[0]


def save(tx: WriteTx, one: AnnouncedStudy) -> None:
    """Store what is announced over the row of its key."""
    tx.execute(update(table).where(table.c.key == one.key).values(**_values(one)))


def go_on(tx: WriteTx, key: int, study_key: int) -> None:
    """A study goes on as what was announced of it: it is found among the studies from now on."""
    tx.execute(update(table).where(table.c.key == key).values(study_key=study_key))


def _values(one: AnnouncedStudy) -> dict[str, Any]:
    return {
        name: getattr(one, name) for name in AnnouncedStudy.__slots__ if name not in ("key", "study_key", "status")
    } | {"status": one.status.value}


def _announced(row: Row[Any]) -> AnnouncedStudy:
    said = {name: getattr(row, name) for name in AnnouncedStudy.__slots__ if name != "status"}
    return AnnouncedStudy(**said, status=ChartStatus(row.status))
