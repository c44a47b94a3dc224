"""Every decision about a study, the queue of those that wait for a person, and the signals that question a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from bridge.domain.case_risk import CaseRisk
from bridge.domain.study import Study
from bridge.store import questions, studies
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import decisions, mismatches, signals

_NEWEST_FIRST = (
    select(decisions).where(decisions.c.study_key == bindparam("study_key")).order_by(decisions.c.key.desc())
)
_OF_STUDY = Prepared(_NEWEST_FIRST)
_LATEST = Prepared(_NEWEST_FIRST.limit(1))
_OPEN_MISMATCH = Prepared(
    select(mismatches.c.key).where(mismatches.c.study_key == bindparam("study_key"), mismatches.c.closed_at.is_(None))
)
_SIGNALS_FOR = Prepared(
    select(signals.c.code).where(
        signals.c.study_instance_uid == bindparam("study_instance_uid"), signals.c.taken_back_at.is_(None)
    )
)


@dataclass(frozen=True, slots=True)
class Decision:
    """
    One decision about a study, append-only: it answers "why is this image in this chart" without any other source.

    actor: a rule code or "user:<name>"; confirmed_by: the second person, where the decision needed one. The JSON-able fields hold what was known when it was taken.
    """

    study_key: int
    decided_at: datetime
    actor: str
    outcome: str
    rule: str
    sentence: str
    patient_key: int | None = None
    order_key: int | None = None
    evidence: Sequence[dict[str, Any]] = ()
    differences: Sequence[dict[str, Any]] = ()
    candidates: Sequence[dict[str, Any]] = ()
    snapshot: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    supersedes: int | None = None
    binding_version: int = 0
    confirmed_by: str = ""
    key: int = 0


def add(tx: WriteTx, decision: Decision) -> int:
    """Append a decision and return its key."""
    values = {name: getattr(decision, name) for name in Decision.__slots__ if name != "key"}
    for name in ("evidence", "differences", "candidates"):
        values[name] = list(values[name])
    return insert_row(tx, decisions, **values)


def of_study(tx: ReadTx, study_key: int) -> list[Decision]:
    """Return every decision about a study, newest first."""
    rows = _OF_STUDY.all(tx, study_key=study_key)
    return [Decision(**{name: getattr(row, name) for name in Decision.__slots__}) for row in rows]


def many(tx: ReadTx, keys: Sequence[int]) -> list[Decision]:
    """Return the decisions in these rows, in their order."""
    rows = tx.execute(select(decisions).where(decisions.c.key.in_(keys)))
    found = {row.key: Decision(**{name: getattr(row, name) for name in Decision.__slots__}) for row in rows}
    return [found[key] for key in keys if key in found]


def latest(tx: ReadTx, study_key: int) -> Decision | None:
    """Return what was decided about a study last."""
    row = _LATEST.first(tx, study_key=study_key)
    return None if row is None else Decision(**{name: getattr(row, name) for name in Decision.__slots__})


def last_binding(tx: ReadTx, study_key: int) -> Decision | None:
    """Return the decision that bound a study last, whatever became of that; None if none ever did."""
    return next((one for one in of_study(tx, study_key) if one.patient_key is not None), None)


def ended_at(tx: ReadTx, binding: Decision) -> datetime | None:
    """Return when a binding was taken away first since it was made, None if it stands."""
    query = select(func.min(decisions.c.decided_at)).where(
        decisions.c.study_key == binding.study_key, decisions.c.key > binding.key, decisions.c.patient_key.is_(None)
    )
    return tx.execute(query).scalar()


def open_mismatch(
    tx: WriteTx, study_key: int, rule: str, sentence: str, at: datetime, *, risk: CaseRisk = CaseRisk.ROUTINE
) -> int:
    """Put a study in the queue of the intake desk, or refresh why it is there; return the row's key."""
    known = _OPEN_MISMATCH.scalar(tx, study_key=study_key)
    if known is None:
        device = studies.get(tx, study_key).source_ae_title
        why = {"rule": rule, "sentence": sentence, "risk": int(risk), "device": device}
        return insert_row(tx, mismatches, study_key=study_key, opened_at=at, **why)
    changed = update(mismatches).where(mismatches.c.key == known)
    tx.execute(changed.values(rule=rule, sentence=sentence, risk=int(risk)))
    return int(known)


def close_mismatch(tx: WriteTx, study_key: int, by: str, outcome: str, at: datetime) -> None:
    """Take a study out of the queue, if it is in it; what was asked about it needs no answer any more."""
    closed = tx.execute(
        update(mismatches)
        .where(mismatches.c.study_key == study_key, mismatches.c.closed_at.is_(None))
        .values(closed_at=at, closed_by=by, outcome=outcome)
    )
    if closed.rowcount:
        questions.settle_decided(tx, study_key, at)


def study_of_mismatch(tx: ReadTx, mismatch_key: int) -> Study | None:
    """Return the study that a row of the queue is about."""
    key = tx.execute(select(mismatches.c.study_key).where(mismatches.c.key == mismatch_key)).scalar()
    return None if key is None else studies.get(tx, key)


def case_of(tx: ReadTx, study_key: int) -> int | None:
    """Return the row of the queue that is about a study: the latest, which is the open one while one is."""
    return tx.execute(select(func.max(mismatches.c.key)).where(mismatches.c.study_key == study_key)).scalar()


def add_signal(tx: WriteTx, study_instance_uid: str, code: str, source: str, at: datetime) -> bool:
    """Keep a signal that questions a study's patient; False if it stood already. One that was taken back stands again."""
    mine = (
        signals.c.study_instance_uid == study_instance_uid,
        signals.c.code == code,
        signals.c.source == source,
    )
    known = tx.execute(select(signals.c.key, signals.c.taken_back_at).where(*mine)).first()
    if known is None:
        tx.execute(
            insert(signals).values(study_instance_uid=study_instance_uid, code=code, source=source, received_at=at)
        )
    elif known.taken_back_at is not None:
        tx.execute(update(signals).where(signals.c.key == known.key).values(taken_back_at=None, received_at=at))
    return known is None or known.taken_back_at is not None


def take_back_signal(tx: WriteTx, study_instance_uid: str, source: str, at: datetime) -> None:
    """Let a signal question nobody any more, because a person took back what it rests on."""
    mine = (signals.c.study_instance_uid == study_instance_uid, signals.c.source == source)
    tx.execute(update(signals).where(*mine, signals.c.taken_back_at.is_(None)).values(taken_back_at=at))


def signals_for(tx: ReadTx, study_instance_uid: str) -> list[str]:
    """Return the codes that question a study's patient."""
    return [row.code for row in _SIGNALS_FOR.all(tx, study_instance_uid=study_instance_uid)]
