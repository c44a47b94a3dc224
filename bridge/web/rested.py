"""A costly count is let rest for a multiple of what it took: who asks often is told the last answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

CHEAP_SECS = 0.25
REST = 20


class Rested(Generic[T]):
    """
    Counts at most a small part of the time, and for one asker at once. Thread-safe.

    What takes less than `CHEAP_SECS` seconds is counted each time; other counts stand for `REST` times as long as they took.
    """

    def __init__(self, count: Callable[[], T], read_secs: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._read_secs = read_secs
        self._lock = threading.Lock()
        self._last: list[T] = []
        self._again_at = 0.0

    def get(self) -> T:
        """Return the count, as it is or as it was while it rests. Raises: what counting raises; the next asker counts."""
        with self._lock:
            began = self._read_secs()
            if not self._last or began >= self._again_at:
                self._last = [self._count()]
                ended = self._read_secs()
                took = ended - began
                self._again_at = ended + (took * REST if took >= CHEAP_SECS else 0)
            return self._last[0]
