"""Why a study's chart entry has a new version: the decision, the correction or the event that came between two of them."""

from __future__ import annotations

from typing import Any

from bridge.domain.chart import Cause, ChartVersion, Why
from bridge.domain.study import Study, is_person
from bridge.store import chart_versions, chart_withdrawals, overlays
from bridge.store.chart_versions import Standing
from bridge.store.db import ReadTx

_CHANGED_THERE = "somebody else changed it there"


def cause_of(tx: ReadTx, study: Study, standing: Standing, binding_version: int, *, is_ours: bool) -> Why:
    """
    Return why *standing* is what stands of *study* now.

    binding_version: the study's when it was written. is_ours: we wrote it, or may have; else somebody else did.
    """
    before = chart_versions.newest(tx, standing.server, standing.reference)
    is_ended = standing.is_ended
    by_hand = _by_hand(tx, study, before, is_ended=is_ended)
    if by_hand is not None:
        return by_hand
    if before is None or before.whose.binding_version != binding_version or before.is_ended != is_ended:
        return _decided(tx, study, binding_version)
    if not is_ours:
        return Why(Cause.DELIVERY, standing.server, _CHANGED_THERE)
    said = chart_versions.said_by(tx, [before.key]).get(before.key)
    return Why(Cause.EVENT, "", _event(next(iter(said.values())) if said else {}, standing.any_release))


def _by_hand(tx: ReadTx, study: Study, before: ChartVersion | None, *, is_ended: bool) -> Why | None:
    """Return the person who took the study out of the charts, or let it back, None if nobody did."""
    last = next(iter(chart_withdrawals.of_study(tx, study.key)), None)
    if last is None or before is None or before.is_ended == is_ended:
        return None
    if last.stands:
        return Why(Cause.PERSON, last.made_by, last.reason) if is_ended else None
    if is_ended or last.taken_back_at is None or last.taken_back_at < before.at:
        return None
    return Why(Cause.PERSON, last.taken_back_by, last.taken_back_reason)


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
