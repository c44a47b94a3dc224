"""What a person says of one exam's step: done elsewhere or at another time, arrived, started, done; and taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bridge.clock import Clock
from bridge.domain import by_hand
from bridge.domain.by_hand import place_at
from bridge.domain.order import Order, Step, StepStatus, status_of
from bridge.domain.performed import ChangeCause
from bridge.domain.records import replace
from bridge.domain.step_change import StepChange
from bridge.errors import Conflict
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.refresh_worklist import place_of, refresh_worklist
from bridge.store import audit, events, orders, step_changes
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station

_MARKED = {
    StepStatus.SCHEDULED: "Back to scheduled",
    StepStatus.ARRIVED: "Patient arrived",
    StepStatus.READY: "Patient is ready",
    StepStatus.STARTED: "Exam started",
    StepStatus.COMPLETED: "Exam done",
    StepStatus.DISCONTINUED: "Exam stopped",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """The step a person looked at, as it was then, and who says what follows, and why ("" for no reason)."""

    step_key: int
    version: int
    actor: str
    reason: str = ""


class StepChanger:
    """Takes a person's word on steps. zone: the hospital's."""

    def __init__(self, store: Store, clock: Clock, destinations: Destinations, zone: tzinfo) -> None:
        self._store = store
        self._clock = clock
        self._destinations = destinations
        self._zone = zone

    def reschedule(self, seen: Seen, device: str, start: str) -> None:
        """
        Move a step that waits to *device* ("" keeps its devices) at *start*, "YYYY-MM-DD HH:MM" by the hospital's clock.

        Every worklist answers so with this commit. Raises: Conflict, if it has begun or has changed since it was seen;
        Malformed, if there is no such time.
        """
        now = self._clock.now()
        to = place_at(device, start, self._zone)
        self._change(seen, "step_moved", lambda step: by_hand.moved(step, to, now), now)

    def mark(self, seen: Seen, status: StepStatus) -> None:
        """
        Bring a step to *status*, because a person says so.

        Raises: Conflict, if it cannot be or the step has changed since it was seen; Incomplete without a reason where one is needed.
        """
        now = self._clock.now()
        self._change(seen, "step_marked", lambda step: by_hand.marked(step, status, seen.reason, now), now)

    def take_back(self, seen: Seen) -> None:
        """Undo the last thing that a person said of a step. Raises: Conflict, if there is none, or something came after it."""
        self._change(seen, "step_undone", by_hand.taken_back, self._clock.now())

    def _change(self, seen: Seen, action: str, change: Callable[[Step], Step], now: datetime) -> None:
        with self._store.write() as tx:
            lock(tx, "identity")
            was = _as_seen(tx, seen)
            order = orders.get(tx, was.order_key)
            step = _saved(tx, change(was))
            if step.status != was.status:
                said = (ChangeCause.PERSON, seen.actor, seen.reason)
                step_changes.add(tx, [StepChange(order.key, step.key, was.status, step.status, *said)], now)
                order = _follow(tx, order, step, now)
                announce.order_moved(tx, order.key, self._destinations, now)
            refresh_worklist(tx, order)
            what = _what(was, step, undone=action == "step_undone")
            line = f"{what}: {seen.reason}" if seen.reason else what
            station = Station.PERFORMED if step.status in _PERFORMED else Station.SCHEDULED
            events.add(tx, Event(now, station, line, by=seen.actor, source_kind="user", order_key=order.key))
            audit.add(
                tx,
                at=now,
                action=action,
                actor=seen.actor,
                patient_key=order.patient_key,
                order_key=order.key,
                detail={"step": step.key, "from": was.status.value, "to": step.status.value},
            )


_PERFORMED = frozenset({StepStatus.STARTED, StepStatus.COMPLETED, StepStatus.DISCONTINUED})


def _as_seen(tx: WriteTx, seen: Seen) -> Step:
    found = orders.get_steps(tx, [seen.step_key])
    if not found:
        raise LookupError(f"no step {seen.step_key}")
    if found[0].version != seen.version:
        raise _changed_meanwhile()
    return found[0]


def _saved(tx: WriteTx, step: Step) -> Step:
    try:
        return orders.save_step(tx, step)
    except LookupError:
        raise _changed_meanwhile() from None


def _changed_meanwhile() -> Conflict:
    return Conflict("somebody changed this exam meanwhile: look again, then decide", code="changed_meanwhile")


def _follow(tx: WriteTx, order: Order, step: Step, now: datetime) -> Order:
    """Bring the order in line; what a person said is the newest news on its state, and older messages change nothing."""
    status = status_of(orders.steps_of(tx, step.order_key), order.status)
    said_at = max(filter(None, (order.status_at, now)))
    return orders.save(tx, replace(order, status=status, status_at=said_at), now)


def _what(was: Step, now: Step, *, undone: bool) -> str:
    if was.status == now.status:
        return f"{'Moved back' if undone else 'Moved by hand'}. {place_of(now)}, before: {place_of(was)}"
    said = _MARKED.get(now.status, f"The exam is {now.status.lower()}")
    if undone:
        return f"Taken back: the exam is {now.status.lower()} again, not {was.status.lower()}"
    return f"{said}, not {was.status.lower()} any more" if now.status in by_hand.back_from(was.status) else said
