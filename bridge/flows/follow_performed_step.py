"""What a performed step makes of the scheduled ones it performs, whoever reported it: steps, order, worklist, notices.

MPPS and a claimed workitem (UPS) are two doors to the same thing. Source: PS3.4 F.7.2, CC.2.1.3, IHE RAD TF-2 4.6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.order import Step
from bridge.domain.performed import PerformedStatus, PerformedStep
from bridge.domain.performed_reasons import INCORRECT_WORKLIST_ENTRY
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_questioned
from bridge.flows.move_steps import Moving, follow_device, log_device
from bridge.outbox import enqueue
from bridge.store import audit, decisions, exam_checks, news, studies
from bridge.store.db import WriteTx


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

    @property
    def moving(self) -> Moving:
        """What of it a step needs in order to move."""
        return Moving(self.destinations, self.at, self.by, self.words, self.source_kind, self.source_id)


def move_steps(tx: WriteTx, done: PerformedStep, steps: Iterable[Step], told: Reported) -> None:
    """Bring the scheduled steps of *done* in line with it, their orders, the worklist, the timeline and who is told."""
    moved = list(steps)
    if moved:
        follow_device(tx, done, moved, told.moving)
    else:
        log_device(tx, done, told.moving)
    audit.add(
        tx,
        at=told.at,
        action="performed_step",
        actor=told.actor,
        order_key=moved[0].order_key if moved else None,
        detail={"status": done.status.value},
    )


def follow_exam(tx: WriteTx, done: PerformedStep, told: Reported) -> None:
    """A completed exam may be published at once; a wrong worklist entry questions whose images they are."""
    study = studies.by_uid(tx, done.study_instance_uid) if done.study_instance_uid else None
    if study is not None and done.status != PerformedStatus.IN_PROGRESS:
        exam_checks.watch_study(tx, study.key, told.at)
    if done.discontinuation_code == INCORRECT_WORKLIST_ENTRY and done.study_instance_uid:
        decisions.add_signal(tx, done.study_instance_uid, INCORRECT_WORKLIST_ENTRY, done.sop_instance_uid, told.at)
        if study is not None:
            decide_questioned(tx, study, Deciding(told.rules, told.destinations, told.at, cause="mpps"))
    elif study is not None:
        enqueue.nudge(tx, study.key, enqueue.IMAGING_STUDY, told.at)
        news.look_at(tx, news.STUDY, study.key, told.at)
