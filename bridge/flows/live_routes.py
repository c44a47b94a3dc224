"""The routes in use: read anew when their file changes, kept as they were while it has faults."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from bridge.domain.routing import Routes, Routing
from bridge.errors import Misconfigured
from bridge.mapping.routes import FILE_NAME, load_routes
from bridge.settings import Settings

_log = structlog.get_logger(__name__)

_LOOK_SECS = 2.0
_TAKES_STUDIES = frozenset({"viewer", "referrer"})
_Print = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where anything can be sent, by AE title or server name. archives: those that get everything unless routes name them."""

    archives: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        return (*self.archives, *self.others)


def places_of(settings: Settings) -> Places:
    """Return where *settings* let studies be sent."""
    peers = settings.dicom.peers
    archives = [one.ae_title for one in peers if "archive" in one.roles]
    others = [one.ae_title for one in peers if "archive" not in one.roles and _TAKES_STUDIES.intersection(one.roles)]
    return Places((*archives, *(one.name for one in settings.dicomweb.servers)), tuple(others))


class LiveRoutes:
    """
    The routes of one process. Thread-safe.

    Raises: Misconfigured, if the file has faults at the start; a later such file changes nothing but `faults`.
    """

    def __init__(self, shipped: Path, overlay: Path | None, places: Places, zone: ZoneInfo) -> None:
        self._folders = (shipped, overlay)
        self._places = places
        self._zone = zone
        self._lock = threading.Lock()
        self._seen = self._print()
        self._looked_at = time.monotonic()
        self._routing = self._read()
        self.faults: tuple[str, ...] = ()

    @property
    def places(self) -> Places:
        return self._places

    def __call__(self) -> Routing:
        """Return the routes by now: the file is looked at every other second, when somebody asks."""
        if time.monotonic() - self._looked_at >= _LOOK_SECS:
            self.look()
        return self._routing

    def look(self) -> Routing:
        """Read the file if it changed; one with faults is not taken."""
        with self._lock:
            self._looked_at = time.monotonic()
            now = self._print()
            if now == self._seen:
                return self._routing
            self._seen = now
            try:
                self._routing, self.faults = self._read(), ()
                _log.info("routes_reloaded", routes=len(self._routing.routes.routes))
            except Misconfigured as fault:
                self.faults = tuple(fault.faults)
                _log.error("routes_not_reloaded", faults=len(self.faults), first=self.faults[0])
        return self._routing

    def _read(self) -> Routing:
        shipped, overlay = self._folders
        routes: Routes = load_routes(shipped, overlay, self._places.known)
        return Routing(routes, self._places.archives, self._zone)

    def _print(self) -> _Print:
        found: list[tuple[int, int] | None] = []
        for folder in filter(None, self._folders):
            try:
                said = (folder / FILE_NAME).stat()
                found.append((said.st_mtime_ns, said.st_size))
            except OSError:
                found.append(None)
        return tuple(found)
