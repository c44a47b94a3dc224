"""How much at a time, and how often, one server is asked by this process, whatever there is to send."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """connections: requests under way at one time. rate_per_sec: requests begun in a second, 0 for as many as it answers."""

    def __init__(self, connections: int, rate_per_sec: float) -> None:
        self._free = threading.BoundedSemaphore(connections)
        self._step_secs = 1 / rate_per_sec if rate_per_sec else 0.0
        self._lock = threading.Lock()
        self._next_at = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it."""
        with self._free:
            if self._step_secs:
                time.sleep(self._wait_secs(time.monotonic()))
            yield

    def _wait_secs(self, now: float) -> float:
        with self._lock:
            at = max(now, self._next_at)
            self._next_at = at + self._step_secs
        return at - now
