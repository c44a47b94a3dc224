"""What waits for an order that has not come: an appointment, or an exam that a device performed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, or_, select

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Order
from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import awaited_orders

_AWAITING = Prepared(
    select(awaited_orders)
    .where(or_(*(awaited_orders.c.value == bindparam(name) for name in ("placer", "filler", "study", "visit"))))
    .order_by(awaited_orders.c.key)
)


@dataclass(frozen=True, slots=True)
class Awaited:
    """
    By what an order that has not come will be known. kind: "placer", "filler", "visit" (its issuer with it) or "study".

    scheduled_procedure_step_id: the step that an exam performed, "" where it named none.
    """

    kind: str
    value: str
    issuer: str = ""
    scheduled_procedure_step_id: str = ""
    appointment_key: int | None = None
    performed_step_key: int | None = None


def wait_for_order(tx: WriteTx, awaited: Iterable[Awaited]) -> None:
    """Note by what an order will be known that has not come."""
    rows = [{name: getattr(one, name) for name in Awaited.__slots__} for one in awaited]
    if rows:
        tx.execute(insert(awaited_orders), rows)


def stop_waiting(tx: WriteTx, *, appointment_key: int | None = None, performed_step_key: int | None = None) -> None:
    """Forget that this appointment, or this performed step, waits."""
    if appointment_key is not None:
        tx.execute(delete(awaited_orders).where(awaited_orders.c.appointment_key == appointment_key))
    if performed_step_key is not None:
        tx.execute(delete(awaited_orders).where(awaited_orders.c.performed_step_key == performed_step_key))


def awaiting(tx: ReadTx, order: Order) -> Sequence[Awaited]:
    """Return what waits for this very order, in the order it came: one look at an index that is nearly always empty."""
    numbers = {
        "placer": order.placer_order_number,
        "filler": order.filler_order_number,
        "visit": order.admission_id,
        "study": EntityIdentifier(order.study_instance_uid),
    }
    rows = _AWAITING.all(tx, **{kind: number.value or None for kind, number in numbers.items()})
    found = [Awaited(**{name: getattr(row, name) for name in Awaited.__slots__}) for row in rows]
    return [one for one in found if numbers[one.kind] == EntityIdentifier(one.value, one.issuer)]
