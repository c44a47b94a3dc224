"""What the modality says it does: MPPS N-CREATE and N-SET move the scheduled step. Source: PS3.4 F.7.2, IHE RAD TF-2 4.6."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import structlog
from pydicom.dataset import Dataset

from bridge.clock import Clock
from bridge.codecs.dicom.performed import performed_from
from bridge.domain.identifiers import check_uid
from bridge.domain.order import Step
from bridge.domain.performed import (
    INCORRECT_WORKLIST_ENTRY,
    PerformedDraft,
    PerformedStatus,
    PerformedStep,
    ScheduledReference,
    check_create,
    check_set,
    next_status,
    step_status_after,
)
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study
from bridge.errors import Conflict
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_by_rule
from bridge.flows.refresh_worklist import refresh_worklist, set_order_status
from bridge.flows.register_patient import News
from bridge.outbox import enqueue
from bridge.store import audit, awaited, decisions, events, orders, performed, studies
from bridge.store.awaited import Awaited
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station

_log = structlog.get_logger(__name__)

_WORDS = {
    PerformedStatus.IN_PROGRESS: "Exam started",
    PerformedStatus.COMPLETED: "Exam completed",
    PerformedStatus.DISCONTINUED: "Exam discontinued",
}


class PerformedStepRecorder:
    """Keeps performed steps and moves what they perform. Thread-safe."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, destinations: Destinations) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._destinations = destinations

    def create(self, uid: str | None, attributes: Dataset, calling_ae_title: str) -> str:
        """
        Create a performed step and return its SOP Instance UID; None: we assign it.

        Raises: Conflict (0111) if it exists, Incomplete (0120, 0121), Malformed (0106). Source: PS3.4 F.7.2.1.
        """
        assigned = (
            check_uid(uid, "AffectedSOPInstanceUID", tolerate_leading_zeros=True) if uid else self._clock.new_uid()
        )
        draft = performed_from(attributes)
        check_create(draft)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"performed:{assigned}")
            if performed.by_uid(tx, assigned) is not None:
                raise Conflict("the performed step exists", code="duplicate", source="PS3.7 C.5.7")
            steps = self._steps_of(tx, draft.scheduled)
            created = performed.add(tx, assigned, draft, [step.key for step in steps], now)
            if not steps:
                awaited.wait_for_order(tx, _waiting(created, draft))
            self._move(tx, created, steps, now, calling_ae_title)
        _log.info("performed_step_created", peer=calling_ae_title, scheduled=len(steps))
        return assigned

    def set(self, uid: str, attributes: Dataset, calling_ae_title: str) -> None:
        """
        Change a performed step.

        Raises: Conflict, unknown (0112) or final (0110 with Error ID A710); Malformed (0106). Source: PS3.4 F.7.2.2.
        """
        draft = performed_from(attributes)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"performed:{uid}")
            found = performed.by_uid(tx, uid)
            if found is None:
                raise Conflict("no such performed step", code="unknown", source="PS3.7 C.5.14")
            status = check_set(found.status, draft)
            saved = performed.save(tx, found, status, draft, now)
            if status != found.status:
                self._move(tx, saved, orders.get_steps(tx, saved.step_keys), now, calling_ae_title)
                self._follow(tx, saved, draft, now)
        _log.info("performed_step_set", peer=calling_ae_title, status=status.value)

    def _steps_of(self, tx: WriteTx, references: Iterable[ScheduledReference]) -> list[Step]:
        """Find the scheduled steps an MPPS names: by study and step id, by study, by accession and procedure id."""
        found: dict[int, Step] = {}
        for reference in references:
            candidates = (
                [
                    step
                    for order in orders.by_study_uid(tx, reference.study_instance_uid)
                    for step in orders.steps_of(tx, order.key)
                ]
                if reference.study_instance_uid
                else []
            )
            if not candidates and reference.accession_number and reference.requested_procedure_id:
                candidates = [
                    step
                    for order in orders.by_accession(tx, reference.accession_number)
                    if order.requested_procedure_id == reference.requested_procedure_id
                    for step in orders.steps_of(tx, order.key)
                ]
            named = [s for s in candidates if s.scheduled_procedure_step_id == reference.scheduled_procedure_step_id]
            # A study of several steps, none of them named: which one it was, nobody can say.
            for step in named or (candidates if len(candidates) == 1 else []):
                found[step.key] = step
        return list(found.values())

    def _move(
        self, tx: WriteTx, mpps: PerformedStep, steps: Iterable[Step], now: datetime, calling_ae_title: str
    ) -> None:
        wanted = step_status_after(mpps.status, mpps.discontinuation_code)
        order_keys = []
        for step in steps:
            status = next_status(step.status, wanted, performed.of_step(tx, step.key))
            if status != step.status:
                orders.save_step(tx, replace(step, status=status))
            order_keys.append(step.order_key)
        study = studies.by_uid(tx, mpps.study_instance_uid) if mpps.study_instance_uid else None
        for order_key in dict.fromkeys(order_keys):
            refresh_worklist(tx, set_order_status(tx, orders.get(tx, order_key), News("MPPS", now, now)))
        for order_key in dict.fromkeys(order_keys):
            self._log(tx, mpps, order_key, study, now, calling_ae_title)
            announce.order_moved(tx, order_key, self._destinations, now)
        if not order_keys and study is not None:
            self._log(tx, mpps, None, study, now, calling_ae_title)
        audit.add(
            tx,
            at=now,
            action="performed_step",
            actor=f"peer:{calling_ae_title}",
            order_key=order_keys[0] if order_keys else None,
            detail={"status": mpps.status.value},
        )

    def _follow(self, tx: WriteTx, mpps: PerformedStep, draft: PerformedDraft, now: datetime) -> None:
        """A completed exam may be published at once; a wrong worklist entry questions whose images they are."""
        study = studies.by_uid(tx, mpps.study_instance_uid) if mpps.study_instance_uid else None
        if mpps.discontinuation_code == INCORRECT_WORKLIST_ENTRY and mpps.study_instance_uid:
            decisions.add_signal(tx, mpps.study_instance_uid, INCORRECT_WORKLIST_ENTRY, mpps.sop_instance_uid, now)
            if study is not None:
                decide_by_rule(tx, study, Deciding(self._rules, self._destinations, now, cause="mpps"))
        elif study is not None:
            enqueue.nudge(tx, study.key, enqueue.IMAGING_STUDY, now)

    def _log(
        self,
        tx: WriteTx,
        mpps: PerformedStep,
        order_key: int | None,
        study: Study | None,
        now: datetime,
        calling_ae_title: str,
    ) -> None:
        station = mpps.performed_station_ae_title or calling_ae_title
        events.add(
            tx,
            Event(
                now,
                Station.PERFORMED,
                f"{_WORDS[mpps.status]} on {station}",
                by=calling_ae_title,
                source_kind="performed_step",
                source_id=mpps.sop_instance_uid,
                order_key=order_key,
                study_key=study.key if study is not None else None,
            ),
        )


def _waiting(created: PerformedStep, draft: PerformedDraft) -> list[Awaited]:
    """Return by what the order will be known that a device was quicker than."""
    return [
        Awaited(
            "study",
            one.study_instance_uid,
            scheduled_procedure_step_id=one.scheduled_procedure_step_id,
            performed_step_key=created.key,
        )
        for one in draft.scheduled
        if one.study_instance_uid
    ]
