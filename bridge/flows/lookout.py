"""A thread that looks for what is due and works it off, again and again, until it is told to stop."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import structlog

from bridge.errors import Unavailable

_log = structlog.get_logger(__name__)

_STOP_SECS = 30
# After a fault of ours: it would most likely be the same one at once.
_PAUSE_LOOKS = 10


class Lookout(ABC):
    """
    What goes wrong ends one look, never the thread: what was due is still there for the next.

    name: of the thread, and in the log. look_secs: between two looks that find nothing.
    """

    name: str
    look_secs = 0.5

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End behind the transaction that is under way."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=_STOP_SECS)

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @abstractmethod
    def work(self) -> object:
        """Work off what is due next; something false if nothing is, or another process is at it. Raises: Unavailable."""

    def _run(self) -> None:
        while not self._stopping.wait(self.look_secs):
            try:
                while not self._stopping.is_set() and self.work():
                    pass
            except Unavailable as fault:
                _log.warning("lookout_waits", lookout=self.name, code=fault.code)
            except Exception:  # noqa: BLE001 - the rows say how far it came; the next look goes on from there
                _log.exception("lookout_failed", lookout=self.name)
                self._stopping.wait(self.look_secs * _PAUSE_LOOKS)
