"""An order's exam has begun when images of it have come, whether a device reports its steps (MPPS) or not."""

from __future__ import annotations

from bridge.domain.order import WAITING, StepStatus
from bridge.domain.performed import ChangeCause
from bridge.domain.study import Study
from bridge.flows.link_exam import follow_binding
from bridge.flows.move_steps import Moving, change_of, change_steps, steps_by_images
from bridge.store import events, exam_checks, orders, performed, step_changes, studies
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

_BY_IMAGES = frozenset({ChangeCause.IMAGES, ChangeCause.QUIET})
_DONE = frozenset({StepStatus.STARTED, StepStatus.COMPLETED})
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


def leave_exam(tx: WriteTx, study: Study, order_key: int, how: Moving) -> None:
    """
    Put back what a study's images did to an order that they turned out not to be of: its patient still waits.

    Only what the images alone did. What a device, a message or a person said of the exam stands, and the timeline asks for
    a person. Nothing changes while other images are bound to the order.
    """
    others = (other for other in studies.of_order(tx, order_key) if other.key != study.key)
    if study.foreign or any(other.is_bound for other in others):
        return
    order, steps = orders.get(tx, order_key), orders.steps_of(tx, order_key)
    last = {one.step_key: one for one in step_changes.of_order(tx, order_key)}
    begun = [step for step in steps if step.status in _DONE]
    back = {}
    for step in begun:
        change = last.get(step.key)
        by_images = change is not None and change.cause in _BY_IMAGES and change.status == step.status
        if by_images and not performed.of_step(tx, step.key):
            back[step.key] = StepStatus.SCHEDULED
    if back:
        # Whoever was told of its end is told that it has none; of its begin nobody was.
        was_told = any(step.key in back and step.status == StepStatus.COMPLETED for step in begun)
        cause = ChangeCause.QUIET if was_told else ChangeCause.IMAGES
        change_steps(tx, order, back, change_of(order, cause, how.by), how)
    if begun:
        what = "back on the worklist" if len(back) == len(begun) else "a person must say whether this one was done"
        why = "Its images are another exam's" if study.is_bound else "A person took its images away from it"
        line = Event(how.at, Station.PERFORMED, f"{why}: {what}", how.by, order_key=order_key)
        events.add(tx, line)
