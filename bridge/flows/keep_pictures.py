"""Pictures are kept of objects that are here and sound: whoever removes one or finds it damaged need not know of any.

Each process that keeps pictures looks through its own; before it shows a kept one it asks, so what is gone is shown to
nobody from the moment that the rows say so.
"""

from __future__ import annotations

from itertools import islice

import structlog

from bridge.flows.lookout import Lookout
from bridge.pictures.gallery import Pictures
from bridge.store import objects
from bridge.store.db import Store

_log = structlog.get_logger(__name__)

_BATCH = 500


def is_here(store: Store, blob: str) -> bool:
    """Say whether *blob* belongs here and is not known to be damaged. Raises: Unavailable."""
    with store.read() as tx:
        return not objects.absent(tx, [blob])


def forget_absent(store: Store, pictures: Pictures) -> int:
    """Forget the pictures of every object that was removed, is damaged or is named by no row; return of how many."""
    forgotten = 0
    kept = pictures.kept()
    while batch := list(islice(kept, _BATCH)):
        with store.read() as tx:
            absent = objects.absent(tx, batch)
        for blob in absent:
            pictures.forget(blob)
        forgotten += len(absent)
    return forgotten


class PictureSweep(Lookout):
    """Forgets this process's pictures of what is not here any more, again and again."""

    name = "picture-sweep"
    look_secs = 60.0

    def __init__(self, store: Store, pictures: Pictures) -> None:
        super().__init__()
        self._store = store
        self._pictures = pictures

    def work(self) -> bool:
        """Look through all that is kept once; False, as nothing is left to do. Raises: Unavailable."""
        if forgotten := forget_absent(self._store, self._pictures):
            _log.info("pictures_forgotten", objects=forgotten)
        return False
