"""The worker's part of a bulk: one study in one transaction, noted in the same, so that a kill takes nothing back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from bridge.clock import Clock
from bridge.domain.bulk import WORK, BulkOutcome, BulkState
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import NOT_HERE, Study
from bridge.errors import BridgeError, Conflict, Unavailable
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, close, put_back
from bridge.flows.lookout import Lookout
from bridge.flows.second_person import Because, admit
from bridge.store import audit, bulk_jobs, decisions, leases, studies
from bridge.store.bulk_jobs import BulkJob, BulkStudy
from bridge.store.db import Store, WriteTx, lock

_log = structlog.get_logger(__name__)

_LEASE = timedelta(seconds=15)
_FAULT = "internal"


@dataclass(frozen=True, slots=True)
class BulkGround:
    """What studies are decided by."""

    store: Store
    clock: Clock
    rules: ReconcileRules
    destinations: Destinations


class BulkQueue(Lookout):
    """Does what was asked for, one bulk after the other, in one process at a time. owner: this process, unlike any other."""

    name = "bulk"

    def __init__(self, ground: BulkGround, *, owner: str) -> None:
        super().__init__()
        self._ground = ground
        self._store = ground.store
        self._owner = owner

    def work(self) -> bool:
        """Do the next bulk's step to its end; False if there is none, or another process is at it. Raises: Unavailable."""
        with self._store.read() as tx:
            job = bulk_jobs.next_open(tx)
        if job is None or not self._take_lease():
            return False
        while not self._stopping.is_set() and self._step(job):
            pass
        return True

    def _take_lease(self) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, "bulk", self._owner, self._ground.clock.now(), _LEASE)

    def _step(self, job: BulkJob) -> bool:
        """Do the next study; False at the end, or where somebody asked for something else meanwhile."""
        with self._store.read() as tx:
            if bulk_jobs.get(tx, job.key).state != job.state:
                return False
            one = bulk_jobs.next_study(tx, job)
        if one is None:
            return self._end(job)
        try:
            return self._do(job, one)
        except Unavailable as fault:
            if fault.code not in NOT_HERE:
                raise
            return self._note_fault(job, one, fault.code)
        except (BridgeError, LookupError) as fault:
            return self._note_fault(job, one, fault.code if isinstance(fault, BridgeError) else "changed_meanwhile")
        except Exception:  # noqa: BLE001 - counted as our failure; the study stays as it was
            _log.exception("bulk_study_failed", bulk=job.key, study_key=one.study_key)
            return self._note_fault(job, one, _FAULT)

    def _do(self, job: BulkJob, one: BulkStudy) -> bool:
        with self._store.write() as tx:
            study = self._locked(tx, one)
            if not self._keeps(tx, job):
                return False
            if job.state == BulkState.UNDOING:
                self._note(tx, job, self._put_back(tx, job, one, study))
            else:
                self._note(tx, job, self._close(tx, job, one, study))
        return True

    def _locked(self, tx: WriteTx, one: BulkStudy) -> Study:
        lock(tx, "identity", f"study:{studies.get(tx, one.study_key).study_instance_uid}")
        return studies.get(tx, one.study_key)

    def _keeps(self, tx: WriteTx, job: BulkJob) -> bool:
        """Say whether the work is still this process's, and still wanted."""
        is_ours = leases.take(tx, "bulk", self._owner, self._ground.clock.now(), _LEASE)
        return is_ours and bulk_jobs.get(tx, job.key).state == job.state

    def _close(self, tx: WriteTx, job: BulkJob, one: BulkStudy, study: Study) -> BulkStudy:
        """Close one case. Raises: Conflict, if it was decided meanwhile."""
        if study.is_bound or study.closed_reason:
            raise Conflict("the case was decided meanwhile", code="decided_meanwhile")
        self._admit(tx, study, job.reason, job.applied_by)
        close(tx, study, job.reason, job.applied_by, self._how(job.applied_by))
        return replace(
            one,
            outcome=BulkOutcome.CHANGED,
            before=bulk_jobs.before_of(study),
            decision_key=decisions.of_study(tx, study.key)[0].key,
        )

    def _put_back(self, tx: WriteTx, job: BulkJob, one: BulkStudy, study: Study) -> BulkStudy:
        """Let one study wait as it did. Raises: Conflict, if somebody decided about it since."""
        if bulk_jobs.is_decided_since(tx, one):
            raise Conflict("somebody decided about it since", code="decided_meanwhile")
        self._admit(tx, study, job.undo_reason, job.undone_by)
        before = bulk_jobs.as_before(study, one.before)
        put_back(tx, study, before, job.undo_reason, job.undone_by, self._how(job.undone_by))
        return replace(one, outcome=BulkOutcome.CHANGED)

    def _admit(self, tx: WriteTx, study: Study, reason: str, actor: str) -> None:
        """Raises: Conflict, if two people decide the study: each such case by itself."""
        admit(tx, study, Because(reason, actor), self._ground.rules, self._ground.clock.now())

    def _how(self, actor: str) -> Deciding:
        ground = self._ground
        return Deciding(ground.rules, ground.destinations, ground.clock.now(), cause=actor)

    def _note(self, tx: WriteTx, job: BulkJob, one: BulkStudy) -> None:
        bulk_jobs.note(tx, one, job.state)
        action, actor = {
            BulkState.UNDOING: ("study_bulk_undone", job.undone_by),
            BulkState.APPLYING: ("study_bulk_applied", job.applied_by),
        }.get(job.state, ("study_bulk_previewed", job.asked_by))
        now = self._ground.clock.now()
        detail = {"bulk": job.key, "outcome": one.outcome.value}
        audit.add(tx, at=now, action=action, actor=actor, study_key=one.study_key, detail=detail)

    def _note_fault(self, job: BulkJob, one: BulkStudy, code: str) -> bool:
        outcome = BulkOutcome.FAILED if code == _FAULT else BulkOutcome.KEPT
        with self._store.write() as tx:
            if not self._keeps(tx, job):
                return False
            self._note(tx, job, replace(one, outcome=outcome, fault=code))
        return True

    def _end(self, job: BulkJob) -> bool:
        """End the step. Returns False: there is nothing more in it."""
        now = self._ground.clock.now()
        with self._store.write() as tx:
            if self._keeps(tx, job) and bulk_jobs.move(tx, job, WORK[job.state], ended_at=now):
                actor = job.undone_by or job.applied_by or job.asked_by
                counted = bulk_jobs.tally(tx, bulk_jobs.get(tx, job.key))
                detail = {"bulk": job.key, **counted}
                audit.add(tx, at=now, action=f"bulk_{WORK[job.state].value}", actor=actor, detail=detail)
                _log.info("bulk_step_done", bulk=job.key, step=job.state.value, **counted)
        return False
