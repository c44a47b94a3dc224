"""Many cases with one cause, done as one: what was asked for, and how far it has come with each study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from bridge.domain.bulk import STANDING, WORK, BulkKind, BulkOutcome, BulkState, Repairing
from bridge.domain.study import Study, StudyState, is_person
from bridge.store import decisions
from bridge.store import studies as studies_store
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import bulk_jobs, bulk_studies, studies

_GET = Prepared(select(bulk_jobs).where(bulk_jobs.c.key == bindparam("key")))

# The step of a study that came when the repair was applied already, and was read by it at once.
LATER = "later"
_DONE = (BulkOutcome.CHANGED, BulkOutcome.SAME)
_BEFORE = ("rule", "sentence", "decided_by", "held_from_patient_key", "held_from_order_key", "closed_reason")


@dataclass(frozen=True, slots=True)
class BulkJob:
    """One action on many studies. repairing: None unless it is a repair. ended_at: of what was done last."""

    key: int
    kind: BulkKind
    state: BulkState
    reason: str
    asked_by: str
    repairing: Repairing | None
    applied_by: str
    undone_by: str
    undo_reason: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Say whether more is to come without anybody's word."""
        return self.state in WORK


@dataclass(frozen=True, slots=True)
class BulkStudy:
    """
    One study of a bulk. step: the state of the job in which it was done last, "" before the first. before: {} for one
    that came later. foreseen: what the preview found. decision_key: the study's newest decision once it was applied.
    """

    key: int
    job_key: int
    study_key: int
    step: str
    outcome: BulkOutcome
    before: Mapping[str, Any] = field(default_factory=dict)
    foreseen: Mapping[str, Any] = field(default_factory=dict)
    decision_key: int | None = None
    fault: str = ""


def add(tx: WriteTx, kind: BulkKind, repairing: Repairing | None, reason: str, asked_by: str, at: datetime) -> int:
    """Ask for a bulk, a repair's preview first; return its key."""
    said = {"device": repairing.device, "since": repairing.since, "until": repairing.until} if repairing else {}
    return insert_row(
        tx,
        bulk_jobs,
        kind=kind.value,
        state=(BulkState.PREVIEWING if repairing else BulkState.APPLYING).value,
        reason=reason,
        asked_by=asked_by,
        applied_by="" if repairing else asked_by,
        repair=dict(repairing.entry) if repairing else {},
        created_at=at,
        **said,
    )


def add_studies(tx: WriteTx, job_key: int, study_keys: Iterable[int], step: str = "") -> None:
    """Put studies into a bulk. step: `LATER`, or none yet."""
    rows = [{"job_key": job_key, "study_key": key, "step": step} for key in study_keys]
    if rows:
        tx.execute(insert(bulk_studies), rows)


def get(tx: ReadTx, key: int) -> BulkJob:
    """Return the bulk in row *key*. Raises: LookupError."""
    row = _GET.first(tx, key=key)
    if row is None:
        raise LookupError(f"no bulk {key}")
    return _job(row)


def recent(tx: ReadTx, limit: int) -> list[BulkJob]:
    """Return the newest bulks first."""
    return [_job(row) for row in tx.execute(select(bulk_jobs).order_by(bulk_jobs.c.key.desc()).limit(limit))]


def next_open(tx: ReadTx) -> BulkJob | None:
    """Return the bulk that was asked for first of those that there is work in."""
    is_open = bulk_jobs.c.state.in_([state.value for state in WORK])
    row = tx.execute(select(bulk_jobs).where(is_open).order_by(bulk_jobs.c.key).limit(1)).first()
    return None if row is None else _job(row)


def move(tx: WriteTx, job: BulkJob, to: BulkState, **values: Any) -> bool:
    """Bring a bulk to another state; False if it is no longer where *job* says."""
    here = (bulk_jobs.c.key == job.key, bulk_jobs.c.state == job.state.value)
    return bool(tx.execute(update(bulk_jobs).where(*here).values(state=to.value, **values)).rowcount)


def next_study(tx: ReadTx, job: BulkJob) -> BulkStudy | None:
    """Return the next study with which the job's present step is not done; what was never applied needs no undoing."""
    step = bulk_studies.c.step
    due = [bulk_studies.c.job_key == job.key, step != job.state.value]
    if job.state == BulkState.UNDOING:
        applied = and_(step == BulkState.APPLYING.value, bulk_studies.c.outcome.in_(_DONE))
        due.append(or_(step == LATER, applied))
    row = tx.execute(select(bulk_studies).where(*due).order_by(bulk_studies.c.key).limit(1)).first()
    return None if row is None else _bulk_study(row)


def applied_to(tx: ReadTx, job: BulkJob) -> list[BulkStudy]:
    """Return the studies that a bulk did something with."""
    did = (bulk_studies.c.step == BulkState.APPLYING.value, bulk_studies.c.outcome.in_(_DONE))
    query = select(bulk_studies).where(bulk_studies.c.job_key == job.key, *did).order_by(bulk_studies.c.key)
    return [_bulk_study(row) for row in tx.execute(query)]


def studies_of(tx: ReadTx, job_key: int, limit: int) -> list[BulkStudy]:
    """Return the studies of a bulk in their order."""
    query = select(bulk_studies).where(bulk_studies.c.job_key == job_key).order_by(bulk_studies.c.key).limit(limit)
    return [_bulk_study(row) for row in tx.execute(query)]


