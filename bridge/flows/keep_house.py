"""What has to be done now and then, by one node: take the lead, sweep what a crash left behind."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta

from bridge.store import leases
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store

_LEAD = "housekeeping"


def take_lead(store: Store, owner: str, now: datetime, lease: timedelta) -> bool:
    """Take or keep the lead until *now* + *lease*; False while another process holds it."""
    with store.write() as tx:
        return leases.take(tx, _LEAD, owner, now, lease)


def sweep_spool(blobs: FolderBlobs, age_secs: float, now: float) -> int:
    """Remove what arrived but was never kept, *age_secs* after it was last written to; return how many went."""
    leftovers = blobs.older_than(age_secs, now)
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)
