"""The worker's part of a bulk: one study in one transaction, noted in the same, so that a kill takes nothing back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import structlog

from bridge.domain.bulk import WORK, BulkKind, BulkOutcome, BulkState
from bridge.domain.reconcile import decide
from bridge.domain.study import NOT_HERE, Header, Study
from bridge.domain.verdict import Verdict
from bridge.errors import BridgeError, Conflict, Unavailable
from bridge.flows.decide_study import Deciding, close, decide_by_rule, put_back, withdraw
from bridge.flows.gather_evidence import evidence_of
from bridge.flows.lookout import Lookout
from bridge.flows.read_again import StudyRereader
from bridge.flows.second_person import Because, admit
from bridge.store import audit, bulk_jobs, decisions, leases, studies
from bridge.store.bulk_jobs import BulkJob, BulkStudy
from bridge.store.db import WriteTx, lock
from bridge.store.registry import StoredRegistry

_log = structlog.get_logger(__name__)

_LEASE = timedelta(seconds=15)
_FAULT = "internal"
_STOPPED = "bulk_stopped"
_WITHOUT = "It was bound by how its device was read; a person took that back."


class BulkQueue(Lookout):
    """Does what was asked for, one bulk after the other, in one process at a time. owner: this process, unlike any other."""

    name = "bulk"

    def __init__(self, rereader: StudyRereader, *, owner: str) -> None:
        super().__init__()
        self._rereader = rereader
        self._store = rereader.store
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
            return leases.take(tx, "bulk", self._owner, self._rereader.clock.now(), _LEASE)

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
        if job.kind == BulkKind.REPAIR:
            return self._do_repair(job, one)
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
        is_ours = leases.take(tx, "bulk", self._owner, self._rereader.clock.now(), _LEASE)
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
        admit(tx, study, Because(reason, actor), self._rereader.rules, self._rereader.clock.now())

    def _do_repair(self, job: BulkJob, one: BulkStudy) -> bool:
        """Try, read again or put back one study of a device. False, if the work is no longer this process's."""
        with self._store.read() as tx:
            uid = studies.get(tx, one.study_key).study_instance_uid
        try:
            if job.state == BulkState.PREVIEWING:
                return self._foresee(job, one)
            if job.state == BulkState.APPLYING:
                self._rereader.read_again(
                    uid, job.applied_by, lambda tx, was, now: self._note_or_stop(tx, job, _applied(tx, one, was, now))
                )
            else:
                self._rereader.reread(uid, lambda tx, study, headers: self._restore(tx, job, one, (study, headers)))
        except Conflict as fault:
            if fault.code != _STOPPED:
                raise
            return False
        return True

    def _foresee(self, job: BulkJob, one: BulkStudy) -> bool:
        verdict = self._rereader.foresee(one.study_key, job)
        with self._store.write() as tx:
            if not self._keeps(tx, job):
                return False
            self._note(tx, job, _foreseen(one, studies.get(tx, one.study_key), verdict))
        return True

    def _note_or_stop(self, tx: WriteTx, job: BulkJob, one: BulkStudy) -> None:
        if not self._keeps(tx, job):
            raise Conflict("the bulk is another process's, or was taken back", code=_STOPPED)
        self._note(tx, job, one)

    def _restore(self, tx: WriteTx, job: BulkJob, one: BulkStudy, read: tuple[Study, list[Header]]) -> Study:
        """Read one study as it was read before, and let it wait as it did. Raises: Conflict, if somebody decided since."""
        study, headers = read
        if bulk_jobs.is_decided_since(tx, one):
            raise Conflict("somebody decided about it since", code="decided_meanwhile")
        self._admit(tx, study, job.undo_reason, job.undone_by)
        how, was = self._how(job.undone_by), study
        others = bulk_jobs.resting_on(tx, one)
        # Another repair stands that reads it so as well: what rests on the reading is that one's from now on.
        is_alike = study.is_bound and _reads_alike(study.received, headers[0])
        if one.before or headers[0] != study.received:
            self._rereader.take(tx, study, headers)
            study = studies.get(tx, study.key)
        if one.before and not is_alike:
            before = bulk_jobs.as_before(study, one.before)
            study = put_back(tx, study, before, job.undo_reason, job.undone_by, how)
        elif study.is_bound:
            study = self._ask_again(tx, job, was, study)
        elif study.version != was.version:
            study = decide_by_rule(tx, study, how)
        outcome = BulkOutcome.SAME if study.state == was.state and (is_alike or not one.before) else BulkOutcome.CHANGED
        self._note_or_stop(tx, job, replace(one, outcome=outcome))
        made = decisions.latest(tx, study.key)
        if made is not None:
            bulk_jobs.follow_decision(tx, others, made.key)
        return study

    def _ask_again(self, tx: WriteTx, job: BulkJob, was: Study, study: Study) -> Study:
        """Hold what came under the repair and was bound by it, unless a rule says the same without."""
        found = decide(evidence_of(tx, study), StoredRegistry(tx), self._rereader.rules)
        if found.binds and found.patient_key == was.patient_key:
            return studies.save(tx, replace(study, rule=was.rule, sentence=was.sentence))
        how = self._how(job.undone_by)
        return withdraw(tx, study, "person", _WITHOUT, how, actor=job.undone_by, reason=job.undo_reason)

    def _how(self, actor: str) -> Deciding:
        by = self._rereader
        return Deciding(by.rules, by.destinations, by.clock.now(), cause=actor)

    def _note(self, tx: WriteTx, job: BulkJob, one: BulkStudy) -> None:
        bulk_jobs.note(tx, one, job.state)
        action, actor = {
            BulkState.UNDOING: ("study_bulk_undone", job.undone_by),
            BulkState.APPLYING: ("study_bulk_applied", job.applied_by),
        }.get(job.state, ("study_bulk_previewed", job.asked_by))
        now = self._rereader.clock.now()
        detail = {"bulk": job.key, "outcome": one.outcome.value}
        audit.add(tx, at=now, action=action, actor=actor, study_key=one.study_key, detail=detail)

    def _add_late(self, tx: WriteTx, job: BulkJob) -> bool:
        """Take in what came while the step was under way; say whether there was something."""
        if job.state == BulkState.APPLYING:
            found, step = bulk_jobs.of_device(tx, job, only_waiting=True), ""
        elif job.state == BulkState.UNDOING:
            found, step = bulk_jobs.came_under(tx, job), bulk_jobs.LATER
        else:
            return False
        bulk_jobs.add_studies(tx, job.key, found, step)
        return bool(found)

    def _note_fault(self, job: BulkJob, one: BulkStudy, code: str) -> bool:
        outcome = BulkOutcome.FAILED if code == _FAULT else BulkOutcome.KEPT
        with self._store.write() as tx:
            if not self._keeps(tx, job):
                return False
            self._note(tx, job, replace(one, outcome=outcome, fault=code))
        return True

    def _end(self, job: BulkJob) -> bool:
        """End the step; True where more of the device's studies came meanwhile."""
        now = self._rereader.clock.now()
        with self._store.write() as tx:
            if self._keeps(tx, job) and self._add_late(tx, job):
                return True
            if self._keeps(tx, job) and bulk_jobs.move(tx, job, WORK[job.state], ended_at=now):
                actor = job.undone_by or job.applied_by or job.asked_by
                counted = bulk_jobs.tally(tx, bulk_jobs.get(tx, job.key))
                detail = {"bulk": job.key, **counted}
                audit.add(tx, at=now, action=f"bulk_{WORK[job.state].value}", actor=actor, detail=detail)
                _log.info("bulk_step_done", bulk=job.key, step=job.state.value, **counted)
        return False


