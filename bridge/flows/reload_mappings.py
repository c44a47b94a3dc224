"""The mapping set in use: read anew when its files change, kept as it was while they have faults.

Whoever edits a mapping need not restart anything: each process looks at the files every other second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from bridge.errors import Misconfigured
from bridge.flows.shared_thread import SharedThread
from bridge.mapping.load import load_mappings
from bridge.mapping.resolve import MappingSet

_log = structlog.get_logger(__name__)

_LOOK_SECS = 2.0
_Fingerprint = tuple[tuple[str, int, int], ...]


class LiveMappings:
    """
    The mappings of one process.

    on_change: each hears the new set once it counts. Thread-safe. Raises: Misconfigured, if the files have faults at the
    start; later such files change nothing but `faults`.
    """

    def __init__(self, shipped: Path, overlay: Path | None) -> None:
        self._shipped = shipped
        self._overlay = overlay
        self._lock = threading.Lock()
        self._seen = self._waiting = self._fingerprint()
        self._current = load_mappings(shipped, overlay)
        self._faults: tuple[str, ...] = ()
        self.on_change: list[Callable[[MappingSet], None]] = []

    @property
    def current(self) -> MappingSet:
        """What messages are read by now."""
        return self._current

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the files as they are now; () if they are in use."""
        return self._faults

    def look(self) -> bool:
        """Read the files if they changed; say whether a new set is in use."""
        with self._lock:
            return self._take(self._fingerprint())

    def look_when_settled(self) -> bool:
        """Do as `look` does, but only once the files are as they were at the call before: an editor may be half way."""
        with self._lock:
            now = self._fingerprint()
            settled, self._waiting = now == self._waiting, now
            return settled and self._take(now)

    def _take(self, now: _Fingerprint) -> bool:
        if now == self._seen:
            return False
        self._seen = now
        try:
            self._current = load_mappings(self._shipped, self._overlay)
        except Misconfigured as fault:
            self._faults = tuple(fault.faults)
            return False
        self._faults = ()
        for hear in self.on_change:
            hear(self._current)
        return True

    def _fingerprint(self) -> _Fingerprint:
        """Return each file's name, time and size; a file that goes away while it is looked at is not there."""
        found: list[tuple[str, int, int]] = []
        for layer in filter(None, (self._shipped, self._overlay)):
            for path in sorted(layer.rglob("*.toml")):
                try:
                    said = path.stat()
                except OSError:
                    continue
                found.append((str(path), said.st_mtime_ns, said.st_size))
        return tuple(found)


class MappingWatch:
    """One thread for the roles of one process: it runs from the first `start` to as many `stop`s."""

    def __init__(self, mappings: LiveMappings) -> None:
        self._mappings = mappings
        self._stopping = threading.Event()
        self._thread = SharedThread(self._run, self._stopping.set, name="mapping-watch", wait_secs=10)

    def start(self) -> None:
        """Begin, for whoever is the first to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End, for whoever is the last to ask."""
        self._thread.stop()

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
