"""A whole node (hl7, dicom, worker) in one process that kills itself with SIGKILL at one chosen step of its work.

The steps are reached by wrapping the ports that `House` hands out, so the product itself knows nothing of them.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bridge import log, settings
from bridge.building.destinations import publishers
from bridge.clock import Clock
from bridge.outbox.worker import Worker
from bridge.roles.dicom import DicomRole
from bridge.roles.hl7 import Hl7Role
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store, WriteTx
from bridge.wiring import House

# Which writes a thread's transactions are: the hl7 writer's, an association's, the outbox's.
_WRITERS = {"hl7": "message commit", "outbox": "outbox settle"}

POINTS = tuple(
    f"{when} {what}"
    for what in ("message commit", "blob rename", "instance commit", "outbox send", "outbox settle")
    for when in ("before", "after")
)


class Trigger:
    """Kills the process the *count*-th time that *point* is reached; point "" never does."""

    def __init__(self, point: str, count: int) -> None:
        self._point = point
        self._left = count
        self._lock = threading.Lock()

    def reach(self, point: str) -> None:
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(Store):
    def __init__(self, url: str, trigger: Trigger) -> None:
        super().__init__(url)
        self._trigger = trigger

    @contextmanager
    def write(self) -> Iterator[WriteTx]:
        prefix = threading.current_thread().name.partition("-")[0]
        what = _WRITERS.get(prefix, "instance commit")
        with super().write() as tx:
            yield tx
            self._trigger.reach(f"before {what}")
        self._trigger.reach(f"after {what}")


class MortalBlobs(FolderBlobs):
    def __init__(self, folder: Path, trigger: Trigger) -> None:
        super().__init__(folder)
        self._trigger = trigger

    def keep(self, spooled: Path, digest: str) -> str:
        self._trigger.reach("before blob rename")
        kept = super().keep(spooled, digest)
        self._trigger.reach("after blob rename")
        return kept


class MortalPublisher:
    """Passes everything on, but may die around `send`."""

    def __init__(self, publisher: Any, trigger: Trigger) -> None:
        self._publisher = publisher
        self._trigger = trigger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)

    def send(self, *args: Any) -> Any:
        self._trigger.reach("before outbox send")
        receipt = self._publisher.send(*args)
        self._trigger.reach("after outbox send")
        return receipt


def run(config: str, point: str, count: int, outbox: Connection) -> None:
    """Serve until killed, or until told to end by SIGTERM; says "ready" and its ports once it serves."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with Path(config).with_suffix(".log").open("a") as stream:
        log.configure(stream)
        house = House(settings.load(Path(config), {}), Clock())
        trigger = Trigger(point, count)
        house.__dict__["store"] = MortalStore(house.settings.database_url, trigger)
        house.__dict__["blobs"] = MortalBlobs(house.settings.blob_folder, trigger)
        mortal = [MortalPublisher(one, trigger) for one in publishers(house)]
        worker = Worker(house.store, house.clock, mortal, owner=house.node, lease_secs=2)
        roles = [Hl7Role(house), DicomRole(house)]
        for role in roles:
            role.start()
        worker.start()
        outbox.send("ready")
        stopping.wait()
        for role in roles:
            role.stop()
        worker.stop()
