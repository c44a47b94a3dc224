"""Bytes that archives have committed to keep are removed here by rule; rows, decisions and the trail stay.

The rows say it first. The bytes go with the next sweeps, an hour later: what comes again meanwhile is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.clock import Clock
from bridge.errors import Conflict, Incomplete
from bridge.flows import announce
from bridge.store import audit, events, retention, studies
from bridge.store.blobs import Blobs
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station
from bridge.store.retention import Removable, StudyHold


@dataclass(frozen=True, slots=True)
class RemovalRule:
    """
    What may be removed. after_days: of no new image, 0 for nothing at all. archives: all of them must have committed.

    most_objects: of one run. free_below_bytes: nothing goes while the disk has more room than that, 0 for whatever room.
    """

    after_days: int = 0
    archives: tuple[str, ...] = ()
    most_objects: int = 10_000
    free_below_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Removed:
    """What a run removed, or would remove."""

    studies: int = 0
    objects: int = 0
    size_bytes: int = 0


def what_would_go(store: Store, rule: RemovalRule, now: datetime) -> list[Removable]:
    """Return the studies that a run would remove, the longest quiet first, within its limit; the room left is not asked."""
    if not rule.after_days:
        return []
    with store.read() as tx:
        found = retention.removable(tx, rule.archives, now - timedelta(days=rule.after_days), rule.most_objects)
    chosen, total = list[Removable](), 0
    for one in found:
        total += one.instances
        if total > rule.most_objects and chosen:
            break
        chosen.append(one)
    return chosen


def remove_archived(store: Store, blobs: Blobs, clock: Clock, rule: RemovalRule, actor: str = "system") -> Removed:
    """Remove what may go, each study in a transaction of its own, in which all of the rule holds still."""
    if rule.free_below_bytes and blobs.free_bytes() >= rule.free_below_bytes:
        return Removed()
    removed = Removed()
    for one in what_would_go(store, rule, clock.now()):
        with store.write() as tx:
            count = _remove(tx, one, rule, clock.now(), actor)
        if count:
            size_bytes = removed.size_bytes + one.size_bytes
            removed = Removed(removed.studies + 1, removed.objects + count, size_bytes)
    return removed


def _remove(tx: WriteTx, one: Removable, rule: RemovalRule, now: datetime, actor: str) -> int:
    lock(tx, "identity")
    lock(tx, f"study:{one.study_instance_uid}")
    before = now - timedelta(days=rule.after_days)
    if not retention.removable(tx, rule.archives, before, 1, study_key=one.study_key):
        return 0
    count = retention.put_removed(tx, one.study_key, now)
    announce.retrievable_changed(tx, studies.get(tx, one.study_key), now)
    kept_by = ", ".join(rule.archives)
    what = f"{count} images removed here: kept by {kept_by}, which committed to all of them"
    events.add(tx, Event(now, Station.IMAGES, what, actor, study_key=one.study_key))
    detail = {"objects": count, "kept_by": kept_by, "quiet_days": rule.after_days}
    audit.add(tx, at=now, action="study_removed", actor=actor, study_key=one.study_key, detail=detail)
    return count


def hold_study(store: Store, clock: Clock, study_instance_uid: str, reason: str, actor: str) -> None:
    """Keep a study here whatever archives have. Raises: Incomplete without a reason; Conflict, if there is no such study."""
    if not reason.strip():
        raise Incomplete("a reason is needed", where="reason")
    now = clock.now()
    with store.write() as tx:
        key = _key_of(tx, study_instance_uid)
        retention.put_hold(tx, key, StudyHold(reason.strip(), actor, now))
        audit.add(tx, at=now, action="study_held_here", actor=actor, study_key=key)


def release_study(store: Store, clock: Clock, study_instance_uid: str, actor: str) -> None:
    """Let the rule decide about a study again. Raises: Conflict, if there is no such study."""
    with store.write() as tx:
        key = _key_of(tx, study_instance_uid)
        if retention.lift_hold(tx, key):
            audit.add(tx, at=clock.now(), action="study_released_here", actor=actor, study_key=key)


def _key_of(tx: WriteTx, study_instance_uid: str) -> int:
    study = studies.by_uid(tx, study_instance_uid)
    if study is None:
        raise Conflict("no such study", code="unknown")
    return study.key
