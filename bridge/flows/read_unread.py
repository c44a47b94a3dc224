"""What came from outside and was kept as it came, read afterwards: the oldest first, each once and in a transaction of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import structlog

from bridge.clock import Clock
from bridge.errors import OUR_FAULT, Unavailable
from bridge.flows.lookout import Lookout
from bridge.store.db import ReadTx, Store, WriteTx, lock

_log = structlog.get_logger(__name__)


class Kept(Protocol):
    """What a reader asks of whatever it reads."""

    @property
    def key(self) -> int: ...


One = TypeVar("One", bound=Kept)
One_co = TypeVar("One_co", bound=Kept, covariant=True)


class Shelf(Protocol[One_co]):
    """The module of the store that keeps what is read."""

    def next_unread(self, tx: ReadTx) -> One_co | None: ...

    def is_unread(self, tx: ReadTx, key: int) -> bool: ...

    def note_read(self, tx: WriteTx, key: int, why: str, at: datetime) -> None: ...


class UnreadReader(Lookout, Generic[One]):
    """Reads what lies unread on a shelf; an odd one is marked as read, so that it does not keep the others from it."""

    def __init__(self, store: Store, clock: Clock, shelf: Shelf[One]) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._shelf = shelf

    @abstractmethod
    def _take(self, tx: WriteTx, one: One, now: datetime, /) -> str:
        """Take in what one says; return why it says nothing, "" if it does. Whose it is, is locked."""

    def work(self) -> int:
        """Read the next one; 0 if there is none. Raises: Unavailable, without a database."""
        with self._store.read() as tx:
            unread = self._shelf.next_unread(tx)
        if unread is None:
            return 0
        try:
            self._read(unread, self._take)
        except Unavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - one odd one must not keep the others from being read for ever
            # Its own text is not logged: it may hold what was read.
            _log.error("unreadable", reader=self.name, key=unread.key, kind=type(fault).__name__)
            self._read(unread, lambda *_: OUR_FAULT)
        return 1

    def _read(self, unread: One, take: Callable[[WriteTx, One, datetime], str]) -> None:
        with self._store.write() as tx:
            lock(tx, "identity")
            if self._shelf.is_unread(tx, unread.key):
                now = self._clock.now()
                self._shelf.note_read(tx, unread.key, take(tx, unread, now), now)