def tally(tx: ReadTx, job: BulkJob) -> dict[str, int]:
    """Return how many studies a bulk has ("total"), how many its present step is done with ("done"), and their outcomes."""
    end = BulkState.PREVIEWED if job.state == BulkState.DROPPED else job.state
    steps = {job.state.value, *(state.value for state, reached in WORK.items() if reached == end)}
    columns = (bulk_studies.c.step, bulk_studies.c.outcome)
    query = select(*columns, func.count()).where(bulk_studies.c.job_key == job.key).group_by(*columns)
    counted = {"total": 0, "done": 0} | {outcome.value: 0 for outcome in BulkOutcome if outcome != BulkOutcome.WAITING}
    is_undo = BulkState.UNDOING.value in steps
    for step, outcome, number in tx.execute(query):
        if is_undo and not (step in (*steps, LATER) or (step == BulkState.APPLYING and outcome in _DONE)):
            continue
        counted["total"] += number
        if step in steps:
            counted["done"] += number
            counted[outcome] += number
    return counted


def note(tx: WriteTx, one: BulkStudy, step: BulkState) -> None:
    """Write what came of one study in *step*."""
    names = ("before", "foreseen", "decision_key", "fault")
    values = {name: getattr(one, name) for name in names} | {"outcome": one.outcome.value, "step": step.value}
    tx.execute(update(bulk_studies).where(bulk_studies.c.key == one.key).values(**values))


def of_device(tx: ReadTx, job: BulkJob, *, only_waiting: bool, since: datetime | None = None) -> list[int]:
    """Return the studies that a repair is about and that its rows do not name yet. since: of the first arrival, too."""
    repairing = job.repairing
    if repairing is None:
        return []
    known = select(bulk_studies.c.study_key).where(bulk_studies.c.job_key == job.key)
    meant = [studies.c.source_ae_title == repairing.device, studies.c.first_instance_at >= repairing.since]
    if repairing.until is not None:
        meant.append(studies.c.first_instance_at < repairing.until)
    if since is not None:
        meant.append(studies.c.first_instance_at >= since)
    if only_waiting:
        meant += [studies.c.state.in_([StudyState.REVIEW, StudyState.QUARANTINE]), studies.c.closed_reason == ""]
    query = select(studies.c.key).where(*meant, studies.c.key.not_in(known)).order_by(studies.c.key)
    return [int(key) for key in tx.execute(query).scalars()]


def read_by(tx: ReadTx, job: BulkJob) -> list[int]:
    """Return the studies that are read as a repair says and that its rows do not name: another had read them so before."""
    found = studies_store.many(tx, of_device(tx, job, only_waiting=False))
    is_clock = job.repairing is not None and job.repairing.entry.get("do") == "clock"
    name = f"bulk-{job.key}."
    read = (
        one.key
        for one in found
        if any(each.rule.startswith(name) for each in one.received.repairs)
        or (is_clock and one.received.clock_ahead_secs)
    )
    return sorted(read)


def came_under(tx: ReadTx, job: BulkJob) -> list[int]:
    """Return what taking a repair back is about beside its rows: what came since it was tried, or is read as it says."""
    came = of_device(tx, job, only_waiting=False, since=job.created_at)
    return list(dict.fromkeys((*came, *read_by(tx, job))))


def standing(tx: ReadTx) -> list[BulkJob]:
    """Return the repairs that are applied, the newest first: what was found out last is right."""
    wanted = (bulk_jobs.c.kind == BulkKind.REPAIR.value, bulk_jobs.c.state.in_([state.value for state in STANDING]))
    return [_job(row) for row in tx.execute(select(bulk_jobs).where(*wanted).order_by(bulk_jobs.c.key.desc()))]


def before_of(study: Study) -> dict[str, Any]:
    """Return what is to be put back of a study that waits."""
    return {"state": study.state.value} | {name: getattr(study, name) for name in _BEFORE}


def as_before(study: Study, before: Mapping[str, Any]) -> Study:
    """Return *study* as it stood by *before*; nothing is stored."""
    return replace(study, **{**before, "state": StudyState(before["state"])})


def is_decided_since(tx: ReadTx, one: BulkStudy) -> bool:
    """Say whether somebody decided about the study after the bulk had."""
    made = decisions.of_study(tx, one.study_key)
    return any(found.key > (one.decision_key or 0) and is_person(found.actor) for found in made)


def resting_on(tx: ReadTx, one: BulkStudy) -> list[int]:
    """Return the other bulks' rows of a study since which nobody has decided about it: they can be taken back, too."""
    mine = (bulk_studies.c.study_key == one.study_key, bulk_studies.c.key != one.key)
    rows = tx.execute(select(bulk_studies).where(*mine, bulk_studies.c.decision_key.is_not(None)))
    return [row.key for row in rows if not is_decided_since(tx, _bulk_study(row))]


def follow_decision(tx: WriteTx, row_keys: Iterable[int], decision_key: int) -> None:
    """Note that these rows' study was decided last because another bulk was taken back: that was no new decision."""
    rows = bulk_studies.c.key.in_(list(row_keys))
    tx.execute(update(bulk_studies).where(rows).values(decision_key=decision_key))


def _job(row: Any) -> BulkJob:
    plain = (name for name in BulkJob.__slots__ if name not in ("kind", "state", "repairing"))
    is_repair = row.kind == BulkKind.REPAIR
    return BulkJob(
        kind=BulkKind(row.kind),
        state=BulkState(row.state),
        repairing=Repairing(row.device, row.since, row.until, row.repair) if is_repair else None,
        **{name: getattr(row, name) for name in plain},
    )


def _bulk_study(row: Any) -> BulkStudy:
    said = {name: getattr(row, name) for name in BulkStudy.__slots__ if name != "outcome"}
    return BulkStudy(outcome=BulkOutcome(row.outcome), **said)
