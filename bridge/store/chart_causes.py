"""Why a chart entry has a new version: the decision, the correction or the event that came between two of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from bridge.domain.chart import Cause, ChartVersion, Part, Why
from bridge.domain.study import Study, is_person
from bridge.store import chart_versions, chart_withdrawals, overlays
from bridge.store.chart_versions import Standing
from bridge.store.chart_withdrawals import Coming, Subject
from bridge.store.db import ReadTx

_CHANGED_THERE = "somebody else changed it there"


def cause_of(tx: ReadTx, study: Study, standing: Standing, binding_version: int, *, is_ours: bool) -> Why:
    """
    Return why *standing* is what stands of *study* now.

    binding_version: the study's when it was written. is_ours: we wrote it, or may have; else somebody else did.
    """
    before = chart_versions.newest(tx, standing.server, standing.reference)
    is_ended = standing.is_ended
    by_hand = _by_hand(tx, [study.key], before, is_ended=is_ended)
    if by_hand is not None:
        return by_hand
    if before is None or before.whose.binding_version != binding_version or before.is_ended != is_ended:
        return _decided(tx, study, binding_version)
    if not is_ours:
        return Why(Cause.DELIVERY, standing.server, _CHANGED_THERE)
    said = chart_versions.said_by(tx, [before.key]).get(before.key)
    return Why(Cause.EVENT, "", _event(next(iter(said.values())) if said else {}, standing.any_release))


def cause_of_part(
    tx: ReadTx, part: Part, about: Collection[Subject], standing: Standing, why: str, *, is_ours: bool
) -> Why:
    """
    Return why *standing* is what stands of a part of an exam now.

    about: the studies that it is about. why: what is known of it beside what people said of charts.
    """
    before = chart_versions.newest(tx, standing.server, standing.reference)
    by_hand = _by_hand(tx, [*part.rests_on, *about], before, is_ended=standing.is_ended)
    if by_hand is not None:
        return by_hand
    if not is_ours:
        return Why(Cause.DELIVERY, standing.server, _CHANGED_THERE)
    return Why(Cause.EVENT, "", why)


def cause_of_coming(tx: ReadTx, study_instance_uid: str, standing: Standing) -> Why:
    """Return why *standing* is what stands now of a study that no image is here of."""
    before = chart_versions.newest(tx, standing.server, standing.reference)
    by_hand = _by_hand(tx, [Coming(study_instance_uid)], before, is_ended=standing.is_ended)
    words = "what had begun is taken back" if standing.is_ended else "the exam has begun"
    return by_hand if by_hand is not None else Why(Cause.EVENT, "", words)


def _by_hand(tx: ReadTx, about: Iterable[Subject], before: ChartVersion | None, *, is_ended: bool) -> Why | None:
    """Return the person who took it out of the charts, or let it back, None if nobody did."""
    if before is None or before.is_ended == is_ended:
        return None
    every = sorted((one for each in about for one in chart_withdrawals.of_subject(tx, each)), key=lambda one: one.key)
    if is_ended:
        last = next((one for one in reversed(every) if one.stands), None)
        return None if last is None else Why(Cause.PERSON, last.made_by, last.reason)
    back = [one for one in every if one.taken_back_at is not None and one.taken_back_at >= before.at]
    return Why(Cause.PERSON, back[-1].taken_back_by, back[-1].taken_back_reason) if back else None


def _decided(tx: ReadTx, study: Study, binding_version: int) -> Why:
    """Return the decision or correction that the study had its binding by."""
    made = next((one for one in overlays.of_study(tx, study.key) if one.binding_version <= binding_version), None)
    by, words = (made.actor, made.why) if made is not None else (study.decided_by or study.rule, study.sentence)
    return Why(Cause.PERSON if is_person(by) else Cause.RULE, by, words)


def _event(before: dict[str, Any], now: dict[str, Any]) -> str:
    more = int(now.get("numberOfInstances") or 0) - int(before.get("numberOfInstances") or 0)
    if more > 0:
        return f"{more} more image{'s' if more > 1 else ''} came"
    if more < 0:
        return f"{-more} image{'s' if more < -1 else ''} {'were' if more < -1 else 'was'} rejected or split off"
    return "its order or its patient's record changed"
