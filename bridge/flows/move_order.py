"""What moves an order without describing it: cancelled, discontinued, held, released, reported on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bridge.domain.message import Notice
from bridge.domain.order import FINAL, Order, OrderAction, OrderDraft, Step, StepStatus, status_of
from bridge.domain.order_control import after, code_of
from bridge.flows.refresh_worklist import OrderNews, Scheduled, log_on_timeline, refresh_worklist
from bridge.store import orders, patients, performed
from bridge.store.db import WriteTx
from bridge.store.events import Station

_WORDS = {
    OrderAction.CANCEL: "Order cancelled",
    OrderAction.REPLACE: "Order replaced by another one",
    OrderAction.DISCONTINUE: "Order discontinued",
    OrderAction.HOLD: "Order put on hold",
    OrderAction.RELEASE: "Order released from hold",
}
_REPORTED_WORDS = {
    StepStatus.SCHEDULED: "Reported as scheduled",
    StepStatus.STARTED: "Reported as started",
    StepStatus.COMPLETED: "Reported as completed",
    StepStatus.DISCONTINUED: "Reported as discontinued",
    StepStatus.CANCELED: "Reported as cancelled",
    StepStatus.HELD: "Reported as on hold",
}
STALE = "older than what is known of the order, nothing changed"


def move_order(tx: WriteTx, found: Order, draft: OrderDraft, told: OrderNews) -> Scheduled:
    """
    Bring *found* to the state that *draft*'s order control asks for or reports.

    Older news on its state than what is known changes nothing.
    Raises: Conflict (AE 206), for a request that comes after the exam has started. Source: HL7 2.5.1 4.5.1.1.
    """
    said_at = draft.transaction_at or told.news.said_at
    if found.status_at is not None and found.status_at > said_at:
        return Scheduled(found, "nothing changed", [Notice("I", STALE, "ORC-9")])
    notices = _another_patient(tx, found, told)
    steps = orders.steps_of(tx, found.key)
    # An order without a step stands for itself.
    before = steps or [Step(0, found.key, "", found.status)]
    now = after(before, draft.action, draft.reported, by_filler=draft.by_filler)
    now = [was if _is_overtaken(tx, was, one, said_at) else one for was, one in zip(before, now, strict=True)]
    moved = [one for one, was in zip(now, before, strict=True) if one != was]
    for step in moved if steps else ():
        orders.save_step(tx, step)
    order = orders.save(tx, replace(found, status_at=said_at, status=_status(steps, now)), told.news.heard_at)
    if draft.order_status == "ER":
        notices.append(Notice("W", "an error is reported of the order; nothing was changed", "ORC-5"))
        log_on_timeline(tx, order, told, Station.ORDER, "An error was reported of the order")
        return Scheduled(order, "an error was noted", notices)
    if not moved:
        notices.append(Notice("I", f"the order is {order.status.lower()} and stays so", "ORC-1"))
        return Scheduled(order, "nothing changed", notices)
    what = _what(draft)
    log_on_timeline(tx, order, told, Station.ORDER, what)
    refresh_worklist(tx, order)
    return Scheduled(order, what.lower(), notices)


def _is_overtaken(tx: WriteTx, was: Step, now: Step, said_at: datetime) -> bool:
    """Say whether a device has ended the step since it was said to have begun: late news starts nothing anew."""
    if was.status not in FINAL or now.status != StepStatus.STARTED:
        return False
    return any(one.updated_at is not None and one.updated_at > said_at for one in performed.of_step(tx, was.key))


def tell_status(found: Order) -> Scheduled:
    """Say how an order stands, and change nothing. Source: HL7 2.5.1 4.5.1.1 (SS, SR)."""
    return Scheduled(
        found,
        "status told",
        [Notice("I", f"order status {code_of(found.status)}: {found.status.lower()}", "ORC-5")],
    )


def _status(steps: Sequence[Step], now: Sequence[Step]) -> StepStatus:
    return status_of(now, now[0].status) if steps else now[0].status


def _another_patient(tx: WriteTx, found: Order, told: OrderNews) -> list[Notice]:
    if patients.survivor(tx, found.patient_key).key == told.patient.key:
        return []
    return [Notice("W", "the order is another patient's than the message names", "PID-3")]


def _what(draft: OrderDraft) -> str:
    if draft.action in _WORDS:
        return _WORDS[draft.action]
    return _REPORTED_WORDS.get(draft.reported or StepStatus.SCHEDULED, "Reported on")
