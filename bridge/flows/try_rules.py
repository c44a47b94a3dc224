"""What a changed reconcile.toml would decide, beside the one in use, about the studies that came lately; without effect.

Both are asked about each study with what is known of patients and orders now, so that only the configuration differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.clock import Clock
from bridge.domain.reconcile import decide
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study
from bridge.domain.verdict import Outcome, Verdict
from bridge.flows.gather_evidence import evidence_of
from bridge.store import studies
from bridge.store.db import ReadTx, Store
from bridge.store.listings import accession_numbers, people, recent_studies
from bridge.store.listings.people import Person
from bridge.store.registry import StoredRegistry

MOST_STUDIES = 5_000
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Said:
    """What one configuration says of a study."""

    outcome: Outcome
    rule: str
    sentence: str
    patient: Person | None
    accession_number: str

    @property
    def binds(self) -> bool:
        return self.patient is not None


@dataclass(frozen=True, slots=True)
class Changed:
    """A study about which the two differ. patient_name: as received; state: how it stands; by_person: somebody decided it, and that stays."""

    study_key: int
    study_instance_uid: str
    patient_name: str
    received_at: datetime
    state: str
    by_person: bool
    live: Said
    candidate: Said


@dataclass(frozen=True, slots=True)
class Trial:
    """
    The two side by side. live_version, candidate_version: as decisions name them. looked_at: how many studies were asked
    about, the newest first. is_cut: there were more.
    """

    live_version: str
    candidate_version: str
    since: datetime
    looked_at: int
    is_cut: bool
    changed: tuple[Changed, ...]

    @property
    def newly_bound(self) -> int:
        return sum(one.candidate.binds and not one.live.binds for one in self.changed)

    @property
    def no_longer_bound(self) -> int:
        return sum(one.live.binds and not one.candidate.binds for one in self.changed)

    @property
    def bound_otherwise(self) -> int:
        """How many go to another patient: what must be looked at one by one."""
        pairs = ((one.live.patient, one.candidate.patient) for one in self.changed)
        return sum(a is not None and b is not None and a.key != b.key for a, b in pairs)


def try_rules(store: Store, clock: Clock, live: ReconcileRules, candidate: ReconcileRules, days: int) -> Trial:
    """Ask both about what came in the last *days*, but for what was closed; at most `MOST_STUDIES`."""
    since = clock.now() - timedelta(days=days)
    with store.read() as tx:
        keys = recent_studies.received_since(tx, since, MOST_STUDIES + 1)
    changed: list[Changed] = []
    for first in range(0, min(len(keys), MOST_STUDIES), _AT_ONCE):
        # Many short looks rather than a long one: a reader that stays holds back what a database may forget.
        with store.read() as tx:
            changed += _changed(tx, keys[first : min(first + _AT_ONCE, MOST_STUDIES)], live, candidate)
    is_cut = len(keys) > MOST_STUDIES
    looked_at = min(len(keys), MOST_STUDIES)
    return Trial(live.version, candidate.version, since, looked_at, is_cut, tuple(changed))


def _changed(tx: ReadTx, keys: list[int], live: ReconcileRules, candidate: ReconcileRules) -> Iterator[Changed]:
    for key in keys:
        study = studies.get(tx, key)
        if study.closed_reason:
            continue
        evidence, registry = evidence_of(tx, study), StoredRegistry(tx)
        now, then = decide(evidence, registry, live), decide(evidence, registry, candidate)
        if _answer(now) != _answer(then):
            yield _row(tx, study, now, then)


def _answer(verdict: Verdict) -> tuple[object, ...]:
    return (verdict.outcome, verdict.rule, verdict.patient_key, verdict.order_key)


def _row(tx: ReadTx, study: Study, now: Verdict, then: Verdict) -> Changed:
    known = people.by_key(tx, [now.patient_key, then.patient_key])
    numbers = accession_numbers.by_order(tx, [now.order_key, then.order_key])

    def said(verdict: Verdict) -> Said:
        person = known.get(verdict.patient_key or 0)
        number = numbers.get(verdict.order_key or 0, "")
        return Said(verdict.outcome, verdict.rule, verdict.sentence, person, number)

    received = study.first_instance_at
    assert received is not None
    return Changed(
        study.key,
        study.study_instance_uid,
        study.received.patient_name,
        received,
        study.state.value,
        study.is_decided_by_person,
        said(now),
        said(then),
    )
