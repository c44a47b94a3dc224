"""A scheduled step that changed here without its device's or a message's word: its images, a rest, a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.order import LIVE, Step, StepStatus
from bridge.domain.performed import ChangeCause
from bridge.errors import Conflict

_ENDED = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED})


@dataclass(frozen=True, slots=True)
class StepChange:
    """One change. was, status: before and after. actor: "user:NAME", "" for the house itself."""

    order_key: int
    step_key: int
    was: StepStatus
    status: StepStatus
    cause: ChangeCause
    actor: str = ""
    reason: str = ""
    changed_at: datetime | None = None


def completed_by_person(steps: Sequence[Step]) -> dict[int, StepStatus]:
    """
    Return the state that each step takes whose exam a person says was done; a cancelled one stays so.

    A person may say so of what the table of states would not let go on: of one on hold, or discontinued before.
    Raises: Conflict, if there is none that it could be said of.
    """
    changed = {
        step.key: StepStatus.COMPLETED
        for step in steps
        if step.status in LIVE | {StepStatus.HELD, StepStatus.DISCONTINUED}
    }
    return _some(changed, "there is nothing to complete: the exam is completed or cancelled")


def cancelled_by_person(steps: Sequence[Step]) -> dict[int, StepStatus]:
    """
    Return the state that each step takes whose order a person cancels; what was completed stays so.

    Raises: Conflict, if nothing is left to cancel.
    """
    kept = {StepStatus.COMPLETED, StepStatus.CANCELED}
    changed = {step.key: StepStatus.CANCELED for step in steps if step.status not in kept}
    return _some(changed, "there is nothing to cancel")


def reopened_by_person(
    steps: Sequence[Step], changes: Iterable[StepChange], *, has_begun: bool
) -> dict[int, StepStatus]:
    """
    Return the state that each ended step goes back to: the one a change here took it from, else as far as it had come.

    A step that a message cancelled is its sender's to reopen. has_begun: images of it, or a performed step, are here.
    Raises: Conflict, if none has ended.
    """
    last = {change.step_key: change for change in changes}
    changed = {}
    for step in steps:
        own = last.get(step.key)
        if own is not None and own.status == step.status and own.was not in _ENDED and step.status not in LIVE:
            changed[step.key] = own.was
        elif step.status in _ENDED:
            changed[step.key] = StepStatus.STARTED if has_begun else StepStatus.SCHEDULED
    return _some(changed, "there is nothing to reopen: the exam has not ended here")


def _some(changed: dict[int, StepStatus], otherwise: str) -> dict[int, StepStatus]:
    if not changed:
        raise Conflict(otherwise, code="exam_state")
    return changed
