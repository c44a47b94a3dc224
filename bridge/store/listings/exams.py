"""Exams: an order with everything that happened to it, or a study that has no order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select

from bridge.domain.study import BOUND_STATES
from bridge.store.db import ReadTx
from bridge.store.events import Station
from bridge.store.listings.people import Person, by_key
from bridge.store.tables import attachments, orders, publications, step_stations, steps, studies

ORDER, STUDY = "order", "study"
_STARTED = frozenset({"STARTED", "COMPLETED", "DISCONTINUED"})


@dataclass(frozen=True, slots=True)
class ExamRow:
    """
    One exam on one line. id: "order-12", or "study-3" where no order is known. station: the furthest it has reached.

    scheduled_local: "YYYYMMDDHHMMSS" by the hospital's clock, "" if unknown. study_state: of its images, "" while none
    is here (or none that this caller may see).
    """

    id: str
    order_key: int | None
    study_key: int | None
    accession_number: str
    patient: Person | None
    procedure: str
    modality: str
    station_ae_titles: tuple[str, ...]
    scheduled_local: str
    status: str
    study_instance_uid: str
    study_state: str
    station: Station
    at: datetime
    is_test: bool = False


def recent(tx: ReadTx, *, before: int | None, limit: int, unbound: bool = False) -> list[ExamRow]:
    """Return exams by their orders, newest first. unbound: say where images of theirs wait for a decision."""
    query = select(orders).order_by(orders.c.key.desc()).limit(limit)
    if before is not None:
        query = query.where(orders.c.key < before)
    return _of_orders(tx, query, unbound=unbound)


def of_orders(tx: ReadTx, keys: Sequence[int], *, unbound: bool = False) -> list[ExamRow]:
    """Return the exams of these orders, newest first."""
    if not keys:
        return []
    return _of_orders(tx, select(orders).where(orders.c.key.in_(keys)).order_by(orders.c.key.desc()), unbound=unbound)


def of_patients(tx: ReadTx, patient_keys: Sequence[int], *, limit: int, unbound: bool) -> list[ExamRow]:
    """Return the exams of these people, newest first: their orders, and bound studies without one."""
    if not patient_keys:
        return []
    query = select(orders).where(orders.c.patient_key.in_(patient_keys)).order_by(orders.c.key.desc()).limit(limit)
    alone = (
        select(studies)
        .where(studies.c.patient_key.in_(patient_keys), studies.c.order_key.is_(None))
        .order_by(studies.c.key.desc())
        .limit(limit)
    )
    return (_of_orders(tx, query, unbound=unbound) + _of_studies(tx, alone, unbound=unbound))[:limit]


def of_studies(tx: ReadTx, keys: Sequence[int], *, unbound: bool) -> list[ExamRow]:
    """Return the exams of these studies: by their order where one is bound. unbound: with studies nobody bound yet."""
    if not keys:
        return []
    return _of_studies(
        tx, select(studies).where(studies.c.key.in_(keys)).order_by(studies.c.key.desc()), unbound=unbound
    )


def _of_orders(tx: ReadTx, query: Select[Any], *, unbound: bool) -> list[ExamRow]:
    found = list(tx.execute(query))
    keys = [row.key for row in found]
    people = by_key(tx, (row.patient_key for row in found))
    first_steps, stations = _steps(tx, keys)
    bound = _bound_studies(tx, keys)
    reached = _reached(tx, [study.key for study in bound.values()])
    if unbound:
        bound = _waiting_studies(tx, [row for row in found if row.key not in bound]) | bound
    return [
        _order_row(
            row, people.get(row.patient_key), first_steps.get(row.key), stations.get(row.key, ()), bound, reached
        )
        for row in found
    ]


def _order_row(
    row: Row[Any],
    person: Person | None,
    step: Row[Any] | None,
    stations: tuple[str, ...],
    *facts: Any,
) -> ExamRow:
    bound, reached = facts
    study = bound.get(row.key)
    station = Station.SCHEDULED if step is not None else Station.ORDER
    if step is not None and step.status in _STARTED:
        station = Station.PERFORMED
    if study is not None:
        station = reached.get(study.key, Station.RECONCILED) if study.state in BOUND_STATES else Station.IMAGES
    return ExamRow(
        id=f"{ORDER}-{row.key}",
        order_key=row.key,
        study_key=study.key if study is not None else None,
        accession_number=row.accession_number,
        patient=person,
        procedure=row.requested_procedure_description or row.requested_procedure_code_meaning,
        modality=step.modality if step is not None else "",
        station_ae_titles=stations,
        scheduled_local=step.scheduled_start_local if step is not None else "",
        status=row.status,
        study_instance_uid=row.study_instance_uid,
        study_state=study.state if study is not None else "",
        station=station,
        at=row.ordered_at,
        is_test=bool(row.is_test),
    )


def _of_studies(tx: ReadTx, query: Select[Any], *, unbound: bool) -> list[ExamRow]:
    found = [row for row in tx.execute(query) if unbound or row.state in BOUND_STATES]
    by_order = {row.order_key: row.key for row in found if row.order_key is not None}
    rows = {row.order_key: row for row in of_orders(tx, list(by_order), unbound=unbound)}
    people = by_key(tx, (row.patient_key for row in found))
    reached = _reached(tx, [row.key for row in found])
    exams: list[ExamRow] = []
    for row in found:
        if row.order_key in rows:
            exams.append(replace(rows.pop(row.order_key), study_key=row.key))
        elif row.order_key is None:
            exams.append(_study_row(row, people.get(row.patient_key), reached))
    return exams


def _study_row(row: Row[Any], person: Person | None, reached: dict[int, Station]) -> ExamRow:
    bound = row.state in BOUND_STATES
    claimed = Person(
        0, row.received_patient_name, row.received_patient_id, row.received_issuer_of_patient_id,
        row.received_patient_birth_date,
    )  # fmt: skip
    return ExamRow(
        id=f"{STUDY}-{row.key}",
        order_key=None,
        study_key=row.key,
        accession_number=row.received_accession_number,
        patient=person if bound else claimed,
        procedure=str(row.received.get("study_description", "")),
        modality=str(row.received.get("modality", "")),
        station_ae_titles=(row.source_ae_title,) if row.source_ae_title else (),
        scheduled_local=row.study_date + row.study_time[:6] if row.study_date else "",
        status="" if bound else "unbound",
        study_instance_uid=row.study_instance_uid,
        study_state=row.state,
        station=reached.get(row.key, Station.RECONCILED) if bound else Station.IMAGES,
        at=row.first_instance_at,
    )


def _steps(tx: ReadTx, order_keys: Sequence[int]) -> tuple[dict[int, Row[Any]], dict[int, tuple[str, ...]]]:
    """Return each order's step that is furthest along, and the stations of all of its steps."""
    found = list(tx.execute(select(steps).where(steps.c.order_key.in_(order_keys)).order_by(steps.c.key.desc())))
    first: dict[int, Row[Any]] = {}
    for row in found:
        known = first.get(row.order_key)
        if known is None or row.status in _STARTED or known.status not in _STARTED:
            first[row.order_key] = row
    order_of = {row.key: row.order_key for row in found}
    titles: dict[int, list[str]] = defaultdict(list)
    query = select(step_stations).where(step_stations.c.step_key.in_(list(order_of))).order_by(step_stations.c.key)
    for row in tx.execute(query):
        titles[order_of[row.step_key]].append(row.scheduled_station_ae_title)
    return first, {key: tuple(dict.fromkeys(value)) for key, value in titles.items()}


