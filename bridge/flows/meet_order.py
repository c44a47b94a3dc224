"""A new order meets what came before it: the appointment that was booked for it, the exam that a device performed."""

from __future__ import annotations

from dataclasses import replace

from bridge.domain.appointment import TAKES_PLACE
from bridge.domain.message import Notice
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.performed import next_status, step_status_after
from bridge.flows.follow_appointment import follow_appointment
from bridge.flows.refresh_worklist import OrderNews, log_on_timeline
from bridge.outbox import enqueue
from bridge.store import appointments, awaited, news, orders, patients, performed
from bridge.store.awaited import Awaited
from bridge.store.db import WriteTx
from bridge.store.events import Station


def meet_order(tx: WriteTx, order: Order, told: OrderNews) -> list[Notice]:
    """
    Give a new order's steps what waited for them: the time of their appointment, the state their exam has come to.

    Nothing nearly ever waits, and then nothing but one look at an index is done. The caller refreshes the worklist.
    """
    notices: list[Notice] = []
    for one in awaited.awaiting(tx, order):
        if one.appointment_key is not None:
            notices += _meet_appointment(tx, order, one, told)
        elif one.performed_step_key is not None:
            _meet_exam(tx, order, one.performed_step_key, one.scheduled_procedure_step_id, told)
    return notices


def _meet_appointment(tx: WriteTx, order: Order, waiting: Awaited, told: OrderNews) -> list[Notice]:
    assert waiting.appointment_key is not None
    appointment = appointments.get(tx, waiting.appointment_key)
    if appointment.order_key is not None:
        return []
    if patients.survivor(tx, appointment.patient_key).key != told.patient.key:
        return [Notice("W", "an appointment with this order's number is another patient's and was left there", "ORC-2")]
    codes = {slot.service.code_value for slot in appointment.slots}
    if waiting.kind == "visit" and order.requested_procedure_code.code_value not in codes:
        return []
    met = appointments.save(tx, replace(appointment, order_key=order.key), told.news.heard_at)
    awaited.stop_waiting(tx, appointment_key=met.key)
    ordered_later = order.transaction_at is not None and order.transaction_at > met.said_at
    if met.state not in TAKES_PLACE and ordered_later:
        return []
    return follow_appointment(tx, order, met, told)


def _meet_exam(tx: WriteTx, order: Order, performed_step_key: int, step_id: str, told: OrderNews) -> None:
    """Link a performed step to the scheduled one it names, or to the order's only one; source: PS3.4 F.7.2."""
    steps = orders.steps_of(tx, order.key)
    named = [step for step in steps if step.scheduled_procedure_step_id == step_id]
    linked = named or (steps if len(steps) == 1 else [])
    exam = next(
        (one for one in performed.of_study(tx, order.study_instance_uid) if one.key == performed_step_key), None
    )
    if exam is None or not linked:
        return
    performed.link(tx, performed_step_key, [step.key for step in linked])
    awaited.stop_waiting(tx, performed_step_key=performed_step_key)
    enqueue.release_performed_step(tx, exam.sop_instance_uid, told.news.heard_at)
    news.look_at(tx, news.PERFORMED, performed_step_key, told.news.heard_at)
    wanted = step_status_after(exam.status, exam.discontinuation_code)
    for step in linked:
        _move(tx, step, next_status(step.status, wanted, performed.of_step(tx, step.key)))
    log_on_timeline(tx, order, told, Station.PERFORMED, f"The exam was {exam.status.lower()} before its order came")


def _move(tx: WriteTx, step: Step, status: StepStatus) -> None:
    if status != step.status:
        orders.save_step(tx, replace(step, status=status))
