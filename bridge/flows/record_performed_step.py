"""What the modality says it does: MPPS N-CREATE and N-SET move the scheduled step. Source: PS3.4 F.7.2, IHE RAD TF-2 4.6."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import structlog
from pydicom.dataset import Dataset

from bridge.clock import Clock
from bridge.codecs.dicom.performed import performed_from
from bridge.domain.identifiers import check_uid
from bridge.domain.order import Step
from bridge.domain.performed import (
    PerformedDraft,
    PerformedStep,
    ScheduledReference,
    check_create,
    check_set,
)
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Conflict
from bridge.flows.announce import Destinations
from bridge.flows.follow_performed_step import MPPS_WORDS, Reported, follow_exam, move_steps
from bridge.store import awaited, orders, performed
from bridge.store.awaited import Awaited
from bridge.store.db import Store, WriteTx, lock

_log = structlog.get_logger(__name__)


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
            move_steps(tx, created, steps, self._told(now, calling_ae_title))
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
                told = self._told(now, calling_ae_title)
                move_steps(tx, saved, orders.get_steps(tx, saved.step_keys), told)
                follow_exam(tx, saved, told)
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

    def _told(self, now: datetime, calling_ae_title: str) -> Reported:
        actor = f"peer:{calling_ae_title}"
        return Reported(self._rules, self._destinations, now, actor, calling_ae_title, MPPS_WORDS)


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
