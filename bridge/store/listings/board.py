"""A day's board: every scheduled step of it on one card, and those that wait for a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from bridge.domain.order import StepStatus
from bridge.domain.study import BOUND_STATES
from bridge.store.db import ReadTx
from bridge.store.tables import instances, orders, patients, step_stations, steps, studies

_WAITS = ("SCHEDULED", "ARRIVED", "READY", "HELD")


@dataclass(frozen=True, slots=True)
class Card:
    """
    One step. scheduled_local: "YYYYMMDDHHMMSS" by the hospital's clock, "" while it has no time.

    kept_off: why no device is shown it, "" if one may be. study_state: of its images, "" while none is here (or none that
    this caller may see); images: how many, counted while the exam runs, else 0. version: as a change of it names it.
    """

    step_key: int
    order_key: int
    version: int
    status: StepStatus
    modality: str
    station_ae_titles: tuple[str, ...]
    scheduled_local: str
    scheduled_at: datetime | None
    procedure: str
    priority: str
    patient_name: str
    birth_date: str
    sex: str
    kept_off: str
    is_test: bool
    study_state: str = ""
    images: int = 0


def on_day(tx: ReadTx, day: str, limit: int, *, unbound: bool) -> list[Card]:
    """
    Return the steps scheduled on *day* ("YYYYMMDD", the hospital's date), by time.

    Goes by ix_steps_live; five statements, however many there are. unbound: with images that nobody bound yet.
    """
    query = day_query(day).order_by(steps.c.scheduled_start_local, steps.c.key).limit(limit)
    return _cards(tx, query, unbound=unbound)


def day_query(day: str) -> Select[Any]:
    """Return what asks for the steps of a day. The states are named so that the index on state and start is used."""
    return (
        select(*_SHOWN)
        .join(orders, orders.c.key == steps.c.order_key)
        .join(patients, patients.c.key == orders.c.patient_key)
        .where(steps.c.status.in_([status.value for status in StepStatus]))
        .where(steps.c.scheduled_start_local >= day, steps.c.scheduled_start_local < day + "~")
    )


def without_time(tx: ReadTx, limit: int) -> list[Card]:
    """Return the newest steps that wait and have no time."""
    query = (
        select(*_SHOWN)
        .join(orders, orders.c.key == steps.c.order_key)
        .join(patients, patients.c.key == orders.c.patient_key)
        .where(steps.c.status.in_(_WAITS), steps.c.scheduled_start_local == "")
        .order_by(steps.c.key.desc())
    )
    return _cards(tx, query.limit(limit), unbound=False)


def of_step(tx: ReadTx, step_key: int, *, unbound: bool) -> Card:
    """Return one step's card. Raises: LookupError."""
    query = (
        select(*_SHOWN)
        .join(orders, orders.c.key == steps.c.order_key)
        .join(patients, patients.c.key == orders.c.patient_key)
        .where(steps.c.key == step_key)
    )
    found = _cards(tx, query, unbound=unbound)
    if not found:
        raise LookupError(f"no step {step_key}")
    return found[0]


def is_named(tx: ReadTx, title: str) -> bool:
    """Say whether any step names this station."""
    query = select(step_stations.c.key).where(step_stations.c.scheduled_station_ae_title == title).limit(1)
    return tx.execute(query).first() is not None


_SHOWN = (
    steps.c.key,
    steps.c.order_key,
    steps.c.version,
    steps.c.status,
    steps.c.modality,
    steps.c.scheduled_start_local,
    steps.c.scheduled_start_at,
    steps.c.scheduled_procedure_step_description,
    steps.c.withheld,
    steps.c.incomplete,
    orders.c.requested_procedure_description,
    orders.c.requested_procedure_code_meaning,
    orders.c.requested_procedure_priority,
    orders.c.study_instance_uid,
    orders.c.is_test,
    patients.c.patient_name,
    patients.c.patient_birth_date,
    patients.c.patient_sex,
)


def _cards(tx: ReadTx, query: Select[Any], *, unbound: bool) -> list[Card]:
    found = list(tx.execute(query))
    titles = _titles(tx, [row.key for row in found])
    by_order, by_uid = _studies(tx, found, unbound=unbound)
    of = {row.key: by_order.get(row.order_key) or by_uid.get(row.study_instance_uid) for row in found}
    running = [study.key for row in found if row.status == "STARTED" and (study := of[row.key]) is not None]
    counted = _counted(tx, running)
    return [_card(row, titles.get(row.key, ()), of[row.key], counted) for row in found]


def _card(row: Any, titles: tuple[str, ...], study: Any, counted: dict[int, int]) -> Card:
    return Card(
        step_key=row.key,
        order_key=row.order_key,
        version=row.version,
        status=StepStatus(row.status),
        modality=row.modality,
        station_ae_titles=titles,
        scheduled_local=row.scheduled_start_local,
        scheduled_at=row.scheduled_start_at,
        procedure=row.scheduled_procedure_step_description
        or row.requested_procedure_description
        or row.requested_procedure_code_meaning,
        priority=row.requested_procedure_priority,
        patient_name=row.patient_name,
        birth_date=row.patient_birth_date,
        sex=row.patient_sex,
        kept_off=(row.withheld or row.incomplete) if row.status in _WAITS else "",
        is_test=bool(row.is_test),
        study_state=study.state if study is not None else "",
        images=counted.get(study.key, 0) if study is not None else 0,
    )


def _titles(tx: ReadTx, step_keys: Sequence[int]) -> dict[int, tuple[str, ...]]:
    query = select(step_stations).where(step_stations.c.step_key.in_(step_keys)).order_by(step_stations.c.key)
    found: dict[int, list[str]] = defaultdict(list)
    for row in tx.execute(query) if step_keys else ():
        found[row.step_key].append(row.scheduled_station_ae_title)
    return {key: tuple(titles) for key, titles in found.items()}


def _studies(tx: ReadTx, found: Iterable[Any], *, unbound: bool) -> tuple[dict[int, Any], dict[str, Any]]:
    """Return the studies bound to these orders, and those with an order's UID that nobody has bound yet."""
    keys = list({row.order_key for row in found})
    uids = list({row.study_instance_uid for row in found if row.study_instance_uid}) if unbound else []
    if not keys:
        return {}, {}
    wanted = or_(studies.c.order_key.in_(keys), studies.c.study_instance_uid.in_(uids))
    columns = (studies.c.key, studies.c.order_key, studies.c.study_instance_uid, studies.c.state)
    rows = list(tx.execute(select(*columns, studies.c.closed_reason).where(wanted)))
    bound = {row.order_key: row for row in rows if row.order_key is not None and row.state in BOUND_STATES}
    waiting = {row.study_instance_uid: row for row in rows if row.state not in BOUND_STATES and not row.closed_reason}
    return bound, waiting if unbound else {}


def _counted(tx: ReadTx, study_keys: Sequence[int]) -> dict[int, int]:
    if not study_keys:
        return {}
    shown = (instances.c.study_key.in_(study_keys), instances.c.withheld == "")
    query = select(instances.c.study_key, func.count()).where(*shown)
    return {row[0]: int(row[1]) for row in tx.execute(query.group_by(instances.c.study_key))}
