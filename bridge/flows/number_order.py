"""The numbers of an order that came without them: a clinic without an order system has none to give."""

from __future__ import annotations

from dataclasses import replace

from bridge.clock import Clock
from bridge.domain.identifiers import check_accession_number
from bridge.domain.order import OrderDraft, StepDraft
from bridge.errors import Incomplete
from bridge.mapping.typed_fields import Moment

_ACCESSION_LENGTH = 12
_STEP_BASE = 13


def numbered(draft: OrderDraft, clock: Clock) -> OrderDraft:
    """
    Return *draft* with an accession number, a procedure id and step ids; what was made up is named in `derived`.

    Raises: Incomplete, without a step; Malformed, for a number that is
    none.
    """
    accession = draft.accession_number or clock.new_id()[-_ACCESSION_LENGTH:].upper()
    check_accession_number(accession, "accession_number")
    if not draft.steps:
        raise Incomplete("at least one step is wanted", code="missing", where="steps")
    made = {"accession_number"} if not draft.accession_number else set()
    made |= {"requested_procedure_id"} if not draft.requested_procedure_id else set()
    made |= {"study_instance_uid"} if not draft.study_instance_uid else set()
    steps = tuple(_with_id(step, accession, number) for number, step in enumerate(draft.steps, 1))
    if steps != draft.steps:
        made.add("scheduled_procedure_step_id")
    return replace(
        draft,
        accession_number=accession,
        requested_procedure_id=draft.requested_procedure_id or accession,
        steps=steps,
        derived=draft.derived | made,
    )


def started_at(draft: OrderDraft, start: Moment) -> OrderDraft:
    """Return a new order whose steps begin at *start* where nobody says when."""
    steps = tuple(
        step
        if step.scheduled_start_local is not None
        else replace(step, scheduled_start_local=start.local, scheduled_start_at=start.at)
        for step in draft.steps
    )
    return replace(draft, steps=steps)


def _with_id(step: StepDraft, accession: str, number: int) -> StepDraft:
    if step.scheduled_procedure_step_id:
        return step
    return replace(step, scheduled_procedure_step_id=f"{accession[:_STEP_BASE]}-{number}" if number > 1 else accession)
