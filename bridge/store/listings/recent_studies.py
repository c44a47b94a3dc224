"""The studies that came lately."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from bridge.store.db import ReadTx
from bridge.store.tables import studies


def received_since(tx: ReadTx, since: datetime, limit: int) -> list[int]:
    """Return the rows of the studies of which the first image came since then, the newest first."""
    wanted = select(studies.c.key).where(studies.c.first_instance_at >= since).order_by(studies.c.key.desc())
    return list(tx.execute(wanted.limit(limit)).scalars())
