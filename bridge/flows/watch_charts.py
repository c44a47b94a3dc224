"""Whether what we published still stands: a server that came back from an old backup gets what it lost, unasked.

A little at a time, by one node of all: the newest entries each time, as a restore loses those first, and the others in
turn. What is missing, or stands in another version than ours, is queued, and its publisher puts it right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bridge.clock import Clock
from bridge.errors import BridgeError
from bridge.flows.lookout import Lookout
from bridge.outbox import enqueue
from bridge.outbox.enqueue import IMAGING_STUDY, Work
from bridge.store import leases, publications, studies
from bridge.store.db import Store
from bridge.store.publications import Publication

_log = structlog.get_logger(__name__)

_EVERY = timedelta(minutes=5)
_NEWEST = 10
_IN_TURN = 40
# Once entries are missing, the rest is looked through without a pause.
_HASTE = timedelta(seconds=5)


class ChartReader(Protocol):
    """A server that is asked, outside of any transaction. version_at: of what stands there, None if nothing does."""

    def version_at(self, reference: str) -> str | None: ...


@dataclass
class _Turn:
    """How far one server has been looked through. after: the row; next_at: when it is asked again."""

    after: int = 0
    next_at: datetime | None = None


class ChartWatch(Lookout):
    """Looks at each server in its turn. servers: by name. owner: this process, unlike any other."""

    name = "chart-watch"
    look_secs = 5.0

    def __init__(self, store: Store, clock: Clock, servers: Mapping[str, ChartReader], *, owner: str) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._servers = dict(servers)
        self._owner = owner
        self._turns = {name: _Turn() for name in servers}

    def work(self) -> int:
        """Look at every server whose turn it is; return 0, since what is due next waits. Raises: Unavailable, without a database."""
        for name in self._servers:
            if not self._stopping.is_set():
                self._look(name)
        return 0

    def _look(self, name: str) -> None:
        turn, now = self._turns[name], self._clock.now()
        if (turn.next_at is not None and now < turn.next_at) or not self._hold(name, now):
            return
        turn.next_at = now + _EVERY
        with self._store.read() as tx:
            newest = publications.standing(tx, name, limit=_NEWEST, newest_first=True)
            in_turn = publications.standing(tx, name, limit=_IN_TURN, after=turn.after)
        try:
            lost = self._lost(name, {one.reference: one for _, one in (*newest, *in_turn)}.values())
        except BridgeError as fault:
            _log.warning("chart_not_looked_at", server=name, code=fault.code)
            return
        turn.after = in_turn[-1][0] if len(in_turn) == _IN_TURN else 0
        if lost:
            self._queue(name, lost)
            if turn.after:
                turn.next_at = now + _HASTE

    def _lost(self, name: str, standing: Iterable[Publication]) -> list[Publication]:
        return [
            one
            for one in standing
            if not self._stopping.is_set() and self._servers[name].version_at(one.reference) != one.version
        ]

    def _queue(self, name: str, lost: list[Publication]) -> None:
        with self._store.write() as tx:
            for one in lost:
                uid = studies.get(tx, one.study_key).study_instance_uid
                work = Work(IMAGING_STUDY, name, uid, study_key=one.study_key)
                enqueue.enqueue(tx, work, self._clock.now())
        _log.warning("chart_entries_lost", server=name, entries=len(lost))

    def _hold(self, name: str, now: datetime) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, f"chart:{name}", self._owner, now, 2 * _EVERY)
