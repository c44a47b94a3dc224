"""What each HL7 destination was told last about an order: its status, and each study of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from bridge.domain.order_status import NoticeOutcome
from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import order_notices

STATUS = "status"
HAS_IMAGES = "O"
WITHDRAWN = "W"


@dataclass(frozen=True, slots=True)
class Told:
    """
    The last notice of one subject to one destination.

    subject: STATUS or a Study Instance UID. said: ORC-5, or OBX-11 (HAS_IMAGES, WITHDRAWN). patient_key: whose chart it
    was about. times_taken: how many notices of the subject were taken before and with it.
    """

    order_key: int
    destination: str
    subject: str
    said: str
    outcome: NoticeOutcome
    study_key: int | None
    patient_key: int | None
    control_id: str
    delivery_key: int
    times_taken: int
    told_at: datetime

    @property
    def may_stand(self) -> bool:
        """Whether the other side may have taken it."""
        return self.outcome != NoticeOutcome.REFUSED


def of_order(tx: ReadTx, order_key: int, destination: str) -> dict[str, Told]:
    """Return what *destination* was told of an order, by subject."""
    mine = (order_notices.c.order_key == order_key, order_notices.c.destination == destination)
    return {row.subject: _told(row) for row in tx.execute(select(order_notices).where(*mine))}


def naming_study(tx: ReadTx, study_key: int) -> list[tuple[int, str]]:
    """Return (order key, destination) of everybody who may believe that a study is an order's."""
    query = select(order_notices.c.order_key, order_notices.c.destination).where(
        order_notices.c.study_key == study_key,
        order_notices.c.said == HAS_IMAGES,
        order_notices.c.outcome != NoticeOutcome.REFUSED.value,
    )
    return [(row[0], row[1]) for row in tx.execute(query.order_by(order_notices.c.key))]


def put(tx: WriteTx, told: Told) -> None:
    """Store what was told last over what was told before."""
    values = {name: getattr(told, name) for name in Told.__slots__}
    same = (
        order_notices.c.order_key == told.order_key,
        order_notices.c.destination == told.destination,
        order_notices.c.subject == told.subject,
    )
    if not tx.execute(update(order_notices).where(*same).values(**values)).rowcount:
        tx.execute(insert(order_notices).values(**values))


def _told(row: Any) -> Told:
    return Told(**{name: getattr(row, name) for name in Told.__slots__} | {"outcome": NoticeOutcome(row.outcome)})
