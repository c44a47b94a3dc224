"""What the doors turned away or lost, and who asked for the worklist, written into the audit trail.

Whoever asks why a device gets nothing finds it there.

On a thread of its own, as a door must neither wait for its book nor fail with it. The same from the same address is one
row a minute with a count, so that nobody fills the trail from outside. The worklist is noted here, as a device must
get it from a full disk, too: its row is written as soon as there is room.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from bridge.clock import Clock
from bridge.errors import Unavailable
from bridge.store import audit
from bridge.store.db import Store

_log = structlog.get_logger(__name__)

_ROW_EVERY_SECS = 60.0
_LOOK_SECS = 0.5
_WAITING_MAX = 1000
_KINDS_MAX = 500
_END_SECS = 30.0

_Kind = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    One thing that was not let in, or did not come through whole.

    action: "association_rejected", "instance_refused" …; origin: address; outcome: a slug or a status; actor: who it
    said it was. detail: flat, without patient data. known: the actor was admitted under a configured name.
    """

    action: str
    origin: str
    outcome: str
    actor: str
    detail: Mapping[str, str | int] = field(default_factory=dict, compare=False)
    known: bool = False

    @property
    def kind(self) -> _Kind:
        """What it is counted under: nothing that a stranger makes up as he likes."""
        return self.action, self.origin, self.outcome, self.actor if self.known else ""


class RefusalBook:
    """Takes notes at once and writes them soon. Thread-safe."""

    def __init__(self, store: Store, clock: Clock, row_every_secs: float = _ROW_EVERY_SECS) -> None:
        self._store = store
        self._clock = clock
        self._row_every_secs = row_every_secs
        self._waiting: queue.Queue[Refusal] = queue.Queue(_WAITING_MAX)
        self._open: dict[_Kind, tuple[Refusal, int]] = {}
        self._written_at: dict[_Kind, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, if that is possible, and end."""
        self._ending.set()
        self._thread.join(timeout=_END_SECS)

    def note(self, refusal: Refusal) -> None:
        """Take one note; in a flood some are let by."""
        try:
            self._waiting.put_nowait(refusal)
        except queue.Full:
            return

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._gather()
            now = time.monotonic()
            due = [kind for kind in self._open if ended or now >= self._due_at(kind)]
            if due:
                self._write_safely(due, now)

    def _gather(self) -> bool:
        """Count what has come in a moment; True if the end was asked for."""
        # Asked first: what was noted before the end was asked for is then surely seen below.
        ending = self._ending.is_set()
        try:
            self._count(self._waiting.get(timeout=_LOOK_SECS))
            # As many as wait at most: a flood that does not end may not keep the rows from being written.
            for _ in range(_WAITING_MAX):
                self._count(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return ending

    def _count(self, refusal: Refusal) -> None:
        kind = refusal.kind
        _, times = self._open.get(kind, (refusal, 0))
        known = self._open.keys() | self._written_at.keys()
        if kind in known or len(known) < _KINDS_MAX:
            self._open[kind] = (refusal, times + 1)

    def _due_at(self, kind: _Kind) -> float:
        return self._written_at.get(kind, -math.inf) + self._row_every_secs

    def _write_safely(self, due: Sequence[_Kind], now: float) -> None:
        try:
            self._write(due)
        except Unavailable as fault:
            # Kept and counted on until the database is back.
            _log.warning("refusals_not_written", code=fault.code, count=len(self._open))
            return
        except Exception:  # noqa: BLE001 - what cannot be written is let go, so that the book outlives it
            _log.exception("refusals_not_written", code="internal_error", count=len(due))
        self._written_at = {kind: at for kind, at in self._written_at.items() if now < at + self._row_every_secs}
        for kind in due:
            del self._open[kind]
            self._written_at[kind] = now

    def _write(self, due: Sequence[_Kind]) -> None:
        with self._store.write() as tx:
            for one, times in (self._open[kind] for kind in due):
                audit.add(
                    tx,
                    at=self._clock.now(),
                    action=one.action,
                    actor=one.actor,
                    origin=one.origin,
                    outcome=one.outcome,
                    detail={**one.detail, "times": times},
                )
