"""What a performed step makes of the scheduled ones it performs, whoever reported it: steps, order, worklist, notices.

MPPS and a claimed workitem (UPS) are two doors to the same thing. Source: PS3.4 F.7.2, CC.2.1.3, IHE RAD TF-2 4.6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.domain.order import Step
from bridge.domain.performed import (
    INCORRECT_WORKLIST_ENTRY,
    PerformedStatus,
    PerformedStep,
    next_status,
    step_status_after,
)
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_by_rule
from bridge.flows.refresh_worklist import refresh_worklist, set_order_status
from bridge.flows.register_patient import News
from bridge.outbox import enqueue
from bridge.store import audit, decisions, events, orders, performed, studies
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

MPPS_WORDS: Mapping[PerformedStatus, str] = {
    PerformedStatus.IN_PROGRESS: "Exam started on",
    PerformedStatus.COMPLETED: "Exam completed on",
    PerformedStatus.DISCONTINUED: "Exam discontinued on",
}


@dataclass(frozen=True, slots=True)
class Reported:
    """
    Who reports a performed step, when, and how the timeline says it.

    actor: as audit rows say it. by: the device or tool. words: begin of the line, before the station. source_kind,
    source_id: where the line comes from, "" for the performed step itself.
    """

    rules: ReconcileRules
    destinations: Destinations
    at: datetime
    actor: str
    by: str
    words: Mapping[PerformedStatus, str]
    source_kind: str = "performed_step"
    source_id: str = ""


def move_steps(tx: WriteTx, done: PerformedStep, steps: Iterable[Step], told: Reported) -> None:
    """Bring the scheduled steps of *done* in line with it, their orders, the worklist, the timeline and who is told."""
    wanted = step_status_after(done.status, done.discontinuation_code)
    order_keys = []
    for step in steps:
        status = next_status(step.status, wanted, performed.of_step(tx, step.key))
        if status != step.status:
            orders.save_step(tx, replace(step, status=status))
        order_keys.append(step.order_key)
    study = studies.by_uid(tx, done.study_instance_uid) if done.study_instance_uid else None
    news = News("MPPS", told.at, told.at)
    for order_key in dict.fromkeys(order_keys):
        refresh_worklist(tx, set_order_status(tx, orders.get(tx, order_key), news))
    for order_key in dict.fromkeys(order_keys):
        _log(tx, done, told, order_key, study)
        announce.order_moved(tx, order_key, told.destinations, told.at)
    if not order_keys and study is not None:
        _log(tx, done, told, None, study)
    audit.add(
        tx,
        at=told.at,
        action="performed_step",
        actor=told.actor,
        order_key=order_keys[0] if order_keys else None,
        detail={"status": done.status.value},
    )


def follow_exam(tx: WriteTx, done: PerformedStep, told: Reported) -> None:
    """A completed exam may be published at once; a wrong worklist entry questions whose images they are."""
    study = studies.by_uid(tx, done.study_instance_uid) if done.study_instance_uid else None
    if done.discontinuation_code == INCORRECT_WORKLIST_ENTRY and done.study_instance_uid:
        decisions.add_signal(tx, done.study_instance_uid, INCORRECT_WORKLIST_ENTRY, done.sop_instance_uid, told.at)
        if study is not None:
            decide_by_rule(tx, study, Deciding(told.rules, told.destinations, told.at, cause="mpps"))
    elif study is not None:
        enqueue.nudge(tx, study.key, enqueue.IMAGING_STUDY, told.at)


def _log(tx: WriteTx, done: PerformedStep, told: Reported, order_key: int | None, study: Study | None) -> None:
    events.add(
        tx,
        Event(
            told.at,
            Station.PERFORMED,
            f"{told.words[done.status]} {done.performed_station_ae_title or told.by}",
            by=told.by,
            source_kind=told.source_kind,
            source_id=told.source_id or done.sop_instance_uid,
            order_key=order_key,
            study_key=study.key if study is not None else None,
        ),
    )
