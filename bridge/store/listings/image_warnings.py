"""How many objects of each study carry a warning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import func, select

from bridge.store.db import ReadTx
from bridge.store.tables import instances

_columns = instances.c


def of_studies(tx: ReadTx, study_keys: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return, for each study that has any, warnings to the number of objects that carry them."""
    rows = tx.execute(
        select(_columns.study_key, _columns.warnings, func.count())
        .where(_columns.study_key.in_(list(study_keys)), _columns.warnings != "")
        .group_by(_columns.study_key, _columns.warnings)
    )
    found: dict[int, Counter[str]] = {}
    for study_key, warnings, count in rows:
        for warning in warnings.split(" "):
            found.setdefault(study_key, Counter())[warning] += count
    return {key: dict(counts) for key, counts in found.items()}
