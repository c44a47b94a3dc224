"""What people had read otherwise of what a device sent in a time: it counts for new images and where a study is read again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.bulk import Repairing
from bridge.domain.repairs import DeviceRepairs
from bridge.errors import Incomplete
from bridge.mapping.repair_rules import read_repair
from bridge.mapping.rules_file import Faults
from bridge.store import bulk_jobs, studies
from bridge.store.bulk_jobs import BulkJob
from bridge.store.db import ReadTx, Store

_FRESH_SECS = 1.0


def device_repairs(repairing: Repairing, name: str) -> DeviceRepairs:
    """Return the repair as headers are read by it. Raises: Incomplete, if it says nothing that can be done."""
    faults = Faults()
    made = read_repair(name, repairing.entry, faults)
    if faults.found:
        raise Incomplete("; ".join(faults.found), code="not_in_table", where="repair")
    return made


def repairs_for(jobs: Iterable[BulkJob], device: str, first_arrival: datetime | None) -> tuple[DeviceRepairs, ...]:
    """Return those of *jobs* that are about a study of *device* whose first image came then."""
    return tuple(
        device_repairs(job.repairing, f"bulk-{job.key}")
        for job in jobs
        if job.repairing is not None and first_arrival is not None and job.repairing.is_about(device, first_arrival)
    )


class StandingRepairs:
    """The repairs that are applied, looked up anew each second. Thread-safe: what two threads look up at once is the same."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._looked: tuple[float, tuple[BulkJob, ...]] | None = None

    def about(self, device: str, study_instance_uid: str) -> tuple[DeviceRepairs, ...]:
        """Return those about a study of *device*; one of which nothing has come begins now. Raises: Unavailable."""
        jobs = [job for job in self._jobs() if job.repairing is not None and job.repairing.device == device]
        if not jobs:
            return ()
        with self._store.read() as tx:
            study = studies.by_uid(tx, study_instance_uid)
        return repairs_for(jobs, device, study.first_instance_at if study is not None else self._clock.now())

    def is_current(self, tx: ReadTx) -> bool:
        """Say whether what was looked up last still stands."""
        looked = self._looked
        return looked is not None and tuple(bulk_jobs.standing(tx)) == looked[1]

    def look_again(self) -> None:
        """Let what was looked up be looked up anew."""
        self._looked = None

    def _jobs(self) -> tuple[BulkJob, ...]:
        now, looked = time.monotonic(), self._looked
        if looked is None or now - looked[0] > _FRESH_SECS:
            with self._store.read() as tx:
                looked = self._looked = (now, tuple(bulk_jobs.standing(tx)))
        return looked[1]
