"""Performed procedure steps (MPPS) and which scheduled steps they perform."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from bridge.domain.order import WAITING
from bridge.domain.performed import (
    PerformedDraft,
    PerformedStatus,
    PerformedStep,
    Proposal,
    left_out,
    proposal_of,
)
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import orders, patient_identifiers, performed_step_links, performed_steps, step_stations, steps

_PERFORMED_SERIES = "00400340"
_mine = performed_steps.c.study_instance_uid == bindparam("study_instance_uid")
_OF_STUDY = Prepared(select(performed_steps).where(_mine).order_by(performed_steps.c.key))
_ATTRIBUTES_OF_STUDY = Prepared(select(performed_steps.c.attributes).where(_mine).order_by(performed_steps.c.key))
_LINKS = Prepared(
    select(performed_step_links.c.step_key)
    .where(performed_step_links.c.performed_step_key == bindparam("performed_step_key"))
    .order_by(performed_step_links.c.key)
)


def by_uid(tx: ReadTx, sop_instance_uid: str) -> PerformedStep | None:
    """Return the performed step with *sop_instance_uid*, None if it was never created."""
    row = tx.execute(select(performed_steps).where(performed_steps.c.sop_instance_uid == sop_instance_uid)).first()
    return None if row is None else _performed(tx, row)


def get(tx: ReadTx, key: int) -> PerformedStep:
    """Return the performed step in row *key*. Raises: LookupError."""
    row = tx.execute(select(performed_steps).where(performed_steps.c.key == key)).first()
    if row is None:
        raise LookupError(f"no performed step {key}")
    return _performed(tx, row)


def of_study(tx: ReadTx, study_instance_uid: str) -> list[PerformedStep]:
    """Return the performed steps of a study, oldest first."""
    return [_performed(tx, row) for row in _OF_STUDY.all(tx, study_instance_uid=study_instance_uid)]


def attributes_of_study(tx: ReadTx, study_instance_uid: str) -> list[dict[str, Any]]:
    """Return what the devices sent of a study's performed steps, DICOM JSON, oldest first."""
    return [row.attributes for row in _ATTRIBUTES_OF_STUDY.all(tx, study_instance_uid=study_instance_uid)]


def uids_of_study(tx: ReadTx, study_instance_uid: str) -> list[str]:
    """Return the SOP Instance UIDs of a study's performed steps."""
    query = select(performed_steps.c.sop_instance_uid)
    return list(tx.execute(query.where(performed_steps.c.study_instance_uid == study_instance_uid)).scalars())


def likely_orders(tx: ReadTx, mpps: PerformedStep) -> list[int]:
    """
    Return the orders that an exam without one may have been of: its patient's, open, of its modality, at its station.

    Within a day of its start by the hospital's clock. No proof: for a person, never to link by. A bare number that more
    than one authority gave is nobody's.
    """
    started = mpps.started_local[:8]
    if not (mpps.patient_id and mpps.modality and len(started) == 8):
        return []
    first, last = _days_around(started)
    who = [patient_identifiers.c.patient_id == mpps.patient_id]
    if mpps.issuer_of_patient_id:
        who.append(patient_identifiers.c.issuer_of_patient_id == mpps.issuer_of_patient_id)
    elif len(set(tx.execute(select(patient_identifiers.c.issuer_of_patient_id).where(*who).limit(9)).scalars())) > 1:
        return []
    rows = tx.execute(
        select(steps.c.order_key)
        .join(orders, orders.c.key == steps.c.order_key)
        .join(step_stations, step_stations.c.step_key == steps.c.key)
        .where(
            orders.c.patient_key.in_(select(patient_identifiers.c.patient_key).where(*who)),
            steps.c.status.in_(sorted(WAITING)),
            steps.c.modality == mpps.modality,
            steps.c.scheduled_start_local.between(first, last),
            step_stations.c.scheduled_station_ae_title.in_([mpps.performed_station_ae_title, mpps.calling_ae_title]),
        )
        .distinct()
        .order_by(steps.c.order_key)
        .limit(5)
    )
    return list(rows.scalars())


