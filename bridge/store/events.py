"""The timeline: one line for each thing that happened to an exam, append-only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, or_, select, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import events


class Station(StrEnum):
    """The seven stations of an exam's path, in their order."""

    ORDER = "order"
    SCHEDULED = "scheduled"
    PERFORMED = "performed"
    IMAGES = "images"
    RECONCILED = "reconciled"
    CHART = "chart"
    AUTHORIZATION = "authorization"


@dataclass(frozen=True, slots=True)
class Event:
    """
    One line. what: a sentence a coordinator would say. by: who or what did it.

    source_kind, source_id: where the line comes from ("message", its key; "association"; "delivery"; "decision"; "user").
    """

    at: datetime
    station: Station
    what: str
    by: str = ""
    source_kind: str = ""
    source_id: str = ""
    order_key: int | None = None
    study_key: int | None = None


_NAME_MESSAGE = Prepared(
    update(events).where(
        events.c.order_key == bindparam("of_order"), events.c.source_kind == "message", events.c.source_id == ""
    ),
    ["source_id"],
)


def add(tx: WriteTx, event: Event) -> None:
    """Write one line."""
    insert_row(tx, events, **_values(event))


def name_message(tx: WriteTx, order_keys: Iterable[int], message_key: int) -> None:
    """Say which message these orders' newest lines come from: it has its row only after what it did."""
    for order_key in order_keys:
        _NAME_MESSAGE.run(tx, of_order=order_key, source_id=str(message_key))


def timeline(tx: ReadTx, order_keys: Iterable[int], study_keys: Iterable[int]) -> list[Event]:
    """Return what happened to these orders and studies, oldest first."""
    rows = tx.execute(
        select(events)
        .where(or_(events.c.order_key.in_(list(order_keys)), events.c.study_key.in_(list(study_keys))))
        .order_by(events.c.at, events.c.key)
    )
    return [_event(row) for row in rows]


def _values(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Event.__slots__}


def _event(row: Any) -> Event:
    return Event(**{name: getattr(row, name) for name in Event.__slots__} | {"station": Station(row.station)})
