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
from bridge.domain.chart import part_named
from bridge.errors import BridgeError
from bridge.flows.lookout import Lookout
from bridge.outbox import enqueue
from bridge.outbox.enqueue import IMAGING_STUDY, Work, chart_part
from bridge.store import chart_parts, leases, publications, studies
from bridge.store.db import ReadTx, Store
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


@dataclass(frozen=True, slots=True)
class _Entry:
    """Something of ours that stands there, as it stood when we last wrote or looked, and what brings it there again."""

    reference: str
    version: str
    again: Work


# Rows of one kind with what they stand for: those beyond the row *after*, or the newest.
class _Rows(Protocol):
    def __call__(
        self, tx: ReadTx, server: str, *, limit: int, after: int = 0, newest_first: bool = False
    ) -> list[tuple[int, _Entry]]: ...


@dataclass
class _Turn:
    """How far one server has been looked through. after: the row, for each kind of rows; next_at: when it is asked again."""

    after: list[int]
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
        self._turns = {name: _Turn([0] * len(_ROWS)) for name in servers}

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
            newest = [one for rows in _ROWS for one in rows(tx, name, limit=_NEWEST, newest_first=True)]
            in_turn = [rows(tx, name, limit=_IN_TURN, after=at) for rows, at in zip(_ROWS, turn.after, strict=True)]
        every = [*newest, *(one for found in in_turn for one in found)]
        try:
            lost = self._lost(name, {one.reference: one for _, one in every}.values())
        except BridgeError as fault:
            _log.warning("chart_not_looked_at", server=name, code=fault.code)
            return
        turn.after = [found[-1][0] if len(found) == _IN_TURN else 0 for found in in_turn]
        if lost:
            self._queue(name, lost)
            if any(turn.after):
                turn.next_at = now + _HASTE

    def _lost(self, name: str, standing: Iterable[_Entry]) -> list[_Entry]:
        return [
            one
            for one in standing
            if not self._stopping.is_set() and self._servers[name].version_at(one.reference) != one.version
        ]

    def _queue(self, name: str, lost: list[_Entry]) -> None:
        with self._store.write() as tx:
            for one in lost:
                enqueue.enqueue(tx, one.again, self._clock.now())
        _log.warning("chart_entries_lost", server=name, entries=len(lost))

    def _hold(self, name: str, now: datetime) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, f"chart:{name}", self._owner, now, 2 * _EVERY)


def _studies(
    tx: ReadTx, server: str, *, limit: int, after: int = 0, newest_first: bool = False
) -> list[tuple[int, _Entry]]:
    found = publications.standing(tx, server, limit=limit, after=after, newest_first=newest_first)
    return [(key, _Entry(one.reference, one.version, _study_again(tx, one))) for key, one in found]


def _study_again(tx: ReadTx, one: Publication) -> Work:
    uid = studies.get(tx, one.study_key).study_instance_uid
    return Work(IMAGING_STUDY, one.server, uid, study_key=one.study_key)


def _parts(
    tx: ReadTx, server: str, *, limit: int, after: int = 0, newest_first: bool = False
) -> list[tuple[int, _Entry]]:
    found = chart_parts.standing(tx, server, limit=limit, after=after, newest_first=newest_first)
    return [
        (key, _Entry(one.reference, one.version, chart_part(part_named(one.of_work), server, None)))
        for key, one in found
    ]


_ROWS: tuple[_Rows, ...] = (_studies, _parts)
