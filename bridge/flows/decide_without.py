"""What becomes of bindings when a change of records that they may rest on, a merge or a move, is taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile

from bridge.domain.reconcile import decide
from bridge.domain.study import Study
from bridge.domain.waking import fact_keys
from bridge.flows.decide_study import Deciding, decide_by_rule, reopen, return_to, withdraw
from bridge.flows.gather_evidence import evidence_of
from bridge.store import decisions, orders, patients, rejections, studies
from bridge.store.db import WriteTx
from bridge.store.decisions import Decision
from bridge.store.registry import StoredRegistry


def decide_without(tx: WriteTx, touched: Iterable[Study], since: datetime, how: Deciding) -> None:
    """
    Let no binding rest on a change of records that is taken back.

    What was bound before goes on from the decision that stood then; what a rule bound since is held, unless a rule says
    the same without the change. since: when the change was heard of.
    """
    for key in dict.fromkeys(one.key for one in touched):
        study = studies.get(tx, key)
        if not study.is_bound:
            continue
        before = _stood_at(decisions.of_study(tx, study.key), since)
        if before is None and not study.is_decided_by_person:
            _hold(tx, study, how)
        elif before is not None and _has_order_of_another(tx, study) and before.order_key != study.order_key:
            return_to(tx, study, before, how)


def decide_apart(
    tx: WriteTx, touched: Iterable[Study], parted: Collection[int], since: datetime, how: Deciding
) -> None:
    """
    Hold what a rule bound since a merge, unless it says the same of the live record alone.

    parted: the records that are merged still and are said to be other people's.
    """
    for study in touched:
        bound = study.is_bound and not study.is_decided_by_person
        if bound and _stood_at(decisions.of_study(tx, study.key), since) is None:
            _hold(tx, study, how, parted)


def free_without(tx: WriteTx, touched: Iterable[Study], since: datetime, reason: str, how: Deciding) -> None:
    """
    Bind again what a rule held since a change that is taken back, as it was bound before: unless that is still in doubt.

    since: when the change was heard of. What a person took back since stays so.
    """
    for key in dict.fromkeys(one.key for one in touched):
        study = studies.get(tx, key)
        if study.held_from_patient_key is None or study.is_decided_by_person:
            continue
        held, *made = decisions.of_study(tx, study.key)
        before = _stood_at(made, since) if held.decided_at >= since else None
        if before is not None:
            return_to(tx, study, before, how, reason=reason)


def free_as_before(tx: WriteTx, study: Study, reason: str, how: Deciding) -> None:
    """
    Decide a study again of which a signal was taken back: what it held is bound as it was, by a rule or by a person.

    Unless something else speaks against that by now.
    """
    before = decisions.last_binding(tx, study.key)
    if before is not None and study.held_from_patient_key is not None:
        return_to(tx, study, before, how, reason=reason)
    decide_by_rule(tx, studies.get(tx, study.key), how)


def open_again(tx: WriteTx, study: Study, reason: str, actor: str, how: Deciding) -> Study:
    """
    Take back that a person closed a study's case: it stands as it did before, bound or waiting.

    What was bound waits all the same if something speaks against that by now, or its images stand in another study.
    """
    before = decisions.of_study(tx, study.key)[1:2]
    reopened = reopen(tx, study, reason, actor, how)
    if before and before[0].patient_key is not None and rejections.has_content(tx, study.key):
        return_to(tx, reopened, before[0], how, reason=reason)
    return studies.get(tx, study.key)


def naming(tx: WriteTx, patient_keys: Iterable[int], order_keys: Iterable[int]) -> list[Study]:
    """Return the studies whose headers share something with these patients and orders as they are now."""
    registry = StoredRegistry(tx)
    records = [record for key in patient_keys if (record := registry.survivor(key)) is not None]
    ordered = [order for key in order_keys if (order := registry.order_by_key(key)) is not None]
    return studies.answering(tx, fact_keys(records, ordered))


def _stood_at(made: Sequence[Decision], since: datetime) -> Decision | None:
    """
    Return the binding that stood at *since* and went on from there, None if it was made later.

    made: decisions, newest first. Where a person decided meanwhile, with a reason, that stands instead.
    """
    run = list(takewhile(lambda one: one.patient_key is not None, made))
    if not run or run[-1].decided_at >= since:
        return None
    return next(one for one in run if one.decided_at < since or one.reason)


def _hold(tx: WriteTx, study: Study, how: Deciding, parted: Collection[int] = ()) -> None:
    record = StoredRegistry(tx).survivor(study.patient_key) if parted and study.patient_key is not None else None
    alone = [replace(record, merged=tuple(one for one in record.merged if one.key not in parted))] if record else []
    verdict = decide(evidence_of(tx, study), StoredRegistry(tx, alone), how.rules)
    if verdict.patient_key == study.patient_key:
        return
    rule = "V06" if verdict.binds else verdict.rule
    words = f"Held ({rule}): it was bound while two records were one person's; that was taken back."
    withdraw(tx, study, rule, words, how, actor=rule)


def _has_order_of_another(tx: WriteTx, study: Study) -> bool:
    if study.order_key is None:
        return False
    return patients.survivor(tx, orders.get(tx, study.order_key).patient_key).key != study.patient_key
