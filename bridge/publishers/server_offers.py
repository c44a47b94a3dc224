"""What one server offers, as it last said: asked once, again after an hour, and whenever it refuses what it had offered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from bridge.clock import Clock
from bridge.codecs.fhir.offered import Kind, Offered, read_statement
from bridge.errors import BridgeError

Json = dict[str, Any]

_GOOD_FOR = timedelta(hours=1)
# One that could not be read may be there soon; until then the server is tried for what it does.
_UNREAD_FOR = timedelta(minutes=5)

log = structlog.get_logger(__name__)


class ServerOffers:
    """Thread-safe. ask: fetches the CapabilityStatement."""

    def __init__(self, server: str, ask: Callable[[], Json], clock: Clock) -> None:
        self._server = server
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._offered = Offered()
        self._until: datetime | None = None
        self._refuses_ids: frozenset[str] = frozenset()

    def of(self, kind: str) -> Kind:
        """Return what the server offers for *kind*; what it refused since it last said so counts as not offered."""
        offered = self.now().of(kind)
        return replace(offered, takes_ids=False) if kind in self._refuses_ids else offered

    def now(self) -> Offered:
        """Return what the server says of itself, nothing if it says nothing that can be read."""
        with self._lock:
            now = self._clock.now()
            if self._until is None or now >= self._until:
                self._read(now)
            return self._offered

    def note_refused_id(self, kind: str) -> None:
        """Remember that an id of ours was refused, and ask the server anew what it offers."""
        with self._lock:
            self._refuses_ids |= {kind}
            self._until = None
        log.warning("fhir_server_refuses_ids", server=self._server, resource_type=kind)

    def _read(self, now: datetime) -> None:
        try:
            self._offered = read_statement(self._ask())
        except BridgeError as fault:
            log.warning("capability_statement_unread", server=self._server, code=fault.code)
            self._until = now + _UNREAD_FOR
            return
        self._until = now + _GOOD_FOR
