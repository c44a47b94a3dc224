"""Whoever edits a mapping need not restart anything: each process looks at the files every other second."""

from __future__ import annotations

import threading

import structlog

from bridge.mapping.live import LiveMappings

_log = structlog.get_logger(__name__)

_LOOK_SECS = 2.0


class MappingWatch:
    """One thread for the roles of one process: it runs from the first `start` to as many `stop`s."""

    def __init__(self, mappings: LiveMappings) -> None:
        self._mappings = mappings
        self._thread = threading.Thread(target=self._run, name="mapping-watch", daemon=True)
        self._stopping = threading.Event()
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
        self._stopping.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        said: tuple[str, ...] = ()
        while not self._stopping.wait(_LOOK_SECS):
            try:
                if self._mappings.look_when_settled():
                    _log.info("mappings_reloaded", sites=len(self._mappings.current.sites))
            except Exception:  # noqa: BLE001 - the set in use stays; the next look may fare better
                _log.exception("mappings_not_reloaded")
            if self._mappings.faults and self._mappings.faults != said:
                _log.error("mappings_not_reloaded", faults=len(self._mappings.faults), first=self._mappings.faults[0])
            said = self._mappings.faults
