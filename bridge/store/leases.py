"""Who owns what, for how long: one row a thing, taken by fenced update."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select, update

from bridge.store.db import WriteTx, lock
from bridge.store.tables import leases


def take(tx: WriteTx, name: str, owner: str, now: datetime, lease: timedelta) -> bool:
    """Take or keep *name* until *now* + *lease*; False while another owner holds it."""
    lock(tx, f"lease:{name}")
    if tx.execute(select(leases.c.name).where(leases.c.name == name)).first() is None:
        tx.execute(insert(leases).values(name=name, owner=owner, until=now + lease, fence=1))
        return True
    done = tx.execute(
        update(leases)
        .where(leases.c.name == name, or_(leases.c.owner == owner, leases.c.until < now))
        .values(owner=owner, until=now + lease, fence=leases.c.fence + 1)
    )
    return bool(done.rowcount)


def seize(tx: WriteTx, name: str, owner: str, now: datetime, lease: timedelta) -> None:
    """Take *name* from whoever has it: that one is refused it the next time it asks to keep it."""
    lock(tx, f"lease:{name}")
    tx.execute(update(leases).where(leases.c.name == name).values(until=now - lease))
    if not take(tx, name, owner, now, lease):
        raise AssertionError("a lease that has run out is anybody's")


def give_back(tx: WriteTx, name: str, owner: str, now: datetime) -> None:
    """Let others have *name* from now on, if it is *owner*'s."""
    tx.execute(
        update(leases).where(leases.c.name == name, leases.c.owner == owner).values(until=now - timedelta.resolution)
    )
