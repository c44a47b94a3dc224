"""Performed procedure steps (MPPS) and which scheduled steps they perform."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from bridge.domain.performed import PerformedDraft, PerformedStatus, PerformedStep
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import performed_step_links, performed_steps, steps


def by_uid(tx: ReadTx, sop_instance_uid: str) -> PerformedStep | None:
    """Return the performed step with *sop_instance_uid*, None if it was never created."""
    row = tx.execute(select(performed_steps).where(performed_steps.c.sop_instance_uid == sop_instance_uid)).first()
    return None if row is None else _performed(tx, row)


def of_study(tx: ReadTx, study_instance_uid: str) -> list[PerformedStep]:
    """Return the performed steps of a study, oldest first."""
    rows = tx.execute(
        select(performed_steps)
        .where(performed_steps.c.study_instance_uid == study_instance_uid)
        .order_by(performed_steps.c.key)
    ).all()
    return [_performed(tx, row) for row in rows]


def of_step(tx: ReadTx, step_key: int) -> list[PerformedStep]:
    """Return the performed steps of a scheduled step, oldest first."""
    rows = tx.execute(
        select(performed_steps)
        .join(performed_step_links, performed_step_links.c.performed_step_key == performed_steps.c.key)
        .where(performed_step_links.c.step_key == step_key)
        .order_by(performed_steps.c.key)
    ).all()
    return [_performed(tx, row) for row in rows]


def of_order(tx: ReadTx, order_key: int) -> list[PerformedStep]:
    """Return the performed steps of an order's scheduled steps, oldest first."""
    mine = (
        select(performed_step_links.c.performed_step_key)
        .join(steps, steps.c.key == performed_step_links.c.step_key)
        .where(steps.c.order_key == order_key)
    )
    rows = tx.execute(select(performed_steps).where(performed_steps.c.key.in_(mine)).order_by(performed_steps.c.key))
    return [_performed(tx, row) for row in rows.all()]


def add(
    tx: WriteTx, sop_instance_uid: str, draft: PerformedDraft, step_keys: Iterable[int], at: datetime
) -> PerformedStep:
    """Store a new performed step, IN PROGRESS, for the scheduled steps in rows *step_keys*."""
    key = insert_row(
        tx,
        performed_steps,
        sop_instance_uid=sop_instance_uid,
        status=PerformedStatus.IN_PROGRESS.value,
        study_instance_uid=next((one.study_instance_uid for one in draft.scheduled if one.study_instance_uid), ""),
        performed_procedure_step_id=draft.performed_procedure_step_id,
        performed_station_ae_title=draft.performed_station_ae_title,
        modality=draft.modality,
        patient_id=draft.patient_id,
        issuer_of_patient_id=draft.issuer_of_patient_id,
        started_local=draft.started_local,
        referenced_instances=list(draft.referenced_instances or ()),
        attributes=json.loads(draft.attributes),
        created_at=at,
        updated_at=at,
    )
    links = [{"performed_step_key": key, "step_key": step_key} for step_key in dict.fromkeys(step_keys)]
    if links:
        tx.execute(insert(performed_step_links), links)
    return _performed(tx, tx.execute(select(performed_steps).where(performed_steps.c.key == key)).one())


def link(tx: WriteTx, performed_step_key: int, step_keys: Iterable[int]) -> None:
    """Note that a performed step was of these scheduled ones, which came after it."""
    links = [{"performed_step_key": performed_step_key, "step_key": step_key} for step_key in dict.fromkeys(step_keys)]
    if links:
        tx.execute(insert(performed_step_links), links)


def save(
    tx: WriteTx, step: PerformedStep, status: PerformedStatus, draft: PerformedDraft, at: datetime
) -> PerformedStep:
    """
    Store what an N-SET says.

    A sequence in an N-SET replaces the stored one as a whole. Source: PS3.4 F.7.2.2.2.
    """
    row = tx.execute(select(performed_steps).where(performed_steps.c.key == step.key)).one()
    referenced = row.referenced_instances if draft.referenced_instances is None else list(draft.referenced_instances)
    tx.execute(
        update(performed_steps)
        .where(performed_steps.c.key == step.key)
        .values(
            status=status.value,
            ended_local=draft.ended_local or row.ended_local,
            discontinuation_code=draft.discontinuation_code or row.discontinuation_code,
            referenced_instances=referenced,
            attributes=row.attributes | json.loads(draft.attributes),
            updated_at=at,
        )
    )
    return _performed(tx, tx.execute(select(performed_steps).where(performed_steps.c.key == step.key)).one())


def _performed(tx: ReadTx, row: Row[Any]) -> PerformedStep:
    links = tx.execute(
        select(performed_step_links.c.step_key).where(performed_step_links.c.performed_step_key == row.key)
    ).scalars()
    return PerformedStep(
        key=row.key,
        sop_instance_uid=row.sop_instance_uid,
        status=PerformedStatus(row.status),
        study_instance_uid=row.study_instance_uid,
        performed_procedure_step_id=row.performed_procedure_step_id,
        performed_station_ae_title=row.performed_station_ae_title,
        modality=row.modality,
        step_keys=tuple(links),
        started_local=row.started_local,
        ended_local=row.ended_local,
        discontinuation_code=row.discontinuation_code,
        referenced_instances=tuple(row.referenced_instances),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
