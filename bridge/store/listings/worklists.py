"""The worklist as a person sees it: what a device would get, and why an order is or is not on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from bridge.domain.order import LIVE, Order, Step
from bridge.store import orders as order_store
from bridge.store.db import ReadTx
from bridge.store.listings.people import Person, by_key
from bridge.store.tables import orders, step_stations, steps


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One entry. incomplete: why no device gets it ("" if they do): a value that the standard requires is missing."""

    step_key: int
    order_key: int
    accession_number: str
    patient: Person | None
    procedure: str
    modality: str
    station_ae_titles: tuple[str, ...]
    scheduled_local: str
    scheduled_at: datetime | None
    status: str
    scheduled_procedure_step_id: str
    requested_procedure_id: str
    study_instance_uid: str
    priority: str
    incomplete: str


def items(tx: ReadTx, ae_title: str, *, limit: int, after: int = 0) -> list[WorklistRow]:
    """
    Return the live entries by start time: those of station *ae_title*, or every one for "".

    after: how many to leave out; the list is short (live entries only), so an offset does.
    """
    query = select(*_SHOWN).join(orders, orders.c.key == steps.c.order_key).where(steps.c.status.in_(sorted(LIVE)))
    if ae_title:
        stations = select(step_stations.c.step_key).where(step_stations.c.scheduled_station_ae_title == ae_title)
        query = query.where(steps.c.key.in_(stations))
    query = query.order_by(steps.c.scheduled_start_local, steps.c.key).limit(limit).offset(after)
    found = list(tx.execute(query))
    people = by_key(tx, (row.patient_key for row in found))
    titles = _titles(tx, [row.key for row in found])
    return [_row(row, people.get(row.patient_key), titles.get(row.key, ())) for row in found]


_SHOWN = (
    steps.c.key,
    steps.c.order_key,
    steps.c.modality,
    steps.c.scheduled_start_local,
    steps.c.scheduled_start_at,
    steps.c.status,
    steps.c.scheduled_procedure_step_id,
    steps.c.scheduled_procedure_step_description,
    steps.c.incomplete,
    orders.c.patient_key,
    orders.c.accession_number,
    orders.c.requested_procedure_description,
    orders.c.requested_procedure_id,
    orders.c.requested_procedure_priority,
    orders.c.study_instance_uid,
)


def _row(row: Any, patient: Person | None, titles: tuple[str, ...]) -> WorklistRow:
    return WorklistRow(
        step_key=row.key,
        order_key=row.order_key,
        accession_number=row.accession_number,
        patient=patient,
        procedure=row.scheduled_procedure_step_description or row.requested_procedure_description,
        modality=row.modality,
        station_ae_titles=titles,
        scheduled_local=row.scheduled_start_local,
        scheduled_at=row.scheduled_start_at,
        status=row.status,
        scheduled_procedure_step_id=row.scheduled_procedure_step_id,
        requested_procedure_id=row.requested_procedure_id,
        study_instance_uid=row.study_instance_uid,
        priority=row.requested_procedure_priority,
        incomplete=row.incomplete,
    )


def explain(tx: ReadTx, accession_number: str, ae_title: str) -> tuple[bool, list[str]]:
    """Return whether a device is shown the order with this number, and the reasons in words."""
    found = order_store.by_accession(tx, accession_number)
    if not found:
        return False, ["No order with this accession number has arrived."]
    reasons: list[str] = []
    shown = False
    for order in found:
        rows = order_store.steps_of(tx, order.key)
        if not rows:
            reasons.append("The order has no scheduled step: its message named no time, device or modality.")
        for step in rows:
            why = [*_why_not(step), *_missing(tx, step), *_elsewhere(step, ae_title)]
            shown = shown or not why
            reasons += why or [_why_shown(order, step, ae_title)]
    return shown, list(dict.fromkeys(reasons))


def device_titles(tx: ReadTx) -> list[str]:
    """Return the stations that live steps name."""
    query = (
        select(step_stations.c.scheduled_station_ae_title)
        .join(steps, steps.c.key == step_stations.c.step_key)
        .where(steps.c.status.in_(sorted(LIVE)))
        .distinct()
    )
    return sorted(tx.execute(query).scalars())


_WORDS = {
    "COMPLETED": "The exam is finished: the device reported it as completed.",
    "DISCONTINUED": "The exam was stopped at the device.",
    "CANCELED": "The order was cancelled.",
    "HELD": "The order is on hold.",
}


def _why_not(step: Step) -> list[str]:
    return [] if step.status in LIVE else [_WORDS.get(step.status.value, f"The step is {step.status.value}.")]


def _missing(tx: ReadTx, step: Step) -> list[str]:
    if step.withheld and step.status != "STARTED":
        return [f"It is kept off the worklist: {step.withheld}."]
    missing = tx.execute(select(steps.c.incomplete).where(steps.c.key == step.key)).scalar()
    return [f"The entry lacks what devices require: {missing}."] if missing else []


def _elsewhere(step: Step, ae_title: str) -> list[str]:
    stations = step.scheduled_station_ae_title
    if not ae_title or ae_title in stations:
        return []
    if not stations:
        return [f"The order names no device, so a query for {ae_title} does not find it."]
    return [f"It is scheduled for {', '.join(stations)}, not for {ae_title}."]


def _why_shown(order: Order, step: Step, ae_title: str) -> str:
    who = ae_title or "Every device that asks"
    return f"{who} is shown it: scheduled as {step.modality or 'any modality'}, state {step.status.value.lower()}."


def _titles(tx: ReadTx, step_keys: Sequence[int]) -> dict[int, tuple[str, ...]]:
    query = select(step_stations).where(step_stations.c.step_key.in_(step_keys)).order_by(step_stations.c.key)
    found: dict[int, tuple[str, ...]] = {}
    for row in tx.execute(query):
        found[row.step_key] = (*found.get(row.step_key, ()), row.scheduled_station_ae_title)
    return found
