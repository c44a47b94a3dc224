"""What an order message says, applied to orders, steps and the worklist. Takes part in its caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bridge.domain.message import Notice
from bridge.domain.order import WAITING, Order, OrderAction, OrderDraft, StepStatus
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import BridgeError, Conflict, Malformed
from bridge.flows.keep_order import keep_order
from bridge.flows.meet_order import meet_order
from bridge.flows.move_order import move_order, tell_status
from bridge.flows.refresh_worklist import (
    OrderNews,
    Scheduled,
    log_on_timeline,
    refresh_worklist,
    set_order_status,
)
from bridge.store import orders
from bridge.store.db import WriteTx
from bridge.store.events import Station

_MAKES_ORDERS = frozenset({OrderAction.CREATE, OrderAction.CHILD, OrderAction.REPLACEMENT})


class _Message:
    """
    What the groups of one message are to each other.

    replaced: the orders of its RP and RU groups, by their group. parent: of the PA group that came last.
    """

    def __init__(self, told: OrderNews, rules: ReconcileRules) -> None:
        self.told = told
        self.rules = rules
        self.replaced: dict[str, Order] = {}
        self.parent: Order | None = None


def schedule_orders(
    tx: WriteTx, drafts: Sequence[OrderDraft], told: OrderNews, rules: ReconcileRules
) -> list[Scheduled]:
    """
    Do what every order group of one message asks for, in their order; where there are several, each is told its own.

    A late message never moves a step backwards; older news than what is stored changes nothing.
    Raises: Malformed, Conflict (AE 204 unknown order, 205 another patient's, 206 started), naming the group; its caller
    keeps nothing of the message then. Source: HL7 2.5.1 4.4, IHE RAD TF-2 4.4, 4.13.
    """
    message, done = _Message(told, rules), []
    for draft in drafts:
        try:
            done.append(_schedule(tx, draft, message))
        except BridgeError as fault:
            fault.where = _in_group(draft, fault.where)
            raise
    _check_replaced(message)
    several = sum(1 + len(draft.joined) for draft in drafts) > 1
    for draft, scheduled in zip(drafts, done, strict=True):
        if several:
            own = [replace(notice, where=_in_group(draft, notice.where)) for notice in scheduled.notices]
            scheduled.notices = [*own, *_lines(draft, scheduled)]
        elif scheduled.order is None:
            scheduled.notices.append(Notice("I", scheduled.what, "ORC-1"))
    return done


def schedule_order(tx: WriteTx, draft: OrderDraft, told: OrderNews, rules: ReconcileRules) -> Scheduled:
    """Do what one order group asks for, as `schedule_orders` does."""
    return schedule_orders(tx, [draft], told, rules)[0]


def _schedule(tx: WriteTx, draft: OrderDraft, message: _Message) -> Scheduled:
    told = message.told
    if draft.action == OrderAction.NOTE:
        return Scheduled(None, f"{draft.order_control} has no effect here")
    found = _find(tx, draft, message)
    if draft.action in _MAKES_ORDERS:
        return _make(tx, found, draft, message)
    if draft.action == OrderAction.PARENT:
        return _split(tx, found, draft, message)
    if draft.action == OrderAction.NUMBER_OR_CREATE and found is None and draft.steps:
        return keep_order(tx, None, draft, told, message.rules)
    if found is None:
        raise Conflict("no such order", where="ORC-2", source="IHE RAD TF-2 4.13")
    if draft.action == OrderAction.CHANGE:
        return keep_order(tx, found, draft, told, message.rules)
    if draft.action in (OrderAction.NUMBER, OrderAction.NUMBER_OR_CREATE):
        return _number(tx, found, draft, told)
    if draft.action == OrderAction.STATUS:
        return tell_status(found)
    if draft.action == OrderAction.REPLACE:
        return _replace(tx, found, draft, message)
    return move_order(tx, found, draft, told)


def _find(tx: WriteTx, draft: OrderDraft, message: _Message) -> Order | None:
    """Return the order that a group means; what takes another's place or is a part of it may bear its accession number."""
    accession = (draft.accession_number, draft.issuer_of_accession_number)
    found = orders.find(tx, draft.filler_order_number, draft.placer_order_number, accession)
    if found is None or draft.action not in (OrderAction.REPLACEMENT, OrderAction.CHILD):
        return found
    others = [*message.replaced.values(), *([message.parent] if message.parent else [])]
    return None if found.key in {other.key for other in others} else found


def _make(tx: WriteTx, found: Order | None, draft: OrderDraft, message: _Message) -> Scheduled:
    """Keep an order, and say whose place it takes or whose part it is."""
    told = message.told
    made = keep_order(tx, found, draft, told, message.rules)
    assert made.order is not None
    parent = _parent_of(tx, draft, message) if draft.action == OrderAction.CHILD else None
    if parent is not None and parent.key not in (made.order.key, made.order.parent_key):
        made.order = orders.save(tx, replace(made.order, parent_key=parent.key), told.news.heard_at)
    if draft.action == OrderAction.REPLACEMENT:
        for where, old in message.replaced.items():
            if old.replaced_by is None:
                taken = replace(old, replaced_by=made.order.key)
                message.replaced[where] = orders.save(tx, taken, told.news.heard_at)
                log_on_timeline(tx, made.order, told, Station.ORDER, "Took the place of another order")
    return made


def _replace(tx: WriteTx, found: Order, draft: OrderDraft, message: _Message) -> Scheduled:
    """End an order whose place another one of this message takes; said again, it means the one that went, not its heir."""
    said_at = draft.transaction_at or message.told.news.said_at
    if found.transaction_at is not None and found.transaction_at >= said_at:
        found = orders.replaced_by(tx, found.key) or found
    if found.replaced_by is not None:
        message.replaced[draft.where] = found
        return Scheduled(found, "order replaced before", [Notice("I", "replaced before", "ORC-1")])
    moved = move_order(tx, found, draft, message.told)
    assert moved.order is not None
    message.replaced[draft.where] = moved.order
    return moved


def _check_replaced(message: _Message) -> None:
    for where, old in message.replaced.items():
        if old.replaced_by is None:
            raise Malformed(
                "no order of the message takes its place (RO)",
                code="segment_sequence",
                where=f"{where}-1",
                source="HL7 2.5.1 4.5.1.1",
            )


def _split(tx: WriteTx, found: Order | None, draft: OrderDraft, message: _Message) -> Scheduled:
    """Keep a parent, which is performed in its parts and has no place on a worklist itself."""
    told = message.told
    if found is None and draft.requested_procedure_code is None:
        return Scheduled(None, "the parent is not known, and has no effect here")
    kept = keep_order(tx, found, draft, told, message.rules) if draft.requested_procedure_code else Scheduled(found)
    assert kept.order is not None
    waiting = [step for step in orders.steps_of(tx, kept.order.key) if step.status in WAITING]
    for step in waiting:
        orders.save_step(tx, replace(step, status=StepStatus.CANCELED))
    if waiting:
        log_on_timeline(tx, kept.order, told, Station.ORDER, "Order split into parts")
        kept.order = set_order_status(tx, kept.order, told.news)
    message.parent = kept.order
    kept.what = "parent order kept"
    return kept


def _parent_of(tx: WriteTx, draft: OrderDraft, message: _Message) -> Order | None:
    if message.parent is not None:
        return message.parent
    return orders.find(tx, draft.parent_filler_number, draft.parent_placer_number, ("", ""))


def _number(tx: WriteTx, found: Order, draft: OrderDraft, told: OrderNews) -> Scheduled:
    """Give a known order the numbers it lacked. Source: IHE RAD TF-2 4.3 (RAD-3: SN, NA)."""
    numbered = replace(
        found,
        placer_order_number=found.placer_order_number or draft.placer_order_number,
        filler_order_number=found.filler_order_number or draft.filler_order_number,
        accession_number=found.accession_number or draft.accession_number,
        issuer_of_accession_number=found.issuer_of_accession_number or draft.issuer_of_accession_number,
    )
    if numbered == found:
        return Scheduled(found, "nothing changed", [Notice("I", "the order has its numbers already", "ORC-3")])
    order = orders.save(tx, numbered, told.news.heard_at)
    log_on_timeline(tx, order, told, Station.ORDER, "Order numbered")
    notices = meet_order(tx, order, told)
    order = set_order_status(tx, order, told.news)
    refresh_worklist(tx, order)
    return Scheduled(order, "order numbered", notices, is_renumbered=True)


def _lines(draft: OrderDraft, scheduled: Scheduled) -> Iterator[Notice]:
    """Say of each group what became of it."""
    yield Notice("I", scheduled.what, draft.where)
    for where in draft.joined:
        yield Notice("I", f"{scheduled.what}, with {draft.where}: a step of the same procedure", where)


def _in_group(draft: OrderDraft, where: str) -> str:
    """Name the group in a place that lies in its ORC, unless it is the first."""
    return f"{draft.where}{where[3:]}" if where.startswith("ORC-") and draft.where != "ORC[1]" else where
