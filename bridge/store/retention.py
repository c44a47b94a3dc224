"""What may be removed here because archives keep it, what a person holds back, and what was removed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update

from bridge.domain.attachment import AttachmentState
from bridge.domain.commitment import CommitmentState
from bridge.domain.study import BOUND_STATES
from bridge.store import objects
from bridge.store.db import ReadTx, WriteTx
from bridge.store.overlays import leaves_as, left_otherwise
from bridge.store.tables import (
    attachments,
    conflicting_instances,
    deliveries,
    forwards,
    instances,
    mismatches,
    object_checks,
    studies,
    study_holds,
)

# What was given up is still owed until a person says that it is not.
_UNSETTLED = (
    deliveries.c.state.in_(("pending", "sending", "held")),
    and_(deliveries.c.state == "dead", deliveries.c.settled_at.is_(None)),
)
_OPEN_ATTACHMENTS = [state.value for state in AttachmentState if state != AttachmentState.SENT]
_HERE = instances.c.removed_at.is_(None)


@dataclass(frozen=True, slots=True)
class Removable:
    """A study whose bytes may go. instances, size_bytes: what is still here."""

    study_key: int
    study_instance_uid: str
    last_instance_at: datetime
    instances: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StudyHold:
    """Why a person wants a study kept here."""

    reason: str
    held_by: str
    held_at: datetime


@dataclass(frozen=True, slots=True)
class OnShelf:
    """How a study's bytes stand here. removed: objects whose bytes only the archives in kept_by have."""

    damaged: int = 0
    removed: int = 0
    kept_by: tuple[str, ...] = ()
    hold: StudyHold | None = None


def removable(
    tx: ReadTx, archives: Sequence[str], before: datetime, limit: int, study_key: int | None = None
) -> list[Removable]:
    """
    Return the studies, the longest quiet first, whose bytes may be removed; of *study_key* alone if it is given.

    Each is bound, had no new image since *before*, waits for no person and owes nobody anything; nobody holds it; and each
    of *archives* has reported that it keeps every object of it as it is bound now; it has never left otherwise. Without
    archives there are none.
    """
    if not archives:
        return []
    here = [func.count(), func.coalesce(func.sum(instances.c.size_bytes), 0)]
    query = (
        select(studies.c.key, studies.c.study_instance_uid, studies.c.last_instance_at, *here)
        .join(instances, and_(instances.c.study_key == studies.c.key, _HERE))
        .where(*_may_go(before), *(_is_kept_by(archive) for archive in archives))
        .group_by(studies.c.key, studies.c.study_instance_uid, studies.c.last_instance_at)
        .order_by(studies.c.last_instance_at, studies.c.key)
        .limit(limit)
    )
    return [
        Removable(*row) for row in tx.execute(query if study_key is None else query.where(studies.c.key == study_key))
    ]


def put_removed(tx: WriteTx, study_key: int, at: datetime) -> int:
    """Note that a study's bytes are not here any more; return of how many objects."""
    return int(
        tx.execute(update(instances).where(instances.c.study_key == study_key, _HERE).values(removed_at=at)).rowcount
    )


def removed_of(tx: ReadTx, study_key: int) -> int:
    """Return how many of a study's objects were removed here."""
    return int(tx.execute(select(func.count()).where(instances.c.study_key == study_key, ~_HERE)).scalar_one())


def partly_removed(tx: ReadTx, study_keys: Collection[int]) -> set[int]:
    """Return those of *study_keys* of which anything was removed here."""
    wanted = select(instances.c.study_key).where(instances.c.study_key.in_(list(study_keys)), ~_HERE)
    return set(tx.execute(wanted.distinct()).scalars())


def archives_of(tx: ReadTx, study_key: int) -> list[str]:
    """Return the archives that have reported to keep objects of the study as it is bound now."""
    query = (
        select(forwards.c.destination)
        .join(studies, studies.c.key == forwards.c.study_key)
        .where(forwards.c.study_key == study_key, leaves_as(forwards.c.binding_version))
        .where(forwards.c.commitment == CommitmentState.COMMITTED.value)
    )
    return sorted(set(tx.execute(query).scalars()))


def on_shelf(tx: ReadTx, study_key: int) -> OnShelf:
    """Return how a study's bytes stand here."""
    removed = removed_of(tx, study_key)
    kept_by = tuple(archives_of(tx, study_key)) if removed else ()
    return OnShelf(objects.damaged_of_study(tx, study_key), removed, kept_by, hold_of(tx, study_key))


def hold_of(tx: ReadTx, study_key: int) -> StudyHold | None:
    """Return why a person wants the study kept here, None if nobody does."""
    columns = (study_holds.c.reason, study_holds.c.held_by, study_holds.c.held_at)
    row = tx.execute(select(*columns).where(study_holds.c.study_key == study_key)).first()
    return None if row is None else StudyHold(*row)


def put_hold(tx: WriteTx, study_key: int, hold: StudyHold) -> None:
    """Keep a study here until `lift_hold`."""
    lift_hold(tx, study_key)
    values = {"reason": hold.reason, "held_by": hold.held_by, "held_at": hold.held_at}
    tx.execute(insert(study_holds).values(study_key=study_key, **values))


def lift_hold(tx: WriteTx, study_key: int) -> bool:
    """Let rules decide about a study again; False if nobody held it."""
    return bool(tx.execute(delete(study_holds).where(study_holds.c.study_key == study_key)).rowcount)


def _may_go(before: datetime) -> list[ColumnElement[bool]]:
    """What holds of every study whose bytes go, whoever keeps them."""
    key = studies.c.key
    damaged = select(instances.c.key).join(object_checks, object_checks.c.blob == instances.c.blob)
    return [
        studies.c.state.in_([state.value for state in BOUND_STATES]),
        studies.c.last_instance_at < before,
        # Commitment names UIDs alone: an archive that keeps first copies commits to what it has, not to what was corrected.
        ~left_otherwise(),
        ~_any(select(mismatches.c.key).where(mismatches.c.study_key == key, mismatches.c.closed_at.is_(None))),
        ~_any(
            select(attachments.c.key).where(attachments.c.study_key == key, attachments.c.state.in_(_OPEN_ATTACHMENTS))
        ),
        ~_any(select(deliveries.c.key).where(deliveries.c.study_key == key, or_(*_UNSETTLED))),
        ~_any(select(study_holds.c.study_key).where(study_holds.c.study_key == key)),
        ~_any(
            select(conflicting_instances.c.key).where(
                conflicting_instances.c.study_instance_uid == studies.c.study_instance_uid
            )
        ),
        ~_any(damaged.where(instances.c.study_key == key, object_checks.c.damage != "")),
    ]


def _is_kept_by(archive: str) -> ColumnElement[bool]:
    """No object of the study that *archive* has not committed to keep with the present binding."""
    one = instances.alias("one_of_it")
    kept = _any(
        select(forwards.c.key).where(
            forwards.c.instance_key == one.c.key,
            forwards.c.destination == archive,
            leaves_as(forwards.c.binding_version),
            forwards.c.commitment == CommitmentState.COMMITTED.value,
        )
    )
    return ~_any(select(one.c.key).where(one.c.study_key == studies.c.key, one.c.removed_at.is_(None), ~kept))


def _any(query: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = query.exists()
    return found
