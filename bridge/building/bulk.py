"""What is done with many cases at once, joined to one house."""

from __future__ import annotations

from bridge.flows.read_again import StudyRereader
from bridge.flows.work_bulk import BulkQueue
from bridge.wiring import House


def bulk_queue(house: House) -> BulkQueue:
    """Return what does it in the worker."""
    parts = (house.store, house.blobs, house.clock, house.rules, house.destinations, house.image_sources)
    return BulkQueue(StudyRereader(*parts), owner=house.node)
