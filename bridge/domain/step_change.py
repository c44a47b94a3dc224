"""A scheduled step that changed here without its device's or a message's word: its images, a rest, a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.order import Step, StepStatus
from bridge.domain.performed import ChangeCause
from bridge.errors import Conflict


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


def cancelled_by_person(steps: Sequence[Step]) -> dict[int, StepStatus]:
    """
    Return the state that each step takes whose order a person cancels; what was completed stays so.

    Raises: Conflict, if nothing is left to cancel.
    """
    kept = {StepStatus.COMPLETED, StepStatus.CANCELED}
    changed = {step.key: StepStatus.CANCELED for step in steps if step.status not in kept}
    if not changed:
        raise Conflict("there is nothing left to cancel", code="exam_state")
    return changed
