"""An order's exam has begun when images of it have come, whether a device reports its steps (MPPS) or not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.domain.order import WAITING, StepStatus, status_of
from bridge.domain.study import Study
from bridge.flows.refresh_worklist import refresh_worklist
from bridge.store import events, orders
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

_NOT_BEGUN = WAITING | {StepStatus.HELD}


def start_exam(tx: WriteTx, study: Study, order_key: int, at: datetime) -> None:
    """
    Start the steps that a study's images name, or its order's only one; what has ended stays so.

    Images of another hospital start nothing: what is ordered then is to take them in. Source: PS3.3 C.7.3.1 (Request
    Attributes Sequence).
    """
    if study.foreign:
        return
    order = orders.get(tx, order_key)
    steps = orders.steps_of(tx, order_key)
    named = {item.scheduled_procedure_step_id for item in study.received.request_attributes}
    begun = [step for step in steps if step.scheduled_procedure_step_id in named] or (steps if len(steps) == 1 else [])
    waiting = [step for step in begun if step.status in _NOT_BEGUN]
    if not waiting:
        return
    for step in waiting:
        orders.save_step(tx, replace(step, status=StepStatus.STARTED, held_from=None))
    status = status_of(orders.steps_of(tx, order_key), order.status)
    refresh_worklist(tx, orders.save(tx, replace(order, status=status), at))
    what = "Exam started: its first image has come"
    events.add(tx, Event(at, Station.PERFORMED, what, order_key=order_key, study_key=study.key))