def _bound_studies(tx: ReadTx, order_keys: Sequence[int]) -> dict[int, Any]:
    # The state is looked at here: asked for it, SQLite would walk every bound study there is.
    query = select(studies.c.key, studies.c.order_key, studies.c.state).where(studies.c.order_key.in_(order_keys))
    return {row.order_key: row for row in tx.execute(query) if row.state in BOUND_STATES}


def _waiting_studies(tx: ReadTx, found: Sequence[Row[Any]]) -> dict[int, Any]:
    """Return, by order, studies with the order's UID that nobody has bound yet, closed ones aside."""
    order_of = {row.study_instance_uid: row.key for row in found if row.study_instance_uid}
    columns = select(studies.c.key, studies.c.study_instance_uid, studies.c.state)
    query = columns.where(studies.c.study_instance_uid.in_(list(order_of)), studies.c.closed_reason == "")
    return {order_of[row.study_instance_uid]: row for row in tx.execute(query) if row.state not in BOUND_STATES}


def _reached(tx: ReadTx, study_keys: Iterable[int]) -> dict[int, Station]:
    keys = list(study_keys)
    charted = select(publications.c.study_key).where(
        publications.c.study_key.in_(keys),
        publications.c.resource_type == "ImagingStudy",
        publications.c.retired_at.is_(None),
    )
    found: dict[int, Station] = dict.fromkeys(tx.execute(charted).scalars(), Station.CHART)
    attached = select(attachments.c.study_key).where(attachments.c.study_key.in_(keys))
    return found | dict.fromkeys(tx.execute(attached).scalars(), Station.AUTHORIZATION)
