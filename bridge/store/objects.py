"""Which objects rows name, what reading them again found, and what of a study lies elsewhere by now."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, union, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import (
    conflicting_instances,
    instances,
    interchanges,
    note_documents,
    object_checks,
    packet_files,
    payer_files,
    report_documents,
    studies,
    verifications,
)

_HERE = instances.c.removed_at.is_(None)
_OF_ROWS = (
    (instances.c.blob, _HERE),
    (conflicting_instances.c.blob, None),
    (report_documents.c.digest, None),
    (note_documents.c.digest, None),
    (packet_files.c.digest, None),
    (payer_files.c.blob, None),
    (interchanges.c.blob, interchanges.c.blob != ""),
)


@dataclass(frozen=True, slots=True)
class Damaged:
    """An object that is not there as it was received. damage: "missing", "changed" or "unreadable"."""

    blob: str
    damage: str
    damaged_at: datetime
    study_key: int | None
    study_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of all objects. reached: the last name that was read; objects: how many there were at its start."""

    key: int
    started_at: datetime
    finished_at: datetime | None = None
    reached: str = ""
    objects: int = 0
    read_objects: int = 0
    read_bytes: int = 0
    damaged: int = 0


def named(tx: ReadTx, blobs: Collection[str]) -> set[str]:
    """Return those of *blobs* that a row names and that belong here."""
    found: set[str] = set()
    for column, here in _OF_ROWS:
        query = select(column).where(column.in_(list(blobs)))
        found |= set(tx.execute(query if here is None else query.where(here)).scalars())
    return found


def absent(tx: ReadTx, blobs: Collection[str]) -> set[str]:
    """Return those of *blobs* that are not to be had here: no row names them, a rule removed them, or they are damaged."""
    return (set(blobs) - named(tx, blobs)) | set(damaged_names(tx, blobs))


def removed(tx: ReadTx, blobs: Collection[str]) -> set[str]:
    """Return those of *blobs* whose bytes were removed by rule."""
    wanted = instances.c.blob.in_(list(blobs)), instances.c.removed_at.is_not(None)
    return set(tx.execute(select(instances.c.blob).where(*wanted)).scalars())


def after(tx: ReadTx, blob: str, limit: int) -> list[str]:
    """Return the names that follow *blob*, in their order, of what rows name."""
    parts: list[Select[Any]] = []
    for column, here in _OF_ROWS:
        query = select(column.label("blob")).where(column > blob)
        query = query if here is None else query.where(here)
        parts.append(select(query.order_by(column).limit(limit).subquery().c.blob))
    names = union(*parts).subquery().c.blob
    return list(tx.execute(select(names).order_by(names).limit(limit)).scalars())


def count(tx: ReadTx) -> int:
    """Return how many objects rows name; one that two rows name counts twice."""
    counts = [select(func.count(column)).where(*([] if here is None else [here])) for column, here in _OF_ROWS]
    return sum(int(tx.execute(one).scalar_one()) for one in counts)


def put_sound(tx: WriteTx, blobs: Iterable[str], at: datetime) -> None:
    """Note that these were as received; what was damaged is so no more."""
    _put(tx, list(blobs), verified_at=at, damage="", damaged_at=None)


def put_damaged(tx: WriteTx, blob: str, damage: str, at: datetime) -> bool:
    """Note that *blob* is damaged; False if that was known."""
    if blob in damaged_names(tx, [blob]):
        return False
    _put(tx, [blob], damage=damage, damaged_at=at)
    return True


def damaged_names(tx: ReadTx, blobs: Collection[str] | None = None) -> list[str]:
    """Return what is damaged, of *blobs* alone if they are given, in the order of their names."""
    query = select(object_checks.c.blob).where(object_checks.c.damage != "").order_by(object_checks.c.blob)
    return list(tx.execute(query if blobs is None else query.where(object_checks.c.blob.in_(list(blobs)))).scalars())


