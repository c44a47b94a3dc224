"""What an order control asks for: the rows are a mapping's (order_control.toml), what they do to steps stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.domain.order import FINAL, WAITING, OrderAction, Step, StepStatus, may_follow
from bridge.errors import Conflict, Incomplete

# HL7 table 0038 in the words of a step's state; what else is in it (ER, RP) is no state of a step.
_STATUS_CODES = {
    StepStatus.SCHEDULED: "SC",
    StepStatus.ARRIVED: "SC",
    StepStatus.READY: "SC",
    StepStatus.STARTED: "IP",
    StepStatus.COMPLETED: "CM",
    StepStatus.DISCONTINUED: "DC",
    StepStatus.CANCELED: "CA",
    StepStatus.HELD: "HD",
}
_OPEN = WAITING | {StepStatus.HELD}


@dataclass(frozen=True, slots=True)
class OrderControl:
    """
    One row of the table. status: the ORC-5 values that may stand beside it and the state each reports, None for none.

    any_status: ORC-5 does not matter, as nothing follows. by_filler: only whoever performs the order says this.
    """

    action: OrderAction
    status: Mapping[str, StepStatus | None] = field(default_factory=dict)
    by_filler: bool = False

    @property
    def any_status(self) -> bool:
        return self.action == OrderAction.NOTE


def look_up(table: Mapping[str, OrderControl], control: str, status: str) -> tuple[OrderControl, StepStatus | None]:
    """
    Return the row of an ORC-1, and the state that the ORC-5 beside it reports.

    Raises: Incomplete at ORC-1: AE 101 without a control or for a pair that is not in the table, AE 103 for a control
    that is not. Source: HL7 2.5.1 4.5.1.1, tables 0119 and 0038.
    """
    if not control:
        raise Incomplete("no order control", code="missing", where="ORC-1", source="HL7 2.5.1 4.5.1.1")
    row = table.get(control)
    if row is None:
        raise Incomplete("order control not served", code="not_in_table", where="ORC-1", source="HL7 table 0119")
    if not status or row.any_status:
        return row, None
    if status not in row.status:
        raise Incomplete(
            "this order status does not go with this order control",
            code="missing",
            where="ORC-1",
            source="HL7 table 0038",
        )
    return row, row.status[status]


def code_of(status: StepStatus) -> str:
    """Return a state as ORC-5 writes it. Source: HL7 table 0038."""
    return _STATUS_CODES[status]


def after(
    steps: Sequence[Step], action: OrderAction, reported: StepStatus | None = None, *, by_filler: bool
) -> list[Step]:
    """
    Return *steps* as an order control about their state leaves them.

    by_filler: what whoever performs the order says is a fact; the same from anybody else is a request, and what has
    started or ended is not unmade by it. Raises: Conflict (AE 206). Source: IHE RAD TF-2 4.3.4.2, 4.13.4.
    """
    if action in (OrderAction.CANCEL, OrderAction.REPLACE):
        return _ended(steps, StepStatus.CANCELED, by_filler=by_filler)
    if action == OrderAction.DISCONTINUE:
        return _ended(steps, StepStatus.DISCONTINUED, by_filler=by_filler)
    if action == OrderAction.HOLD:
        return _held(steps, by_filler=by_filler)
    if action == OrderAction.RELEASE:
        return [released(step) for step in steps]
    return [report(step, reported, by_filler=by_filler) for step in steps]


def report(step: Step, reported: StepStatus | None, *, by_filler: bool) -> Step:
    """Return *step* in the state that a message reports of it, as far as the table of states lets it go there."""
    if reported is None or reported == step.status:
        return step
    if reported == StepStatus.SCHEDULED and step.status == StepStatus.HELD:
        return released(step)
    unmade = reported == StepStatus.CANCELED and step.status == StepStatus.STARTED and by_filler
    if not unmade and (reported == StepStatus.SCHEDULED or not may_follow(step.status, reported)):
        return step
    if reported == StepStatus.HELD:
        return replace(step, status=StepStatus.HELD, held_from=step.status) if step.status in WAITING else step
    return replace(step, status=reported, held_from=None)


def released(step: Step) -> Step:
    """Return *step* in the state it was held from; one that is not on hold stays as it is."""
    if step.status != StepStatus.HELD:
        return step
    return replace(step, status=step.held_from or StepStatus.SCHEDULED, held_from=None)


def _ended(steps: Sequence[Step], end: StepStatus, *, by_filler: bool) -> list[Step]:
    """End what waits; what has started is ended by a discontinuation, or by whoever performs it."""
    started = any(step.status == StepStatus.STARTED for step in steps)
    if started and end == StepStatus.CANCELED and not by_filler:
        raise Conflict("the exam has started", code="record_locked", where="ORC-1", source="IHE RAD TF-2 4.3.4.2")
    performed = any(step.status in (StepStatus.COMPLETED, StepStatus.DISCONTINUED) for step in steps)
    if performed and not by_filler and all(step.status in FINAL for step in steps) and not _said_before(steps, end):
        raise Conflict("the exam has ended", code="record_locked", where="ORC-1", source="IHE RAD TF-2 4.3.4.2")
    return [
        replace(step, status=end, held_from=None) if step.status in _OPEN | {StepStatus.STARTED} else step
        for step in steps
    ]


def _said_before(steps: Sequence[Step], end: StepStatus) -> bool:
    """Say whether the order has come to this very end already: to hear so again is no contradiction."""
    return end == StepStatus.DISCONTINUED and any(step.status == end for step in steps)


def _held(steps: Sequence[Step], *, by_filler: bool) -> list[Step]:
    if steps and not by_filler and not any(step.status in _OPEN for step in steps):
        what = "started" if any(step.status == StepStatus.STARTED for step in steps) else "ended"
        raise Conflict(f"the exam has {what}", code="record_locked", where="ORC-1", source="HL7 table 0119")
    return [
        replace(step, status=StepStatus.HELD, held_from=step.status) if step.status in WAITING else step
        for step in steps
    ]
