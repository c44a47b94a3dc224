"""The role worker: deliveries, and the periodic chores of whoever holds the lead."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.destinations import publishers
from bridge.housekeeping import Housekeeping
from bridge.outbox.worker import Worker
from bridge.wiring import House, Role


class WorkerRole:
    """Deliveries, and the periodic chores of whoever holds the lead."""

    def __init__(self, house: House) -> None:
        self._worker = Worker(house.store, house.clock, publishers(house), owner=house.node)
        self._housekeeping = Housekeeping(house)
        self._store = house.store

    def start(self) -> None:
        self._worker.start()
        self._housekeeping.start()

    def stop(self) -> None:
        self._housekeeping.stop()
        self._worker.stop()

    @property
    def is_alive(self) -> bool:
        return self._worker.is_alive and not self._store.is_failing

    @property
    def addresses(self) -> Mapping[str, str]:
        return {}


def make(house: House) -> Role:
    """Build the role over *house*."""
    return WorkerRole(house)
