"""An order's exam has begun when images of it have come, whether a device reports its steps (MPPS) or not."""

from __future__ import annotations

from bridge.domain.order import WAITING, StepStatus
from bridge.domain.performed import ChangeCause
from bridge.domain.study import Study
from bridge.flows.link_exam import follow_binding
from bridge.flows.move_steps import Moving, change_of, change_steps, steps_by_images
from bridge.store import events, exam_checks, orders
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

_NOT_BEGUN = WAITING | {StepStatus.HELD}


def start_exam(tx: WriteTx, study: Study, order_key: int, how: Moving) -> None:
    """
    Start the steps that a study's images name, or its order's only one; what has ended stays so.

    What devices said of the study before anybody knew whose it was counts from now on, and the study is watched until
    nothing more of it comes. Images of another hospital start nothing: what is ordered then is to take them in.
    Source: PS3.3 C.7.3.1 (Request Attributes Sequence).
    """
    if study.foreign:
        return
    exam_checks.watch_study(tx, study.key, how.at)
    follow_binding(tx, study, order_key, how)
    order = orders.get(tx, order_key)
    ids = (item.scheduled_procedure_step_id for item in study.received.request_attributes)
    begun = steps_by_images(orders.steps_of(tx, order_key), ids)
    waiting = {step.key: StepStatus.STARTED for step in begun if step.status in _NOT_BEGUN}
    if not waiting:
        return
    change_steps(tx, order, waiting, change_of(order, ChangeCause.IMAGES), how)
    what = "Exam started: its first image has come"
    events.add(tx, Event(how.at, Station.PERFORMED, what, order_key=order_key, study_key=study.key))
