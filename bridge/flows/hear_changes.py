"""Servers say that something changed there: it is fetched at once, instead of when its turn comes. What it was they do not say."""

from __future__ import annotations

import hmac
from dataclasses import replace

from bridge.clock import Clock
from bridge.errors import Refused
from bridge.store import fhir_bookmarks, payer_tellings
from bridge.store.db import Store, lock
from bridge.store.users import digest_of_secret


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
            known = payer_tellings.of_payer(tx, name)
        shown = digest_of_secret(secret)
        if not hmac.compare_digest(shown, known.secret_digest if known is not None else ""):
            raise _refusal()
        with self._store.write() as tx:
            lock(tx, f"payer-telling:{name}")
            one = payer_tellings.of_payer(tx, name)
            if one is None or one.secret_digest != shown:
                raise _refusal()
            payer_tellings.put(tx, replace(one, heard_at=self._clock.now()))
            fhir_bookmarks.note_told(tx, bookmark_of(name))


def bookmark_of(name: str) -> str:
    """Return whose reading a subscription's *name* ("ClaimResponse:ehr") is about; orders' is their server's alone."""
    return name.removeprefix("ServiceRequest:")


def _refusal() -> Refused:
    return Refused("this is not the secret of a server that tells here", code="secret")
