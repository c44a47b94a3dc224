"""Bound studies as somebody who only looks at images is shown them: of a person, by their UIDs, or by accession number."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, select, true

from bridge.domain.study import BOUND_STATES, Study
from bridge.store import studies as study_rows
from bridge.store.db import ReadTx
from bridge.store.listings import people
from bridge.store.listings.people import Person
from bridge.store.searches.conditions import same_people
from bridge.store.tables import chart_withdrawals, instances, orders, series, studies

_MOST = 500


@dataclass(frozen=True, slots=True)
class ShownStudy:
    """A bound study on one line. person: whose it is by now, past merges. accession_number: the binding's."""

    study: Study
    person: Person
    accession_number: str
    modalities: tuple[str, ...]
    series_count: int
    instance_count: int


def of_person(tx: ReadTx, patient_key: int, *, in_charts: bool = False, only: Collection[int] = ()) -> list[ShownStudy]:
    """
    Return the bound studies of a person and of every record that ended in theirs, newest first.

    in_charts: without those that somebody took out of every chart. only: of these studies, () for all.
    """
    theirs = studies.c.patient_key.in_(same_people(tx, [patient_key]))
    among = studies.c.key.in_(list(only)) if only else true()
    return _shown(tx, and_(theirs, among), in_charts=in_charts)


def by_uids(tx: ReadTx, uids: Collection[str]) -> list[ShownStudy]:
    """Return the bound studies among those that *uids* name, newest first."""
    return _shown(tx, studies.c.study_instance_uid.in_(list(uids)))


def by_accession_numbers(tx: ReadTx, numbers: Collection[str]) -> list[ShownStudy]:
    """Return the bound studies of the orders that have one of *numbers*, newest first."""
    mine = select(orders.c.key).where(orders.c.accession_number.in_(list(numbers)))
    return _shown(tx, studies.c.order_key.in_(mine))


def _shown(tx: ReadTx, which: ColumnElement[bool], *, in_charts: bool = False) -> list[ShownStudy]:
    query = select(studies.c.key).where(which, studies.c.state.in_([one.value for one in BOUND_STATES]))
    if in_charts:
        c = chart_withdrawals.c
        withdrawn = select(c.study_key).where(c.study_key == studies.c.key, c.taken_back_at.is_(None))
        query = query.where(~withdrawn.exists())
    newest_first = (studies.c.study_date.desc(), studies.c.study_time.desc(), studies.c.key.desc())
    keys = list(tx.execute(query.order_by(*newest_first).limit(_MOST)).scalars())
    counted, numbers = _counts(tx, keys), _accession_numbers(tx, keys)
    found = {one.key: one for one in study_rows.many(tx, keys)}
    live = {one.patient_key: same_people(tx, [one.patient_key])[0] for one in found.values() if one.patient_key}
    persons = people.by_key(tx, live.values())
    return [
        ShownStudy(found[key], persons[live[patient_key]], numbers.get(key, ""), *counted[key])
        for key in keys
        if key in counted and (patient_key := found[key].patient_key) is not None
    ]


def _counts(tx: ReadTx, keys: Iterable[int]) -> dict[int, tuple[tuple[str, ...], int, int]]:
    """Return modalities, series and instances of studies that show any."""
    rows = tx.execute(
        select(series.c.study_key, series.c.key, series.c.modality, func.count(instances.c.key))
        .join(instances, and_(instances.c.series_key == series.c.key, instances.c.withheld == ""))
        .where(series.c.study_key.in_(list(keys)))
        .group_by(series.c.study_key, series.c.key, series.c.modality)
    ).all()
    found: dict[int, tuple[tuple[str, ...], int, int]] = {}
    for study_key, _, modality, count in rows:
        kinds, series_count, total = found.get(study_key, ((), 0, 0))
        kinds = tuple(sorted({*kinds, modality} - {""}))
        found[study_key] = (kinds, series_count + 1, total + int(count))
    return found


def _accession_numbers(tx: ReadTx, keys: Iterable[int]) -> dict[int, str]:
    query = select(studies.c.key, orders.c.accession_number).join(orders, orders.c.key == studies.c.order_key)
    return {row[0]: row[1] for row in tx.execute(query.where(studies.c.key.in_(list(keys))))}
