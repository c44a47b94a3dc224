"""Servers say that something changed there: it is fetched at once, instead of when its turn comes. What it was they do not say."""

from __future__ import annotations

from dataclasses import replace

from bridge.clock import Clock
from bridge.domain.telling import Telling
from bridge.errors import Refused
from bridge.store import fhir_bookmarks, tellings
from bridge.store.db import ReadTx, Store


class ChangeEar:
    """Where servers say that something changed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def hear(self, name: str, secret: str) -> None:
        """
        Have what the subscription *name* is about fetched at the next look.

        Raises: Refused, for whoever does not show the secret.
        """
        with self._store.read() as tx:
            _shown(tx, name, secret)
        with self._store.write() as tx:
            tellings.to_change(tx, name)
            one = _shown(tx, name, secret)
            tellings.put(tx, replace(one, heard_at=self._clock.now()))
            fhir_bookmarks.note_told(tx, bookmark_of(name))


def bookmark_of(name: str) -> str:
    """Return whose reading a subscription's *name* ("ClaimResponse:ehr") is about; orders' is their server's alone."""
    return name.removeprefix("ServiceRequest:")


def _shown(tx: ReadTx, name: str, secret: str) -> Telling:
    known = tellings.of_secret(tx, name, secret)
    if known is None:
        raise Refused("this is not the secret of a server that tells here", code="secret")
    return known
