"""What each HL7 destination was told last about an order: its status, and each study of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, insert, not_, select, update

from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import order_notices

STATUS = "status"
HAS_IMAGES = "O"
WITHDRAWN = "W"
_is_gone = and_(order_notices.c.said == WITHDRAWN, order_notices.c.is_certain)
_NAMING_STUDY = Prepared(
    select(order_notices.c.order_key, order_notices.c.destination)
    .where(order_notices.c.study_key == bindparam("study_key"), order_notices.c.said != "", not_(_is_gone))
    .order_by(order_notices.c.key)
)


@dataclass(frozen=True, slots=True)
class Told:
    """
    Where one destination stands with one subject of an order.

    subject: STATUS or a Study Instance UID. said: what it was told last, ORC-5 or OBX-11 (HAS_IMAGES, WITHDRAWN), "" if
    nothing. is_certain: it took that; else nobody knows. control_id: that message's. times_taken: how many messages of
    the subject it took. patient_key: whose chart that was about. refused_control_id: the message that it will never
    take, and the delivery which brought it.
    """

    order_key: int
    destination: str
    subject: str
    said: str = ""
    is_certain: bool = False
    control_id: str = ""
    times_taken: int = 0
    study_key: int | None = None
    patient_key: int | None = None
    refused_control_id: str = ""
    refused_delivery_key: int | None = None
    told_at: datetime | None = None

    @property
    def may_hold_images(self) -> bool:
        """Whether the other side may believe that the study is the order's."""
        return self.said == HAS_IMAGES or (self.said == WITHDRAWN and not self.is_certain)


def of_order(tx: ReadTx, order_key: int, destination: str) -> dict[str, Told]:
    """Return where *destination* stands with an order, by subject."""
    mine = (order_notices.c.order_key == order_key, order_notices.c.destination == destination)
    rows = tx.execute(select(order_notices).where(*mine).order_by(order_notices.c.key))
    return {row.subject: _told(row) for row in rows}


def naming_study(tx: ReadTx, study_key: int) -> list[tuple[int, str]]:
    """Return (order key, destination) of everybody who may believe that a study is an order's."""
    return [(row.order_key, row.destination) for row in _NAMING_STUDY.all(tx, study_key=study_key)]


def put(tx: WriteTx, told: Told) -> None:
    """Store where a destination stands now."""
    values = {name: getattr(told, name) for name in Told.__slots__}
    same = (
        order_notices.c.order_key == told.order_key,
        order_notices.c.destination == told.destination,
        order_notices.c.subject == told.subject,
    )
    if not tx.execute(update(order_notices).where(*same).values(**values)).rowcount:
        tx.execute(insert(order_notices).values(**values))


def _told(row: Any) -> Told:
    return Told(**{name: getattr(row, name) for name in Told.__slots__})
