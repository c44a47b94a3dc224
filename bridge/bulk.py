"""What is done with many cases at once, joined to one house."""

from __future__ import annotations

from bridge.flows.work_bulk import BulkGround, BulkQueue
from bridge.wiring import House


def bulk_queue(house: House) -> BulkQueue:
    """Return what does it in the worker."""
    return BulkQueue(BulkGround(house.store, house.clock, house.rules, house.destinations), owner=house.node)
