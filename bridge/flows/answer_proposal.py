"""What a person makes of a device's reason to cancel an order: it is cancelled, or stands as it is."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.domain.order import Order
from bridge.domain.performed import ChangeCause, PerformedStep, Proposal
from bridge.domain.performed_reasons import reason_in_words
from bridge.domain.step_change import cancelled_by_person
from bridge.errors import Conflict
from bridge.flows.announce import Destinations
from bridge.flows.move_steps import Moving, change_of, change_steps
from bridge.store import audit, events, orders, performed
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station


class ProposalAnswers:
    """Takes a person's answers. Thread-safe."""

    def __init__(self, store: Store, clock: Clock, destinations: Destinations) -> None:
        self._store = store
        self._clock = clock
        self._destinations = destinations

    def cancel(self, performed_step_key: int, actor: str, reason: str) -> None:
        """Cancel what the exam was ordered as. Raises: LookupError; Conflict, if it was answered or nothing is left to cancel."""
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            mpps = _open(tx, performed_step_key)
            for order in _orders_of(tx, mpps):
                to = cancelled_by_person(orders.steps_of(tx, order.key))
                change_steps(
                    tx,
                    order,
                    to,
                    change_of(order, ChangeCause.PERSON, actor, reason),
                    Moving(self._destinations, now, actor),
                )
                why = reason_in_words(mpps.discontinuation_code, mpps.discontinuation_meaning)
                what = f"Order cancelled, as the device proposed ({why}): {reason}"
                events.add(tx, Event(now, Station.ORDER, what, actor, "user", order_key=order.key))
            self._note(tx, mpps, Proposal.TAKEN, actor, reason)

    def decline(self, performed_step_key: int, actor: str, reason: str) -> None:
        """Leave the order as it is. Raises: LookupError; Conflict, if it was answered before."""
        with self._store.write() as tx:
            lock(tx, "identity")
            mpps = _open(tx, performed_step_key)
            for order in _orders_of(tx, mpps):
                what = f"The order was not cancelled, though the device proposed it: {reason}"
                events.add(tx, Event(self._clock.now(), Station.ORDER, what, actor, "user", order_key=order.key))
            self._note(tx, mpps, Proposal.DECLINED, actor, reason)

    def _note(self, tx: WriteTx, mpps: PerformedStep, answer: Proposal, actor: str, reason: str) -> None:
        performed.answer_proposal(tx, mpps.key, answer)
        found = _orders_of(tx, mpps)
        audit.add(
            tx,
            at=self._clock.now(),
            action="proposal_answered",
            actor=actor,
            order_key=found[0].key if found else None,
            detail={"performed_step": mpps.key, "answer": answer.value, "reason": reason},
        )


def _open(tx: WriteTx, performed_step_key: int) -> PerformedStep:
    mpps = performed.get(tx, performed_step_key)
    if mpps.proposal != Proposal.OPEN:
        raise Conflict("nothing is proposed, or it was answered before", code="proposal_answered")
    return mpps


def _orders_of(tx: WriteTx, mpps: PerformedStep) -> list[Order]:
    keys = dict.fromkeys(step.order_key for step in orders.get_steps(tx, mpps.step_keys))
    return [orders.get(tx, key) for key in keys]
