"""Which scheduled steps a device performed: by what it names, by whose its images are, or because a person says so."""

from __future__ import annotations

from dataclasses import replace

from bridge.clock import Clock
from bridge.domain.order import Step
from bridge.domain.performed import PerformedDraft, PerformedStep, ScheduledReference, may_be_of
from bridge.domain.study import Study
from bridge.errors import Conflict
from bridge.flows.announce import Destinations
from bridge.flows.move_steps import Moving, follow_device, steps_by_images
from bridge.outbox import enqueue
from bridge.store import audit, awaited, events, news, orders, patients, performed
from bridge.store.awaited import Awaited
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.events import Event, Station


def steps_named(tx: ReadTx, draft: PerformedDraft) -> list[Step]:
    """
    Return the scheduled steps that a device names; of several orders, where it did several at once.

    By study and step id, by study, by accession number and requested procedure id: the first that leads to an order. A
    study of several steps, none of them named, leads to none: which one it was, nobody can say. Source: PS3.4 F.7.2.
    """
    found: dict[int, Step] = {}
    for reference in draft.scheduled:
        candidates = _of_study(tx, reference) or _of_accession(tx, reference, draft)
        named = [s for s in candidates if s.scheduled_procedure_step_id == reference.scheduled_procedure_step_id]
        for step in named or (candidates if len(candidates) == 1 else []):
            found[step.key] = step
    return list(found.values())


def _of_study(tx: ReadTx, reference: ScheduledReference) -> list[Step]:
    if not reference.study_instance_uid:
        return []
    found = orders.by_study_uid(tx, reference.study_instance_uid)
    return [step for order in found for step in orders.steps_of(tx, order.key)]


def _of_accession(tx: ReadTx, reference: ScheduledReference, draft: PerformedDraft) -> list[Step]:
    """Two departments may give the same number: it leads to the one order of the patient that the device names, or to none."""
    if not (reference.accession_number and reference.requested_procedure_id):
        return []
    found = [
        order
        for order in orders.by_accession(tx, reference.accession_number)
        if order.requested_procedure_id == reference.requested_procedure_id
        and may_be_of(draft, patients.records_of(tx, patients.survivor(tx, order.patient_key).key))
    ]
    return list(orders.steps_of(tx, found[0].key)) if len(found) == 1 else []


def wait_for_order(tx: WriteTx, created: PerformedStep, draft: PerformedDraft) -> None:
    """Note by what the order will be known that a device was quicker than, or that it never had."""
    awaited.wait_for_order(
        tx,
        [
            Awaited(
                "study",
                one.study_instance_uid,
                scheduled_procedure_step_id=one.scheduled_procedure_step_id,
                performed_step_key=created.key,
            )
            for one in draft.scheduled
            if one.study_instance_uid
        ],
    )


def follow_binding(tx: WriteTx, study: Study, order_key: int, how: Moving) -> None:
    """
    Link the performed steps of a bound study that name no step of any order to those of the order its images are of.

    Whose the images are was decided by a rule or a person, on more than a device's word; the exam follows them.
    """
    steps = orders.steps_of(tx, order_key)
    ids = (item.scheduled_procedure_step_id for item in study.received.request_attributes)
    mine = steps_by_images(steps, ids)
    for mpps in performed.of_study(tx, study.study_instance_uid):
        performed.unlink_inferred(tx, mpps.key)
        news.look_at(tx, news.PERFORMED, mpps.key, how.at)
        mpps = performed.get(tx, mpps.key)
        if mpps.step_keys or not mine:
            continue
        performed.link(tx, mpps.key, [step.key for step in mine], inferred=True)
        awaited.stop_waiting(tx, performed_step_key=mpps.key)
        follow_device(tx, performed.get(tx, mpps.key), orders.get_steps(tx, [step.key for step in mine]), how)
        enqueue.release_performed_step(tx, mpps.sop_instance_uid, how.at)


class ExamLinks:
    """Lets a person say of which order an exam was that named none. Thread-safe."""

    def __init__(self, store: Store, clock: Clock, destinations: Destinations) -> None:
        self._store = store
        self._clock = clock
        self._destinations = destinations

    def link(self, sop_instance_uid: str, order_key: int, actor: str, reason: str) -> None:
        """
        Say that the performed step was of this order.

        Raises: LookupError, if either is not known; Conflict, if the exam is of an order already, or the order has
        several steps and none of its own that the exam could be.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"performed:{sop_instance_uid}")
            mpps = performed.by_uid(tx, sop_instance_uid)
            if mpps is None:
                raise LookupError(sop_instance_uid)
            if mpps.step_keys:
                raise Conflict("the exam is of an order already", code="exam_linked")
            steps = [step for step in orders.steps_of(tx, order_key) if step.modality in ("", mpps.modality)]
            if len(steps) != 1:
                raise Conflict("the order has no step, or several, of this modality", code="exam_ambiguous")
            performed.link(tx, mpps.key, [steps[0].key])
            awaited.stop_waiting(tx, performed_step_key=mpps.key)
            follow_device(tx, performed.get(tx, mpps.key), steps, Moving(self._destinations, now, actor))
            line = Event(now, Station.PERFORMED, f"A person says that the exam was of this order: {reason}", by=actor)
            events.add(tx, replace(line, source_kind="user", order_key=order_key))
            enqueue.release_performed_step(tx, sop_instance_uid, now)
            news.look_at(tx, news.PERFORMED, mpps.key, now)
            said = {"performed_step": mpps.key, "reason": reason}
            audit.add(tx, at=now, action="exam_linked", actor=actor, order_key=order_key, detail=said)


def propose_order(tx: WriteTx, mpps: PerformedStep, how: Moving) -> None:
    """
    Write on the one order that an exam without one may have been of that it may.

    Patient, modality, station and day are no proof: nothing is linked by them. Source: IHE RAD TF-1 (unscheduled case).
    """
    likely = performed.likely_orders(tx, mpps)
    if len(likely) == 1:
        station = mpps.performed_station_ae_title or mpps.calling_ae_title
        what = f"{station} began an exam of this patient that names no order: it may be this one"
        uid = mpps.sop_instance_uid
        events.add(tx, Event(how.at, Station.PERFORMED, what, how.by, "performed_step", uid, order_key=likely[0]))
