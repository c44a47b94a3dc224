"""How full the store of objects is, how sound, for how long there is room, and what its rule would remove."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bridge.clock import Clock
from bridge.flows.remove_archived import RemovalRule, hold_study, release_study, what_would_go
from bridge.store import objects
from bridge.store.blobs import Blobs
from bridge.store.db import Store
from bridge.store.listings.usage import Usage, latest_usage, put_usage, usage
from bridge.store.objects import Damaged, Pass
from bridge.store.retention import Removable

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Shelf:
    """
    What there is to know. where: the folder or bucket; free_bytes: of the local disk, above the low-water mark.

    room_days: how long the room lasts at the rate of the last 30 days, None where nothing grows, or in a bucket.
    damaged: the newest finds of damaged_count. removable: what the rule would remove now.
    """

    where: str
    is_bucket: bool
    used: Usage
    free_bytes: int
    low_water_bytes: int
    spool_bytes: int
    cached_bytes: int
    room_days: int | None
    damaged_count: int
    damaged: tuple[Damaged, ...]
    current_pass: Pass | None
    finished_pass: Pass | None
    rule: RemovalRule
    removable: tuple[Removable, ...]


@dataclass(frozen=True, slots=True)
class ShelfDesk:
    """Looks at the shelf. where, is_bucket, low_water_bytes: as the settings say."""

    store: Store
    blobs: Blobs
    clock: Clock
    rule: RemovalRule
    where: str
    is_bucket: bool
    low_water_bytes: int

    def hold(self, study_instance_uid: str, reason: str, actor: str) -> None:
        """Keep a study here whatever archives have. Raises: as `hold_study`."""
        hold_study(self.store, self.clock, study_instance_uid, reason, actor)

    def release(self, study_instance_uid: str, actor: str) -> None:
        """Let the rule decide about a study again. Raises: as `release_study`."""
        release_study(self.store, self.clock, study_instance_uid, actor)

    def look(self) -> Shelf:
        """Return what there is to know by now."""
        now: datetime = self.clock.now()
        with self.store.read() as tx:
            used = latest_usage(tx, now)
            damaged_count, damaged = objects.count_damaged(tx), objects.damaged_list(tx, _SHOWN)
            current, finished = objects.last_pass(tx), objects.last_finished_pass(tx)
        free = self.blobs.free_bytes()
        lasts = int(free / used.bytes_per_day) if used.bytes_per_day and not self.is_bucket else None
        return Shelf(
            where=self.where,
            is_bucket=self.is_bucket,
            used=used,
            free_bytes=free,
            low_water_bytes=self.low_water_bytes,
            spool_bytes=_size_of(self.blobs.spool),
            cached_bytes=self.blobs.cached_bytes(),
            room_days=lasts,
            damaged_count=damaged_count,
            damaged=tuple(damaged),
            current_pass=current,
            finished_pass=finished,
            rule=self.rule,
            removable=tuple(what_would_go(self.store, self.rule, now)),
        )


def count_usage(store: Store, now: datetime) -> int:
    """Add up what is kept, for whoever looks until the next time; return how many objects there are."""
    with store.read() as tx:
        found = usage(tx, now)
    with store.write() as tx:
        put_usage(tx, found)
    return found.total.objects


def _size_of(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(place) / name).stat().st_size
    return total
