"""When a study counts as complete: its modality says so and all of it is here, or nothing more has come for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from bridge.domain.performed import PerformedStatus, PerformedStep


def is_all_here(steps: Iterable[PerformedStep], here: Collection[str]) -> bool:
    """
    Say whether the study's performed steps are done and every instance that they name is among *here*.

    An MPPS that was completed without naming an instance says nothing about completeness. Source: IHE RAD TF-2 4.7.
    """
    known = list(steps)
    named = {uid for step in known for uid in step.referenced_instances}
    is_done = any(step.status == PerformedStatus.COMPLETED for step in known)
    is_running = any(step.status == PerformedStatus.IN_PROGRESS for step in known)
    return is_done and not is_running and bool(named) and named <= set(here)


def complete_at(last_instance_at: datetime | None, quiet: timedelta, now: datetime, *, all_here: bool) -> datetime:
    """Return when the study counts as complete: now, once all of it is here, else after the quiet time."""
    return now if all_here else (last_instance_at or now) + quiet
