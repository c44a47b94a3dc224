"""Write down that somebody looked at patient data, before it is shown: without the row there is no page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from bridge.clock import Clock
from bridge.store import audit
from bridge.store.db import Store


def record_access(store: Store, clock: Clock, *, action: str, actor: str, **about: Unpack[audit.About]) -> None:
    """
    Append one audit row in a transaction of its own.

    Raises: Unavailable, if it cannot be written; the caller must then show nothing. Source: 45 CFR 164.312(b).
    """
    with store.write() as tx:
        audit.add(tx, at=clock.now(), action=action, actor=actor, **about)


def record_look_at(
    store: Store, clock: Clock, patient_keys: Sequence[int], *, action: str, actor: str, origin: str
) -> None:
    """Append one row for each patient that a list showed, or one in all if it showed none that is known."""
    now = clock.now()
    with store.write() as tx:
        for key in dict.fromkeys(patient_keys) or (None,):
            audit.add(tx, at=now, action=action, actor=actor, origin=origin, patient_key=key)
