"""The worklist as a person sees it: what a device would get, and why an order is or is not on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from bridge.domain.message import term_text
from bridge.domain.order import LIVE, StepStatus
from bridge.store.db import ReadTx
from bridge.store.listings import journal
from bridge.store.listings.journal import MessageRow
from bridge.store.listings.people import Person, by_key
from bridge.store.tables import message_terms, orders, step_stations, steps, studies

_MESSAGES_MAX = 5
_NEAR_MAX = 5


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
    return _rows(tx, query.order_by(steps.c.scheduled_start_local, steps.c.key).limit(limit).offset(after))


def expected(tx: ReadTx, titles: Sequence[str], modalities: Sequence[str], *, limit: int) -> list[WorklistRow]:
    """Return the open steps, also those on hold, that are for one of these stations or modalities, by start time."""
    stations = select(step_stations.c.step_key).where(step_stations.c.scheduled_station_ae_title.in_(titles))
    query = select(*_SHOWN).join(orders, orders.c.key == steps.c.order_key)
    query = query.where(steps.c.status.in_(sorted(LIVE | {StepStatus.HELD})))
    query = query.where(steps.c.key.in_(stations) | steps.c.modality.in_(modalities))
    return _rows(tx, query.order_by(steps.c.scheduled_start_local, steps.c.key).limit(limit))


def of_steps(tx: ReadTx, step_keys: Sequence[int]) -> list[WorklistRow]:
    """Return these steps, live or not, by start time."""
    query = select(*_SHOWN).join(orders, orders.c.key == steps.c.order_key).where(steps.c.key.in_(step_keys))
    return _rows(tx, query.order_by(steps.c.scheduled_start_local, steps.c.key))


def _rows(tx: ReadTx, query: Select[Any]) -> list[WorklistRow]:
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


@dataclass(frozen=True, slots=True)
class Standing:
    """What devices are answered of a step: its encoded item, None if none is; incomplete: what it lacks, in words."""

    encoded: bytes | None
    incomplete: str


def standing_of(tx: ReadTx, step_key: int) -> Standing:
    """Return what devices are answered of the step in row *step_key*."""
    row = tx.execute(select(steps.c.encoded, steps.c.incomplete).where(steps.c.key == step_key)).one()
    return Standing(row.encoded, row.incomplete)


def has_images(tx: ReadTx, study_instance_uid: str) -> bool:
    """Say whether any image of a study is here."""
    query = select(studies.c.key).where(studies.c.study_instance_uid == study_instance_uid).limit(1)
    return bool(study_instance_uid) and tx.execute(query).first() is not None


def messages_with(tx: ReadTx, number: str) -> list[MessageRow]:
    """Return the newest messages that carry *number*, as whatever kind of number, at most five."""
    query = select(message_terms.c.message_key).where(message_terms.c.value == term_text(number)).distinct()
    newest = query.order_by(message_terms.c.message_key.desc()).limit(_MESSAGES_MAX)
    return journal.by_keys(tx, list(tx.execute(newest).scalars()))


def orders_near(tx: ReadTx, numbers: Sequence[str]) -> list[tuple[str, int]]:
    """Return (accession number, row) of the orders that have one of *numbers*, at most five."""
    query = select(orders.c.accession_number, orders.c.key).where(orders.c.accession_number.in_(numbers))
    return [(row.accession_number, row.key) for row in tx.execute(query.limit(_NEAR_MAX))]


def device_titles(tx: ReadTx) -> list[str]:
    """Return the stations that live steps name."""
    query = (
        select(step_stations.c.scheduled_station_ae_title)
        .join(steps, steps.c.key == step_stations.c.step_key)
        .where(steps.c.status.in_(sorted(LIVE)))
        .distinct()
    )
    return sorted(tx.execute(query).scalars())


def _titles(tx: ReadTx, step_keys: Sequence[int]) -> dict[int, tuple[str, ...]]:
    query = select(step_stations).where(step_stations.c.step_key.in_(step_keys)).order_by(step_stations.c.key)
    found: dict[int, tuple[str, ...]] = {}
    for row in tx.execute(query):
        found[row.step_key] = (*found.get(row.step_key, ()), row.scheduled_station_ae_title)
    return found
