"""Whether what is said of an order is news: a list that is handed in twice must change nothing twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.domain.order import ORDER_TEXTS, STEP_FIELDS, WAITING, Order, OrderAction, OrderDraft, Step, give_way

_NUMBERS = (
    "accession_number",
    "issuer_of_accession_number",
    "placer_order_number",
    "filler_order_number",
    "requested_procedure_id",
    "study_instance_uid",
)
_SAYS = frozenset({OrderAction.CREATE, OrderAction.CHANGE})


def is_known(draft: OrderDraft, order: Order, steps: Sequence[Step]) -> bool:
    """Say whether *order* and its *steps* hold everything that *draft* says already; its authorizations aside."""
    if draft.action not in _SAYS or draft.reported is not None:
        return False
    said = give_way(draft, order, steps)
    if any(getattr(said, name) and getattr(said, name) != getattr(order, name) for name in _NUMBERS):
        return False
    if any(_differs(said, order, name) for name in ORDER_TEXTS) or not _holds(order.details, said.details):
        return False
    known = {step.scheduled_procedure_step_id: step for step in steps}
    for step_draft in said.steps:
        step = known.pop(step_draft.scheduled_procedure_step_id, None)
        if step is None or any(_differs(step_draft, step, name) for name in STEP_FIELDS):
            return False
        if not _holds(step.details, step_draft.details):
            return False
    return not said.steps or not any(step.status in WAITING for step in known.values())


def _differs(said: object, known: object, name: str) -> bool:
    value = getattr(said, name)
    return value is not None and value != getattr(known, name)


def _holds(known: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    return all(known.get(name, "") == value or (not value and name not in known) for name, value in said.items())
