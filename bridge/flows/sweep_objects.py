"""No object stays that no row names: a crash between bytes and row leaves such, and so does a removal by rule.

What is taken lies apart for a while first, where it is still read: a row may have named it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import structlog

from bridge.errors import Conflict
from bridge.store import objects
from bridge.store.blobs import Blobs, Lying, Place
from bridge.store.db import Store

_log = structlog.get_logger(__name__)

_SETTLED_AFTER = timedelta(hours=1)
# What no row names although none was removed by rule: after a restored backup it may be wanted.
_UNKNOWN_STAY = timedelta(days=7)
_BATCH = 500
_FEW = 100
_SHARE = 100


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did. taken: laid apart; returned: named after all; dropped: gone for good."""

    taken: int = 0
    returned: int = 0
    dropped: int = 0


def sweep_objects(store: Store, blobs: Blobs, now: datetime, *, however_many: bool = False) -> Swept:
    """
    Bring back what rows name, drop what lay apart long enough, and lay apart what no row has named for an hour.

    Raises: Conflict, if more than a hundredth of all is named by no row: that is another database's store, or an older
    copy of the database, and a person says whether it goes (however_many); Unavailable.
    """
    returned, dropped = _look_through_swept(store, blobs, now)
    total, orphans, gone = 0, list[str](), list[str]()
    for batch in _batches(_settled(blobs.listed(Place.KEPT), now)):
        names = [one.blob for one in batch]
        with store.read() as tx:
            unnamed = set(names) - objects.named(tx, names)
            removed = objects.removed(tx, unnamed) if unnamed else set[str]()
        total += len(names)
        gone += sorted(removed)
        orphans += sorted(unnamed - removed)
    too_many = len(orphans) > max(_FEW, total // _SHARE) and not however_many
    taken = gone if too_many else gone + orphans
    for blob in taken:
        with suppress(FileNotFoundError):
            blobs.move(blob, Place.KEPT, Place.SWEPT)
    if taken:
        with store.write() as tx:
            objects.forget(tx, taken)
    if too_many:
        raise Conflict(
            f"{len(orphans)} of {total} objects are named by no row; nothing of them is removed", code="orphans"
        )
    return Swept(len(taken), returned, dropped)


def _look_through_swept(store: Store, blobs: Blobs, now: datetime) -> tuple[int, int]:
    returned = dropped = 0
    for batch in _batches(blobs.listed(Place.SWEPT)):
        names = [one.blob for one in batch]
        with store.read() as tx:
            named, removed = objects.named(tx, names), objects.removed(tx, names)
        for one in batch:
            stay = _SETTLED_AFTER if one.blob in removed else _UNKNOWN_STAY
            if one.blob in named:
                blobs.move(one.blob, Place.SWEPT, Place.KEPT)
                returned += 1
            elif now - one.moved_at > stay:
                blobs.drop(one.blob, Place.SWEPT)
                dropped += 1
    return returned, dropped + _drop_mended(store, blobs, now)


def _drop_mended(store: Store, blobs: Blobs, now: datetime) -> int:
    """Drop damaged bytes whose object has been sound again for a while."""
    dropped = 0
    for batch in _batches(blobs.listed(Place.DAMAGED)):
        with store.read() as tx:
            damaged = set(objects.damaged_names(tx, [one.blob for one in batch]))
        for one in batch:
            if one.blob not in damaged and now - one.moved_at > _UNKNOWN_STAY:
                blobs.drop(one.blob, Place.DAMAGED)
                dropped += 1
    return dropped


def _settled(lying: Iterable[Lying], now: datetime) -> Iterator[Lying]:
    return (one for one in lying if now - one.moved_at > _SETTLED_AFTER)


def _batches(lying: Iterable[Lying]) -> Iterator[list[Lying]]:
    walk = iter(lying)
    while batch := list(islice(walk, _BATCH)):
        yield batch
