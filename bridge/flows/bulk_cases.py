"""A person does one thing with many cases: closes them, or has a device's studies read otherwise; and takes it back."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.clock import Clock
from bridge.domain.bulk import STANDING, BulkKind, BulkState, Repairing
from bridge.domain.reason import require_reason
from bridge.errors import Conflict, Incomplete
from bridge.flows.standing_repairs import device_repairs
from bridge.store import audit, bulk_jobs, studies
from bridge.store.db import ReadTx, Store, WriteTx

MOST_STUDIES = 5_000


class BulkDesk:
    """Takes what a person asks for; the worker does it. Thread-safe."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def close(self, study_keys: Sequence[int], reason: str, actor: str) -> int:
        """
        Ask for cases to be closed for one reason; return the bulk's key.

        Raises: LookupError, if there is no such study; Incomplete, if nothing is chosen or nobody says why.
        """
        require_reason(reason)
        chosen = sorted(set(study_keys))
        if not chosen:
            raise Incomplete("choose at least one case", code="missing", where="studies")
        if len(chosen) > MOST_STUDIES:
            raise Incomplete(f"at most {MOST_STUDIES} at once", code="too_many", where="studies")
        with self._store.write() as tx:
            for key in chosen:
                studies.get(tx, key)
            key = bulk_jobs.add(tx, BulkKind.CLOSE, None, reason.strip(), actor, self._clock.now())
            bulk_jobs.add_studies(tx, key, chosen)
            self._audit(tx, "bulk_close_asked", key, actor, count=len(chosen))
        return key

    def preview(self, repairing: Repairing, actor: str) -> int:
        """
        Ask what a device's waiting studies would come to if they were read so; return the bulk's key. Nothing changes.

        Raises: Incomplete, if no device is named, the time is none, or the repair says nothing that can be done.
        """
        if not repairing.device.strip():
            raise Incomplete("say which device", code="missing", where="device")
        if repairing.until is not None and repairing.until <= repairing.since:
            raise Incomplete("the end is before the beginning", code="not_a_period", where="until")
        device_repairs(repairing, "bulk")
        with self._store.write() as tx:
            key = bulk_jobs.add(tx, BulkKind.REPAIR, repairing, "", actor, self._clock.now())
            found = bulk_jobs.of_device(tx, bulk_jobs.get(tx, key), only_waiting=True)
            if len(found) > MOST_STUDIES:
                raise Incomplete(
                    f"at most {MOST_STUDIES} studies at once: take less time", code="too_many", where="since"
                )
            bulk_jobs.add_studies(tx, key, found)
            self._audit(tx, "bulk_preview_asked", key, actor, device=repairing.device, count=len(found))
        return key

    def apply(self, key: int, reason: str, actor: str) -> None:
        """
        Let a repair count that was tried: for the studies that wait, and for what comes.

        Raises: LookupError, if there is none; Incomplete, if nobody says why; Conflict, if it was not tried to its end.
        """
        require_reason(reason)
        self._move(key, BulkState.APPLYING, "bulk_apply_asked", actor, reason=reason.strip(), applied_by=actor)

    def drop(self, key: int, actor: str) -> None:
        """Let go of a repair that was tried. Raises: LookupError; Conflict, if it was not tried to its end."""
        self._move(key, BulkState.DROPPED, "bulk_drop_asked", actor)

    def _move(self, key: int, to: BulkState, action: str, actor: str, **values: str) -> None:
        with self._store.write() as tx:
            job = bulk_jobs.get(tx, key)
            if job.state != BulkState.PREVIEWED or not bulk_jobs.move(tx, job, to, **values):
                raise Conflict("it was decided already, or is still being tried", code="bulk_not_previewed")
            self._audit(tx, action, key, actor)

    def undo(self, key: int, reason: str, actor: str) -> None:
        """
        Take a bulk back, all of it.

        Raises: LookupError, if there is none; Incomplete, if nobody says why; Conflict, if it is not applied.
        """
        require_reason(reason)
        with self._store.write() as tx:
            job = bulk_jobs.get(tx, key)
            may = job.state in (BulkState.APPLIED, BulkState.APPLYING)
            if not may or not bulk_jobs.move(
                tx, job, BulkState.UNDOING, undone_by=actor, undo_reason=reason.strip(), ended_at=None
            ):
                raise Conflict("only what is applied can be taken back", code="bulk_not_applied")
            self._audit(tx, "bulk_undo_asked", key, actor)

    def would_undo(self, tx: ReadTx, key: int) -> tuple[list[int], list[int]]:
        """
        Return the studies that taking a bulk back would put back, and those that stay: somebody decided since.

        Raises: LookupError, if there is none; Conflict, if it is not applied.
        """
        job = bulk_jobs.get(tx, key)
        if job.state not in STANDING:
            raise Conflict("only what is applied can be taken back", code="bulk_not_applied")
        rows = bulk_jobs.applied_to(tx, job)
        stays = [row.study_key for row in rows if bulk_jobs.is_decided_since(tx, row)]
        later = bulk_jobs.came_under(tx, job)
        return [key for key in (*(row.study_key for row in rows), *later) if key not in stays], stays

    def _audit(self, tx: WriteTx, action: str, key: int, actor: str, **detail: object) -> None:
        audit.add(tx, at=self._clock.now(), action=action, actor=actor, detail={"bulk": key, **detail})
