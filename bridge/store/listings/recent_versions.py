"""What was written to charts last, whatever it is about."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select

from bridge.domain.chart import ChartVersion
from bridge.domain.study import BOUND_STATES
from bridge.store import chart_versions
from bridge.store.db import ReadTx
from bridge.store.tables import chart_versions as table
from bridge.store.tables import orders, studies


@dataclass(frozen=True, slots=True)
class RecentVersion:
    """A version and the study that it is about. is_bound: the study has a patient now. accession_number: its exam's."""

    version: ChartVersion
    is_bound: bool
    accession_number: str


def of_all(
    tx: ReadTx, *, server: str = "", unbound: bool, before: int | None = None, limit: int
) -> list[RecentVersion]:
    """Return versions, newest first. server: its chart alone. unbound: of studies that are nobody's now, too."""
    bound = studies.c.state.in_([state.value for state in BOUND_STATES])
    query = (
        select(table.c.key, bound.label("is_bound"), orders.c.accession_number)
        .outerjoin(studies, studies.c.key == table.c.study_key)
        .outerjoin(orders, orders.c.key == func.coalesce(studies.c.order_key, table.c.order_key))
        .order_by(table.c.key.desc())
        .limit(limit)
    )
    if server:
        query = query.where(table.c.server == server)
    if not unbound:
        query = query.where(or_(bound, table.c.study_key.is_(None)))
    if before is not None:
        query = query.where(table.c.key < before)
    rows = {row.key: row for row in tx.execute(query)}
    found = chart_versions.of_keys(tx, list(rows))
    return [RecentVersion(one, bool(rows[one.key].is_bound), rows[one.key].accession_number or "") for one in found]
