"""What has to be done now and then, by one node: take the lead, sweep what a crash left behind."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta

from bridge.store import chart_versions, clinical_notes, lab_results, leases, news, tellings, worklist
from bridge.store.blobs import Blobs
from bridge.store.db import Store

_LEAD = "housekeeping"
# A day is over at another moment in each zone, and a list of yesterday's exams is looked at in the morning.
_FINISHED_STAY = timedelta(days=3)
_VERSIONS_AT_ONCE = 500
# Longer than the most days that a checklist may say.
_FACTS_STAY = timedelta(days=400)
_NEWS_STAY = timedelta(days=30)


def take_lead(store: Store, owner: str, now: datetime, lease: timedelta) -> bool:
    """Take or keep the lead until *now* + *lease*; False while another process holds it."""
    with store.write() as tx:
        return leases.take(tx, _LEAD, owner, now, lease)


def forget_finished_steps(store: Store, now: datetime) -> int:
    """Take off the worklist what ended and was scheduled three days before *now* or earlier; return how many rows went."""
    with store.write() as tx:
        return worklist.forget_finished(tx, f"{now - _FINISHED_STAY:%Y%m%d%H%M%S}")


def forget_versions(store: Store, now: datetime, keep_days: int) -> int:
    """Forget what chart entries said before *now* - *keep_days*, but for the newest of each; 0 keeps all. Return how many."""
    forgotten = 0
    while keep_days:
        with store.write() as tx:
            done = chart_versions.forget(tx, now - timedelta(days=keep_days), _VERSIONS_AT_ONCE)
        forgotten += done
        if done < _VERSIONS_AT_ONCE:
            break
    return forgotten


def forget_facts(store: Store, now: datetime) -> int:
    """Forget results and notes that were heard longer ago than any checklist can want; return how many."""
    with store.write() as tx:
        before = now - _FACTS_STAY
        return lab_results.forget(tx, before) + clinical_notes.forget(tx, before)


def forget_old_news(store: Store, now: datetime) -> int:
    """Forget what was news thirty days before *now* or earlier, but for what somebody is still to be told; return how many."""
    with store.write() as tx:
        return news.forget(tx, now - _NEWS_STAY)


def forget_told(store: Store, now: datetime) -> int:
    """Forget the words of payers' notifications read thirty days before *now* or earlier: what they decided is kept elsewhere."""
    with store.write() as tx:
        return tellings.forget_words(tx, now - _NEWS_STAY)


def sweep_spool(blobs: Blobs, age_secs: float, now: float) -> int:
    """Remove what arrived but was never kept, *age_secs* after it was last written to; return how many went."""
    leftovers = blobs.older_than(age_secs, now)
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)