def _days_around(day: str) -> tuple[str, str]:
    """Return the day before and the second one after; at the ends of the calendar, where no order is, the day itself."""
    try:
        at = date.fromisoformat(day)
        return f"{at - timedelta(days=1):%Y%m%d}", f"{at + timedelta(days=2):%Y%m%d}"
    except OverflowError:
        return day, day


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
    tx: WriteTx,
    sop_instance_uid: str,
    draft: PerformedDraft,
    step_keys: Iterable[int],
    at: datetime,
    *,
    calling_ae_title: str = "",
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
        calling_ae_title=calling_ae_title,
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
    return get(tx, key)


def link(tx: WriteTx, performed_step_key: int, step_keys: Iterable[int], *, inferred: bool = False) -> None:
    """Note that a performed step was of these scheduled ones. inferred: by whose its images are, not by its own word."""
    links = [
        {"performed_step_key": performed_step_key, "step_key": step_key, "inferred": inferred}
        for step_key in dict.fromkeys(step_keys)
    ]
    if links:
        tx.execute(insert(performed_step_links), links)


def unlink_inferred(tx: WriteTx, performed_step_key: int) -> None:
    """Forget of which scheduled steps a performed one was taken to be: its images are another exam's now."""
    links = performed_step_links.c
    tx.execute(delete(performed_step_links).where(links.performed_step_key == performed_step_key, links.inferred))


def save(
    tx: WriteTx, step: PerformedStep, status: PerformedStatus, draft: PerformedDraft, at: datetime
) -> PerformedStep:
    """
    Store what an N-SET says.

    A sequence in an N-SET replaces the stored one as a whole. Source: PS3.4 F.7.2.2.2.
    """
    row = tx.execute(select(performed_steps).where(performed_steps.c.key == step.key)).one()
    referenced = row.referenced_instances if draft.referenced_instances is None else list(draft.referenced_instances)
    attributes = row.attributes | json.loads(draft.attributes)
    ended, code = draft.ended_local or row.ended_local, draft.discontinuation_code or row.discontinuation_code
    has_series = bool(attributes.get(_PERFORMED_SERIES, {}).get("Value"))
    tx.execute(
        update(performed_steps)
        .where(performed_steps.c.key == step.key)
        .values(
            status=status.value,
            ended_local=ended,
            discontinuation_code=code,
            discontinuation_meaning=draft.discontinuation_meaning or row.discontinuation_meaning,
            incomplete=left_out(status, has_end=bool(ended), has_series=has_series),
            proposal=proposal_of(status, code).value,
            timed_out_at=None,
            referenced_instances=referenced,
            attributes=attributes,
            updated_at=at,
        )
    )
    return get(tx, step.key)


def time_out(tx: WriteTx, performed_step_key: int, at: datetime) -> None:
    """Note that we gave up waiting for a performed step's end."""
    tx.execute(update(performed_steps).where(performed_steps.c.key == performed_step_key).values(timed_out_at=at))


def answer_proposal(tx: WriteTx, performed_step_key: int, answer: Proposal) -> None:
    """Note what a person made of a proposal to cancel."""
    tx.execute(update(performed_steps).where(performed_steps.c.key == performed_step_key).values(proposal=answer.value))


def attributes_of(tx: ReadTx, performed_step_key: int) -> dict[str, Any]:
    """Return everything that was said of a performed step, as DICOM JSON. Source: PS3.18 F."""
    query = select(performed_steps.c.attributes).where(performed_steps.c.key == performed_step_key)
    return dict(tx.execute(query).scalar_one())


def _performed(tx: ReadTx, row: Row[Any]) -> PerformedStep:
    links = [one.step_key for one in _LINKS.all(tx, performed_step_key=row.key)]
    said: dict[str, Any] = {
        "status": PerformedStatus(row.status),
        "proposal": Proposal(row.proposal),
        "step_keys": tuple(links),
        "referenced_instances": tuple(row.referenced_instances),
    }
    plain = {name: getattr(row, name) for name in PerformedStep.__slots__ if name not in said}
    return PerformedStep(**plain, **said)
