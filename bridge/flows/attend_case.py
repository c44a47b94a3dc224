"""A person opens a case of the queue, and leaves it: others see who is at it, and nobody is kept out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bridge.clock import Clock
from bridge.store import presences
from bridge.store.db import Store
from bridge.store.presences import Presence

# A page that is open asks again every 45 seconds; without scripts it counts as open for so long.
LEASE = timedelta(minutes=3)


def attend_case(store: Store, clock: Clock, study_key: int, actor: str) -> Sequence[Presence]:
    """Say that *actor* has the case open, and return who else has, the first to come first."""
    now = clock.now()
    with store.write() as tx:
        presences.enter(tx, study_key, actor, now, LEASE)
        found = presences.at_cases(tx, [study_key], now).get(study_key, [])
    return [one for one in found if one.actor != actor]


def leave_case(store: Store, study_key: int, actor: str) -> None:
    """Say that *actor* has closed the case."""
    with store.write() as tx:
        presences.leave(tx, study_key, actor)
