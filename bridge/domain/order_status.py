"""What our devices made of an order, as other systems are told it. Source: HL7 table 0038, IHE RAD TF-2 4.3, 4.13."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.by_hand import said_by_hand_at
from bridge.domain.order import LIVE, WAITING, Order, Step, StepStatus
from bridge.domain.performed import ChangeCause, PerformedStatus, PerformedStep
from bridge.domain.step_change import StepChange

SCHEDULED = "SC"
IN_PROCESS = "IP"
SOME_RESULTS = "A"
COMPLETED = "CM"
DISCONTINUED = "DC"

_CODES = {
    StepStatus.STARTED: IN_PROCESS,
    StepStatus.COMPLETED: COMPLETED,
    StepStatus.DISCONTINUED: DISCONTINUED,
    StepStatus.CANCELED: "CA",
    StepStatus.HELD: "HD",
}


@dataclass(frozen=True, slots=True)
class StatusFact:
    """code: ORC-5. at: when it came to be so, the same however often it is asked for."""

    code: str
    at: datetime


def code_of(order: Order, *, has_images: bool) -> str:
    """Return ORC-5 of an order as it stands, whoever said so; one that is open has some results where images are in."""
    if has_images and order.status in LIVE:
        return SOME_RESULTS
    return _CODES.get(order.status, SCHEDULED)


def status_fact(
    order: Order, steps: Sequence[Step], performed: Iterable[PerformedStep], changes: Sequence[StepChange] = ()
) -> StatusFact | None:
    """
    Return what our devices, their images or a person here made of *order*; None where its state is none of their doing.

    Then whoever sent the order said so, and is not told its own news.
    performed: what performs any of *steps*; changes: what was changed of them here; both oldest first.
    """
    by_device = _by_device(order, steps, performed)
    by_house = _by_house(order, steps, changes)
    if by_device is None or by_house is None:
        return by_device or by_house
    return max(by_device, by_house, key=lambda fact: fact.at)


def _by_house(order: Order, steps: Sequence[Step], changes: Sequence[StepChange]) -> StatusFact | None:
    """Return what the last change here made of the order, or a person; that its first image has come, nobody is told."""
    said = [at] if (at := said_by_hand_at(steps, order.status)) is not None else []
    last = changes[-1] if changes else None
    if last is not None and last.changed_at and last.cause != ChangeCause.IMAGES and last.status == order.status:
        said.append(last.changed_at)
    return StatusFact(_CODES.get(order.status, SCHEDULED), max(said)) if said else None


def _by_device(order: Order, steps: Sequence[Step], performed: Iterable[PerformedStep]) -> StatusFact | None:
    by_status: dict[PerformedStatus, list[PerformedStep]] = {}
    newest = None
    for newest in performed:
        by_status.setdefault(newest.status, []).append(newest)
    done = by_status.get(PerformedStatus.COMPLETED)
    if order.status == StepStatus.STARTED:
        return _began(by_status.get(PerformedStatus.IN_PROGRESS))
    if order.status == StepStatus.COMPLETED:
        return _ended(COMPLETED, done)
    if order.status == StepStatus.DISCONTINUED:
        return _ended(DISCONTINUED, by_status.get(PerformedStatus.DISCONTINUED))
    if order.status not in WAITING:
        return None
    if any(step.status == StepStatus.COMPLETED for step in steps):
        return _ended(SOME_RESULTS, done)
    if newest is not None and newest.status == PerformedStatus.DISCONTINUED:
        return _ended(SCHEDULED, [newest])
    return None


def _began(steps: Sequence[PerformedStep] | None) -> StatusFact | None:
    began = [step.created_at for step in steps or () if step.created_at is not None]
    return StatusFact(IN_PROCESS, max(began)) if began else None


def _ended(code: str, steps: Sequence[PerformedStep] | None) -> StatusFact | None:
    ended = [step.updated_at for step in steps or () if step.updated_at is not None]
    return StatusFact(code, max(ended)) if ended else None
