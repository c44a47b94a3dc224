"""A performed step moves the scheduled steps it performs, and their orders; the timeline says how. In its caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.domain.order import FINAL, Order, Step, StepStatus
from bridge.domain.performed import ChangeCause, PerformedStatus, PerformedStep, next_status, step_status_after
from bridge.domain.performed_reasons import reason_in_words
from bridge.domain.step_change import StepChange
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.refresh_worklist import refresh_worklist, set_order_status
from bridge.flows.register_patient import News
from bridge.store import events, orders, performed, step_changes, studies, workitems
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

MPPS_WORDS: Mapping[PerformedStatus, str] = {
    PerformedStatus.IN_PROGRESS: "Exam started on",
    PerformedStatus.COMPLETED: "Exam completed on",
    PerformedStatus.DISCONTINUED: "Exam discontinued on",
}


@dataclass(frozen=True, slots=True)
class Moving:
    """
    Who is told of what moves, when it is, and how the timeline says it.

    by: whose word it is. words: begin of the line, before the station. source_kind, source_id: where the line comes from,
    source_id "" for the performed step itself.
    """

    destinations: Destinations
    at: datetime
    by: str = ""
    words: Mapping[PerformedStatus, str] = field(default_factory=lambda: MPPS_WORDS)
    source_kind: str = "performed_step"
    source_id: str = ""


def follow_device(tx: WriteTx, mpps: PerformedStep, steps: Sequence[Step], how: Moving) -> None:
    """Bring *steps*, which *mpps* performs, to what it says by now, and their orders with them."""
    wanted = step_status_after(mpps.status, mpps.discontinuation_code)
    notes: dict[int, str] = {}
    for step in steps:
        # A claim on an earlier run, which a person or another device took back, holds up nothing any more.
        lapsed = workitems.lapsed_claims(tx, step.key)
        attempts = [one for one in performed.of_step(tx, step.key) if one.key not in lapsed]
        status = next_status(step.status, wanted, attempts)
        if status != step.status:
            orders.save_step(tx, replace(step, status=status, held_from=None))
        notes.setdefault(step.order_key, _remark(step, status, mpps))
    for order_key, remark in notes.items():
        _settle_order(tx, order_key, how)
        log_device(tx, mpps, how, order_key=order_key, remark=remark)


def log_device(
    tx: WriteTx, mpps: PerformedStep, how: Moving, *, order_key: int | None = None, remark: str = ""
) -> None:
    """Write on the timeline what a device says, where there is one: of the order, else of the study."""
    study = studies.by_uid(tx, mpps.study_instance_uid) if mpps.study_instance_uid else None
    if order_key is None and study is None:
        return
    events.add(
        tx,
        Event(
            how.at,
            Station.PERFORMED,
            _in_words(mpps, how) + remark,
            by=how.by,
            source_kind=how.source_kind,
            source_id=how.source_id or mpps.sop_instance_uid,
            order_key=order_key,
            study_key=study.key if study is not None else None,
        ),
    )


def _in_words(mpps: PerformedStep, how: Moving) -> str:
    words = f"{how.words[mpps.status]} {mpps.performed_station_ae_title or how.by}"
    if mpps.status == PerformedStatus.DISCONTINUED:
        reason = reason_in_words(mpps.discontinuation_code, mpps.discontinuation_meaning)
        words += f": {reason}" if reason else ""
        words += "" if mpps.referenced_instances else "; no image was made"
    if mpps.status == PerformedStatus.COMPLETED and mpps.referenced_instances:
        words += f", {len(mpps.referenced_instances)} images announced"
    return words + (f"; it did not say {mpps.incomplete}" if mpps.incomplete else "")


def change_steps(tx: WriteTx, order: Order, to: Mapping[int, StepStatus], said: StepChange, how: Moving) -> Order:
    """
    Bring the steps in rows *to* to the states given, whatever the table of states says, and the order with them.

    said: why and by whom; its step and states are each step's own.
    """
    changes = []
    for step in orders.steps_of(tx, order.key):
        status = to.get(step.key, step.status)
        if status != step.status:
            orders.save_step(tx, replace(step, status=status, held_from=None))
            one = replace(said, order_key=order.key, step_key=step.key, was=step.status, status=status)
            changes.append(one)
    step_changes.add(tx, changes, how.at)
    return _settle_order(tx, order.key, how)


def _settle_order(tx: WriteTx, order_key: int, how: Moving) -> Order:
    order = set_order_status(tx, orders.get(tx, order_key), News("MPPS", how.at, how.at))
    refresh_worklist(tx, order)
    announce.order_moved(tx, order_key, how.destinations, how.at)
    return order


def _remark(step: Step, status: StepStatus, mpps: PerformedStep) -> str:
    """Return what a person must know of a step that did not simply follow its device."""
    if mpps.status == PerformedStatus.IN_PROGRESS and step.status in FINAL and status == step.status:
        return f", though the order was {step.status.value.lower()}" if step.status == StepStatus.CANCELED else " again"
    if mpps.status == PerformedStatus.DISCONTINUED and status == StepStatus.SCHEDULED:
        return "; it is back on the worklist"
    return ""


def steps_by_images(steps: Sequence[Step], step_ids: Iterable[str]) -> list[Step]:
    """Return the steps that images name by their scheduled step ids, or the only one there is."""
    named = set(step_ids)
    found = [step for step in steps if step.scheduled_procedure_step_id in named]
    return found or (list(steps) if len(steps) == 1 else [])


def change_of(order: Order, cause: ChangeCause, actor: str = "", reason: str = "") -> StepChange:
    """Return the start of a change of *order*'s steps; see `change_steps`."""
    return StepChange(order.key, 0, order.status, order.status, cause, actor, reason)