def damaged_list(tx: ReadTx, limit: int) -> list[Damaged]:
    """Return what is damaged, with the study it is of, the newest find first."""
    query = (
        select(
            object_checks.c.blob,
            object_checks.c.damage,
            object_checks.c.damaged_at,
            studies.c.key,
            func.coalesce(studies.c.study_instance_uid, ""),
            func.coalesce(instances.c.sop_instance_uid, ""),
        )
        .outerjoin(instances, instances.c.blob == object_checks.c.blob)
        .outerjoin(studies, studies.c.key == instances.c.study_key)
        .where(object_checks.c.damage != "")
        .order_by(object_checks.c.damaged_at.desc(), object_checks.c.blob)
        .limit(limit)
    )
    return [Damaged(*row) for row in tx.execute(query)]


def count_damaged(tx: ReadTx) -> int:
    """Return how many objects are damaged by now; an index holds them."""
    return int(tx.execute(select(func.count()).where(object_checks.c.damage != "")).scalar_one())


def damaged_of_study(tx: ReadTx, study_key: int) -> int:
    """Return how many of a study's objects are damaged."""
    query = select(func.count()).join_from(object_checks, instances, instances.c.blob == object_checks.c.blob)
    return int(tx.execute(query.where(object_checks.c.damage != "", instances.c.study_key == study_key)).scalar_one())


def study_of(tx: ReadTx, blob: str) -> int | None:
    """Return the row of the study that *blob* is part of, None for what is part of none."""
    return tx.execute(select(instances.c.study_key).where(instances.c.blob == blob)).scalars().first()


def came_again(tx: WriteTx, blob: str, at: datetime) -> bool:
    """Note that the bytes of *blob* were kept once more; False if nothing was wrong with them, and none were removed."""
    gone = update(instances).where(instances.c.blob == blob, ~_HERE).values(removed_at=None)
    is_restored = bool(tx.execute(gone).rowcount)
    mended = update(object_checks).where(object_checks.c.blob == blob, object_checks.c.damage != "")
    is_mended = bool(tx.execute(mended.values(damage="", damaged_at=None, verified_at=at)).rowcount)
    return is_restored or is_mended


def forget(tx: WriteTx, blobs: Iterable[str]) -> None:
    """Let go of what reading these found: no row names them."""
    tx.execute(delete(object_checks).where(object_checks.c.blob.in_(list(blobs))))


def last_pass(tx: ReadTx) -> Pass | None:
    """Return the reading that is under way, else the last one."""
    row = tx.execute(select(verifications).order_by(verifications.c.key.desc()).limit(1)).first()
    return None if row is None else Pass(**row._mapping)


def last_finished_pass(tx: ReadTx) -> Pass | None:
    """Return the last reading that saw every object."""
    ended = select(verifications).where(verifications.c.finished_at.is_not(None))
    row = tx.execute(ended.order_by(verifications.c.key.desc()).limit(1)).first()
    return None if row is None else Pass(**row._mapping)


def begin_pass(tx: WriteTx, at: datetime) -> Pass:
    """Begin to read all objects."""
    total = count(tx)
    return Pass(insert_row(tx, verifications, started_at=at, objects=total), at, objects=total)


def save_pass(tx: WriteTx, now: Pass) -> None:
    """Store how far a reading came."""
    tx.execute(
        update(verifications)
        .where(verifications.c.key == now.key)
        .values(
            reached=now.reached,
            finished_at=now.finished_at,
            read_objects=now.read_objects,
            read_bytes=now.read_bytes,
            damaged=now.damaged,
        )
    )


def _put(tx: WriteTx, blobs: list[str], **found: Any) -> None:
    known = set(tx.execute(select(object_checks.c.blob).where(object_checks.c.blob.in_(blobs))).scalars())
    if known:
        tx.execute(update(object_checks).where(object_checks.c.blob.in_(sorted(known))).values(**found))
    if new := [{"blob": blob, **found} for blob in dict.fromkeys(blobs) if blob not in known]:
        tx.execute(insert(object_checks), new)
