"""What devices asked of the worklist is remembered for a time, so that "why is my patient not on it?" has an answer.

A device's answer neither waits for this book nor fails with it: a query is noted after its answer has left, and written on
a thread of the book's own. The same question with the same answer is one row with a count for ten minutes, so that a hundred
rooms that ask every ten seconds are a few rows a minute; of what one address asks otherwise, so much a minute is kept singly.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.clock import Clock
from bridge.domain.worklist_query import AskedQuery, QueryOutcome
from bridge.errors import Unavailable
from bridge.store import worklist_queries
from bridge.store.db import Store
from bridge.store.worklist_queries import Repeat

_log = structlog.get_logger(__name__)

Kind = tuple[object, ...]

_LOOK_SECS: Final = 1.0
_REPEATS_EVERY_SECS: Final = 15.0
_ROW_FOR_SECS: Final = 600.0
_MINUTE_SECS: Final = 60.0
_END_SECS: Final = 30.0
_WAITING_MAX: Final = 1000
_ROWS_KNOWN_MAX: Final = 5000
_SINGLY_A_MINUTE: Final = 120
_ORIGINS_MAX: Final = 1000
# No device has ever needed so much to ask for its list.
_IDENTIFIER_BYTES_MAX: Final = 16_384
# Of a housekeeping's tick; what is left over goes at the next.
_PARTS_MAX: Final = 20
# Whatever the days say: what a peer can make us keep has an end.
ROWS_MAX: Final = 500_000


@dataclass(slots=True)
class _Tally:
    """One kind of query that waits to be written. since: when the first of them came, monotonic."""

    asked: AskedQuery
    since: float
    asked_at: datetime
    last_asked_at: datetime
    association: str
    slowest_secs: float
    times: int = 1

    def add(self, later: _Tally) -> None:
        self.times += later.times
        self.last_asked_at = later.last_asked_at
        self.association = later.association
        self.slowest_secs = max(self.slowest_secs, later.slowest_secs)


class _Allowance:
    """How many new kinds of query each origin may still bring within this minute. Bounded, whoever comes."""

    def __init__(self) -> None:
        self._begun = -math.inf
        self._taken: dict[str, int] = {}

    def take(self, origin: str, now: float) -> bool:
        if now - self._begun >= _MINUTE_SECS:
            self._begun, self._taken = now, {}
        if origin not in self._taken and len(self._taken) >= _ORIGINS_MAX:
            origin = ""
        taken = self._taken[origin] = self._taken.get(origin, 0) + 1
        return taken <= _SINGLY_A_MINUTE


class QueryBook:
    """Takes notes at once and writes them soon. Thread-safe."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[Kind, _Tally] = {}
        self._allowance = _Allowance()
        # The rows of what was asked before, with when each was begun; only the book's own thread looks.
        self._rows: OrderedDict[Kind, tuple[int, float]] = OrderedDict()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queries", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, if that is possible, and end."""
        self._ending.set()
        self._thread.join(timeout=_END_SECS)

    def note(self, asked: AskedQuery) -> None:
        """Take one note, at the end of what it is about; of a flood of different ones only how many there were."""
        now, at = time.monotonic(), self._clock.now() - timedelta(seconds=asked.secs)
        if len(asked.identifier) > _IDENTIFIER_BYTES_MAX:
            asked = replace(asked, identifier=b"", reason=asked.reason or "identifier_too_long")
        kind = asked.kind
        with self._lock:
            if kind not in self._waiting and kind not in self._rows:
                asked = self._allowed(asked, now)
                kind = asked.kind
            if kind in self._waiting or len(self._waiting) < _WAITING_MAX:
                self._count(kind, _Tally(asked, now, at, at, asked.association, asked.secs))

    def _allowed(self, asked: AskedQuery, now: float) -> AskedQuery:
        """Return *asked*, or what is kept of one query too many: that somebody asked, by title as long as that is bounded."""
        if self._allowance.take(asked.address, now):
            return asked
        unkept = AskedQuery(
            asked.calling_ae_title, asked.address, asked.association, QueryOutcome.UNKEPT, asked.called_ae_title
        )
        is_known = unkept.kind in self._waiting or unkept.kind in self._rows
        if is_known or self._allowance.take(f"{asked.address} titles", now):
            return unkept
        return replace(unkept, calling_ae_title="")

    def _count(self, kind: Kind, tally: _Tally) -> None:
        waiting = self._waiting.get(kind)
        if waiting is None:
            self._waiting[kind] = tally
        else:
            waiting.add(tally)

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._ending.wait(_LOOK_SECS)
            due = self._take_due(ended)
            if due:
                self._write_safely(due)

    def _take_due(self, everything: bool) -> dict[Kind, _Tally]:
        """Take what is to be written now: new kinds at once, repeats when they have gathered a while."""
        now = time.monotonic()
        with self._lock:
            while self._rows and now - next(iter(self._rows.values()))[1] >= _ROW_FOR_SECS:
                self._rows.popitem(last=False)
            due = {
                kind: tally
                for kind, tally in self._waiting.items()
                if everything or kind not in self._rows or now - tally.since >= _REPEATS_EVERY_SECS
            }
            for kind in due:
                del self._waiting[kind]
        return due

    def _write_safely(self, due: Mapping[Kind, _Tally]) -> None:
        try:
            written = self._write(due)
        except Unavailable as fault:
            _log.warning("queries_not_written", code=fault.code, count=len(due))
            self._put_back(due)
            return
        except Exception:  # noqa: BLE001 - what cannot be written is let go, so that the book outlives it
            _log.exception("queries_not_written", code="internal_error", count=len(due))
            return
        now = time.monotonic()
        with self._lock:
            self._rows.update((kind, (row, now)) for kind, row in written.items())
            while len(self._rows) > _ROWS_KNOWN_MAX:
                self._rows.popitem(last=False)

    def _write(self, due: Mapping[Kind, _Tally]) -> dict[Kind, int]:
        """Write one transaction; return the rows of what is new."""
        added: dict[Kind, int] = {}
        repeats: list[Repeat] = []
        with self._store.write() as tx:
            for kind, tally in due.items():
                known = self._rows.get(kind)
                if known is None:
                    asked = replace(tally.asked, association=tally.association, secs=tally.slowest_secs)
                    added[kind] = worklist_queries.add(tx, asked, tally.times, tally.asked_at, tally.last_asked_at)
                else:
                    row = (known[0], tally.times, tally.last_asked_at, tally.association, tally.slowest_secs)
                    repeats.append(Repeat(*row))
            worklist_queries.repeat(tx, repeats)
        return added

    def _put_back(self, due: Mapping[Kind, _Tally]) -> None:
        """Keep what the database did not take, counted on until it is back."""
        with self._lock:
            newer, self._waiting = self._waiting, dict(due)
            for kind, tally in newer.items():
                if kind in self._waiting or len(self._waiting) < _WAITING_MAX:
                    self._count(kind, tally)


def trim_queries(store: Store, clock: Clock, keep_days: int) -> int:
    """Forget queries that were last asked more than *keep_days* days ago, a part at a time; return how many."""
    before, gone = clock.now() - timedelta(days=keep_days), 0
    for _ in range(_PARTS_MAX):
        with store.write() as tx:
            part = worklist_queries.trim(tx, before, ROWS_MAX)
        gone += part
        if not part:
            break
    return gone
