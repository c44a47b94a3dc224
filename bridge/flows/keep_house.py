"""What has to be done now and then, by one node: take the lead, sweep what a crash left behind."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select, update

from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store, lock
from bridge.store.tables import leases

_LEAD = "housekeeping"


def take_lead(store: Store, owner: str, now: datetime, lease: timedelta) -> bool:
    """Take or keep the lead until *now* + *lease*; False while another process holds it."""
    with store.write() as tx:
        lock(tx, f"lease:{_LEAD}")
        if tx.execute(select(leases.c.name).where(leases.c.name == _LEAD)).first() is None:
            tx.execute(insert(leases).values(name=_LEAD, owner=owner, until=now + lease, fence=1))
            return True
        done = tx.execute(
            update(leases)
            .where(leases.c.name == _LEAD, or_(leases.c.owner == owner, leases.c.until < now))
            .values(owner=owner, until=now + lease, fence=leases.c.fence + 1)
        )
        return bool(done.rowcount)


def sweep_spool(blobs: FolderBlobs, age_secs: float, now: float) -> int:
    """Remove what arrived but was never kept, *age_secs* after it was last written to; return how many went."""
    leftovers = blobs.older_than(age_secs, now)
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)
