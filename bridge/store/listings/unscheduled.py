"""Exams that devices report and that are of no order, as long as no image of them is here: those have a case of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, select

from bridge.domain.performed import PerformedStep
from bridge.store import performed
from bridge.store.db import ReadTx
from bridge.store.listings.people import Person
from bridge.store.tables import awaited_orders, performed_step_links, performed_steps, studies

_SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class Unscheduled:
    """One exam. patient: as its device wrote it, nobody of ours."""

    step: PerformedStep
    patient: Person


def unscheduled(tx: ReadTx) -> list[Unscheduled]:
    """Return the newest exams of no order, of which no image is here."""
    waiting = select(awaited_orders.c.performed_step_key).where(awaited_orders.c.performed_step_key.is_not(None))
    linked = exists().where(performed_step_links.c.performed_step_key == performed_steps.c.key)
    has_images = exists().where(studies.c.study_instance_uid == performed_steps.c.study_instance_uid)
    rows = tx.execute(
        select(performed_steps.c.key)
        .where(performed_steps.c.key.in_(waiting), ~linked, ~has_images)
        .order_by(performed_steps.c.key.desc())
        .limit(_SHOWN_MAX)
    ).scalars()
    return [_unscheduled(tx, key) for key in rows.all()]


def _unscheduled(tx: ReadTx, key: int) -> Unscheduled:
    step = performed.get(tx, key)
    said = performed.attributes_of(tx, key)
    names: Any = (said.get("00100010", {}).get("Value") or [None])[0] or {}
    name = "=".join(names.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    born, sex = ((said.get(tag, {}).get("Value") or [""])[0] or "" for tag in ("00100030", "00100040"))
    return Unscheduled(step, Person(0, name, step.patient_id, step.issuer_of_patient_id, str(born), str(sex)))
