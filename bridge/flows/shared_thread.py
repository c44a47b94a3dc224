"""A thread that several roles of one process share."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SharedThread:
    """Runs from the first `start` to as many `stop`s. end: makes *run* return; wait_secs: how long is waited for that."""

    def __init__(self, run: Callable[[], None], end: Callable[[], None], *, name: str, wait_secs: int) -> None:
        self._thread = threading.Thread(target=run, name=name, daemon=True)
        self._end = end
        self._wait_secs = wait_secs
        self._users = 0
        self._users_lock = threading.Lock()

    def start(self) -> None:
        """Begin, for whoever is the first to ask."""
        with self._users_lock:
            self._users += 1
            if self._users == 1:
                self._thread.start()

    def stop(self) -> None:
        """End, for whoever is the last to ask."""
        with self._users_lock:
            self._users -= 1
            if self._users:
                return
        self._end()
        self._thread.join(timeout=self._wait_secs)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()