def _reads_alike(one: Header, other: Header) -> bool:
    """Say whether two readings are the same, whichever rule made them."""
    return replace(one, repairs=()) == replace(other, repairs=())


def _foreseen(one: BulkStudy, study: Study, verdict: Verdict | None) -> BulkStudy:
    if verdict is None:
        return replace(one, outcome=BulkOutcome.SAME, foreseen={})
    said = {"outcome": verdict.outcome.value.lower(), "rule": verdict.rule, "patient_key": verdict.patient_key}
    is_same = not verdict.binds and (verdict.rule, said["outcome"]) == (study.rule, study.state.value)
    outcome = BulkOutcome.SAME if is_same else BulkOutcome.CHANGED
    return replace(one, outcome=outcome, foreseen={**said, "was": study.rule}, fault="")


def _applied(tx: WriteTx, one: BulkStudy, was: Study, now: Study) -> BulkStudy:
    """Return what reading one study again came to."""
    is_same = (was.state, was.rule, was.patient_key) == (now.state, now.rule, now.patient_key)
    made = decisions.latest(tx, now.key)
    return replace(
        one,
        outcome=BulkOutcome.SAME if is_same else BulkOutcome.CHANGED,
        before=bulk_jobs.before_of(was),
        decision_key=made.key if made is not None else None,
        fault="",
    )
