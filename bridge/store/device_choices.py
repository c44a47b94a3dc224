"""What people chose for devices in the console, laid over the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import device_choices

_OF = Prepared(select(device_choices).where(device_choices.c.ae_title == bindparam("title")))


@dataclass(frozen=True, slots=True)
class ChosenForDevice:
    """choices: by the names of the settings. version: how often it was changed, 1 after the first time."""

    ae_title: str
    choices: Mapping[str, Any]
    changed_at: datetime
    changed_by: str
    version: int


def of(tx: ReadTx, ae_title: str) -> ChosenForDevice | None:
    """Return what was chosen for a device, None if nobody chose anything."""
    row = _OF.first(tx, title=ae_title)
    return None if row is None else ChosenForDevice(*row)


def every(tx: ReadTx) -> dict[str, ChosenForDevice]:
    """Return what was chosen, by AE title."""
    return {row.ae_title: ChosenForDevice(*row) for row in tx.execute(select(device_choices))}


def save(tx: WriteTx, ae_title: str, choices: Mapping[str, Any], by: str, at: datetime, seen: int) -> bool:
    """
    Keep what was chosen for a device; say whether nobody else did since version *seen* (0: nobody ever had).

    An earlier choice stays as a row without choices when all is taken back, so that its version goes on.
    """
    said = {"choices": dict(choices), "changed_at": at, "changed_by": by, "version": seen + 1}
    if seen == 0:
        if of(tx, ae_title) is not None:
            return False
        tx.execute(insert(device_choices).values(ae_title=ae_title, **said))
        return True
    is_seen = (device_choices.c.ae_title == ae_title) & (device_choices.c.version == seen)
    return tx.execute(update(device_choices).where(is_seen).values(**said)).rowcount == 1
