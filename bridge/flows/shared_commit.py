"""What several threads have to commit at once shares one commit: whoever comes first writes for all who wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 32


class _Entry(Generic[Item, Result]):
    """One thread's item. gate: held until it is written, or its thread is to write."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.gate = threading.Lock()
        self.outcome: Result | Exception | None = None
        self.is_written = False


class SharedCommit(Generic[Item, Result]):
    """
    A turn at the one writer.

    write: stores items in one transaction and returns what came of each, in their order; an exception is raised to that
    item's thread. What write itself raises every one of its items hears of. While one thread writes the others' items
    gather; the first of them writes next. No thread of its own, so that one alone waits for nobody.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Result | Exception]]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: deque[_Entry[Item, Result]] = deque()
        self._is_writing = False

    @property
    def waiting_count(self) -> int:
        """How many items wait for the writer."""
        return len(self._waiting)

    def submit(self, item: Item) -> Result:
        """Return what came of *item* once it is committed. Raises: what `write` returned or raised for it."""
        entry: _Entry[Item, Result] = _Entry(item)
        with self._lock:
            self._waiting.append(entry)
            must_wait, self._is_writing = self._is_writing, True
            if must_wait:
                entry.gate.acquire()
        if must_wait:
            entry.gate.acquire()
        if not entry.is_written:
            self._write_waiting()
        if isinstance(entry.outcome, Exception):
            raise entry.outcome
        return entry.outcome  # type: ignore[return-value]

    def _write_waiting(self) -> None:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))]
        outcomes: Sequence[Result | Exception] = [RuntimeError("the writing thread was ended")] * len(batch)
        try:
            outcomes = self._write([entry.item for entry in batch])
        except Exception as fault:  # noqa: BLE001  # Every thread whose item it was raises it.
            outcomes = [fault] * len(batch)
        finally:
            self._hand_out(batch, outcomes)

    def _hand_out(self, batch: list[_Entry[Item, Result]], outcomes: Sequence[Result | Exception]) -> None:
        with self._lock:
            if self._waiting:
                self._waiting[0].gate.release()
            else:
                self._is_writing = False
        for place, (entry, outcome) in enumerate(zip(batch, outcomes, strict=True)):
            entry.outcome, entry.is_written = outcome, True
            if place:
                entry.gate.release()
