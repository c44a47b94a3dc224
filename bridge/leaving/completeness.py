"""Whether a study is whole, as everything that speaks of its images asks before it does."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.domain.completeness import complete_at, is_all_here
from bridge.domain.study import Study
from bridge.store import performed, studies
from bridge.store.db import ReadTx


def study_complete_at(tx: ReadTx, study: Study, quiet: timedelta, now: datetime) -> datetime:
    """Return when *study* counts as complete: now or before, or when nothing more has come for *quiet*."""
    steps = performed.of_study(tx, study.study_instance_uid)
    all_here = is_all_here(steps, studies.instance_uids(tx, study.key))
    return complete_at(study.last_instance_at, quiet, now, all_here=all_here)
