"""Fetch the public keys of programs from where they publish them; kept for a while, asked again for a key that is new.

Source: SMART App Launch 2.2, registering a client (JWKS by URL); RFC 7517 5.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import httpx2
import orjson

from bridge.clock import Clock
from bridge.errors import BridgeError, Unavailable
from bridge.publishers.http_answer import Limits, exchange

_KEPT = timedelta(minutes=5)
_BETWEEN = timedelta(seconds=30)
_TIMEOUT_SECS = 5.0
_LIMITS = Limits(max_bytes=64 << 10, deadline_secs=8)


class PublishedKeys:
    """
    Key sets by address. Thread-safe; whoever asks cannot make it fetch the same address more than twice a minute.

    http: what they are fetched with, None for connections of its own.
    """

    def __init__(self, clock: Clock, http: httpx2.Client | None = None) -> None:
        self._clock = clock
        self._http = http
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}

    def close(self) -> None:
        """Close its connections."""
        if self._http is not None:
            self._http.close()

    def keys_at(self, url: str, key_id: str) -> object:
        """Return the key set at *url*, fetched again if it has no *key_id*. Raises: Unavailable, if there is none to be had."""
        with self._lock:
            place = self._places.setdefault(url, _Place())
        with place.lock:
            now = self._clock.now()
            if place.wants_look(key_id, now):
                place.tried_at = now
                self._look(place, url, now)
            if place.said is None or place.is_old(now):
                raise Unavailable("the client's keys cannot be fetched", code="no_keys", retry_after_secs=30)
            return place.said

    def _look(self, place: _Place, url: str, now: datetime) -> None:
        """Fetch; what was fetched before stays good for its time where that fails."""
        try:
            http = self._connections()
            answer = exchange(http, http.build_request("GET", url, headers={"Accept": "application/json"}), _LIMITS)
            said = orjson.loads(answer.body) if answer.status == 200 else None
        except (BridgeError, httpx2.InvalidURL, orjson.JSONDecodeError):
            said = None
        if isinstance(said, dict):
            place.said, place.fetched_at = said, now

    def _connections(self) -> httpx2.Client:
        """Return the client, made when it is first needed: reading the authorities it trusts is slow."""
        with self._lock:
            if self._http is None:
                self._http = httpx2.Client(timeout=_TIMEOUT_SECS, follow_redirects=False, trust_env=False)
            return self._http


class _Place:
    """One address. said: the key set as it was fetched last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.said: dict[str, object] | None = None
        self.fetched_at: datetime | None = None
        self.tried_at: datetime | None = None

    def wants_look(self, key_id: str, now: datetime) -> bool:
        if self.tried_at is not None and now - self.tried_at < _BETWEEN:
            return False
        return self.is_old(now) or not self._holds(key_id)

    def is_old(self, now: datetime) -> bool:
        return self.fetched_at is None or now - self.fetched_at >= _KEPT

    def _holds(self, key_id: str) -> bool:
        keys = self.said.get("keys") if self.said is not None else None
        return isinstance(keys, list) and any(isinstance(one, dict) and one.get("kid") == key_id for one in keys)
