"""Slow down guessing, by account and by address, without ever locking anybody out for good."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta

_FREE_TRIES: Mapping[str, int] = {"pair": 5, "account": 20, "address": 30}
_LONGEST = timedelta(seconds=60)
_FORGIVEN_AFTER = timedelta(minutes=15)
_KEPT = 10_000


class Throttle:
    """
    Count failures by (account, address), account and address; each further one doubles the wait, up to a minute.

    free_tries: how many failures of each cost nothing. Names that nobody has are counted like others, so that the answer does not tell. Thread-safe; one per process.
    """

    def __init__(self, free_tries: Mapping[str, int] = _FREE_TRIES) -> None:
        self._free_tries = free_tries
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], tuple[int, datetime]] = OrderedDict()

    def wait_secs(self, account: str, address: str, now: datetime) -> int:
        """Return how many seconds this caller must wait before the next try, 0 if none."""
        with self._lock:
            waits = [self._wait(key, now) for key in _keys(account, address)]
        return max(waits)

    def failed(self, account: str, address: str, now: datetime) -> None:
        """Count a failure."""
        with self._lock:
            for key in _keys(account, address):
                count, last = self._failures.pop(key, (0, now))
                self._failures[key] = (1 if now - last > _FORGIVEN_AFTER else count + 1, now)
            while len(self._failures) > _KEPT:
                self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget this account's failures from this address; its others stay counted."""
        with self._lock:
            self._failures.pop(_keys(account, address)[0], None)

    def _wait(self, key: tuple[str, str], now: datetime) -> int:
        count, last = self._failures.get(key, (0, now))
        over = count - self._free_tries[key[0]]
        if over < 0 or now - last > _FORGIVEN_AFTER:
            return 0
        left = last + min(_LONGEST, timedelta(seconds=2 ** min(over, 6))) - now
        return max(0, -(-int(left.total_seconds() * 1000) // 1000))


def _keys(account: str, address: str) -> list[tuple[str, str]]:
    account = account.strip().lower()[:64]
    return [("pair", f"{account}\0{address}"), ("account", account), ("address", address)]
