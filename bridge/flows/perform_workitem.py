"""A performer claims a workitem, says how far it is, completes it or gives it up; others may ask that it be cancelled.

A scheduled step that is claimed has started, exactly as if its device had said so by MPPS; the claim stands among its
performed steps. The Transaction UID is the lock, and only its holder goes on. Source: PS3.4 CC.1.1, CC.2.1, CC.2.2, CC.2.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from bridge.clock import Clock
from bridge.codecs.dicomweb import workitem_reading as reading
from bridge.codecs.dicomweb.workitems import OF_THE_STEP, SOP_INSTANCE_UID
from bridge.domain.order import Order, Step
from bridge.domain.performed import PerformedDraft, PerformedStatus, ScheduledReference
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.workitem import (
    REASON_FOR_CANCELLATION,
    Attributes,
    Workitem,
    WorkitemState,
    canceled,
    check_change,
    check_final,
    check_update,
    state_of,
    text_of,
)
from bridge.errors import Conflict
from bridge.flows.announce import Destinations
from bridge.flows.find_workitem import Ground, find_workitem
from bridge.flows.follow_performed_step import Reported, follow_exam, move_steps
from bridge.flows.task_inputs import inputs_of
from bridge.store import audit, events, orders, performed, workitems
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station
from bridge.store.workitems import Found

_log = structlog.get_logger(__name__)

_WORDS: Mapping[PerformedStatus, str] = {
    PerformedStatus.IN_PROGRESS: "Exam claimed by",
    PerformedStatus.COMPLETED: "Exam completed by",
    PerformedStatus.DISCONTINUED: "Exam given up by",
}
_TASK_WORDS = {
    WorkitemState.IN_PROGRESS: "Task claimed by",
    WorkitemState.COMPLETED: "Task completed by",
    WorkitemState.CANCELED: "Task given up by",
}
_AS_PERFORMED = {
    WorkitemState.IN_PROGRESS: PerformedStatus.IN_PROGRESS,
    WorkitemState.COMPLETED: PerformedStatus.COMPLETED,
    WorkitemState.CANCELED: PerformedStatus.DISCONTINUED,
}
# Of a step, what only a change of its order changes.
_THE_STEPS_OWN = OF_THE_STEP | {SOP_INSTANCE_UID}


@dataclass(frozen=True, slots=True)
class Performer:
    """Who asks. actor: as audit rows say it; name: AE title or name; ae_title: "" where it acts as no device."""

    actor: str
    name: str
    ae_title: str = ""
    origin: str = ""


class WorkitemPerformer:
    """Moves workitems. Thread-safe."""

    def __init__(
        self, store: Store, clock: Clock, rules: ReconcileRules, destinations: Destinations, ground: Ground
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._destinations = destinations
        self._ground = ground

    def change_state(self, workitem_uid: str, said: Attributes, who: Performer) -> bool:
        """
        Claim, complete or give up a workitem; False, if it is in the wanted state already.

        Raises: LookupError; what `check_change` raises; Conflict, code "final_state". Source: PS3.18 11.7.
        """
        shown, wanted = reading.lock_in(said), reading.wanted_state(said)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"workitem:{workitem_uid}")
            found = find_workitem(tx, workitem_uid)
            held = found.workitem.transaction_uid if found.workitem is not None else ""
            then = check_change(state_of(found.workitem, found.step), wanted, held=held, shown=shown)
            if then is None:
                return False
            row = found.workitem or self._blank(found, who)
            if then == WorkitemState.IN_PROGRESS:
                row = replace(row, transaction_uid=shown, claimed_by=who.name)
            row = self._move(tx, found, row, then, who, now)
        _log.info("workitem_changed", workitem=row.key, state=then.value)
        return True

    def update(self, workitem_uid: str, said: Attributes, shown: str, who: Performer) -> bool:
        """
        Keep what is said of a workitem; False, if part of it is not, as a step's own attributes follow its order.

        shown: the lock, "" if none is. Raises: LookupError, Malformed, Incomplete, Conflict. Source: PS3.18 11.6.
        """
        reading.check_update(said)
        shown = shown or reading.lock_in(said)
        said = reading.kept_of(said)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"workitem:{workitem_uid}")
            found = find_workitem(tx, workitem_uid)
            row = found.workitem or self._blank(found, who)
            state = state_of(found.workitem, found.step)
            check_update(state, held=row.transaction_uid, shown=shown)
            dropped = found.step is not None and any(tag in _THE_STEPS_OWN for tag in said)
            if found.step is not None:
                said = {tag: value for tag, value in said.items() if tag not in _THE_STEPS_OWN}
            elif reading.has_inputs(said):
                patient_key, study_keys = inputs_of(tx, said, row.patient_key)
                row = replace(row, patient_key=patient_key, study_keys=study_keys)
            row = _kept(tx, replace(row, state=state, attributes={**row.attributes, **said}), now)
            self._note(tx, "workitem_updated", found, who, now)
        _log.info("workitem_updated", workitem=row.key)
        return not dropped

    def request_cancel(self, workitem_uid: str, said: Attributes, who: Performer) -> bool:
        """
        Cancel a workitem that nobody has claimed; False, if it is cancelled already.

        Its performer cannot be told here, so a claimed one goes on: the wish stays on the timeline. Raises: LookupError;
        Conflict, code "already_completed", "performer_not_reached". Source: PS3.4 CC.2.2.3, PS3.18 11.8.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"workitem:{workitem_uid}")
            found = find_workitem(tx, workitem_uid)
            state = state_of(found.workitem, found.step)
            if state == WorkitemState.CANCELED:
                return False
            if state == WorkitemState.COMPLETED:
                raise Conflict("it is completed", code="already_completed", source="PS3.4 CC.2.2 (C311)")
            reason = text_of(said, REASON_FOR_CANCELLATION)[:200]
            if state == WorkitemState.SCHEDULED:
                claimed = replace(found.workitem or self._blank(found, who), claimed_by=who.name)
                attributes = canceled({**claimed.attributes, **_progress(said)}, self._ground.date_time(now))
                claimed = replace(claimed, attributes=attributes)
                claimed = self._move(tx, found, claimed, WorkitemState.IN_PROGRESS, who, now)
                again = find_workitem(tx, workitem_uid)
                self._move(tx, again, claimed, WorkitemState.CANCELED, who, now)
            what = f"Asked to cancel by {who.name}" + (f": {reason}" if reason else "")
            self._log(tx, found, what, who, now)
            self._note(tx, "workitem_cancel_requested", found, who, now)
        if state == WorkitemState.IN_PROGRESS:
            raise Conflict("its performer cannot be told", code="performer_not_reached", source="PS3.4 CC.2.2 (C312)")
        return True

    def _blank(self, found: Found, who: Performer) -> Workitem:
        assert found.step is not None
        return Workitem(
            key=0,
            workitem_uid=found.workitem_uid,
            state=WorkitemState.SCHEDULED,
            step_key=found.step.step_key,
            run=found.step.run,
            created_by=who.actor,
        )

    def _move(
        self, tx: WriteTx, found: Found, row: Workitem, then: WorkitemState, who: Performer, now: datetime
    ) -> Workitem:
        """Bring a workitem, and the step that it is, to *then*."""
        attributes = row.attributes
        if then == WorkitemState.CANCELED:
            attributes = canceled(attributes, self._ground.date_time(now))
        check_final(then, attributes)
        row = _kept(tx, replace(row, state=then, attributes=attributes), now)
        if found.step is None:
            self._log(tx, found, f"{_TASK_WORDS[then]} {who.name}", who, now)
        else:
            row = self._perform(tx, found, row, then, who, now)
        self._note(tx, f"workitem_{then.value.lower().replace(' ', '_')}", found, who, now)
        return row

    def _perform(
        self, tx: WriteTx, found: Found, row: Workitem, then: WorkitemState, who: Performer, now: datetime
    ) -> Workitem:
        assert found.step is not None
        assert found.order_key is not None
        told = Reported(self._rules, self._destinations, now, who.actor, who.name, _WORDS, "workitem", row.workitem_uid)
        step = orders.get_steps(tx, [found.step.step_key])[0]
        order = orders.get(tx, found.order_key)
        if then == WorkitemState.IN_PROGRESS:
            begun = self._draft(order, step, row, who, now)
            made = performed.add(tx, self._clock.new_uid(), begun, [step.key], now)
            row = workitems.save(tx, replace(row, performed_step_key=made.key), now)
            move_steps(tx, made, [step], told)
            return row
        of_this = (one for one in performed.of_step(tx, step.key) if one.key == row.performed_step_key)
        done = performed.save(tx, next(of_this), _AS_PERFORMED[then], self._draft(order, step, row, who, now), now)
        move_steps(tx, done, [step], told)
        follow_exam(tx, done, told)
        return row

    def _draft(self, order: Order, step: Step, row: Workitem, who: Performer, now: datetime) -> PerformedDraft:
        """Return what a device would have said of it by MPPS."""
        started, ended = reading.performed_from_to(row.attributes, self._ground.zone)
        local = self._ground.date_time(now)
        reference = ScheduledReference(
            order.study_instance_uid,
            order.accession_number,
            order.requested_procedure_id,
            step.scheduled_procedure_step_id,
        )
        return PerformedDraft(
            scheduled=(reference,),
            patient_id=order.patient_number.patient_id,
            issuer_of_patient_id=order.patient_number.issuer_of_patient_id,
            performed_station_ae_title=who.ae_title,
            modality=step.modality,
            started_local=started or local,
            ended_local=(ended or local) if row.state != WorkitemState.IN_PROGRESS else "",
            discontinuation_code=reading.discontinuation_code(row.attributes)
            if row.state == WorkitemState.CANCELED
            else "",
            referenced_instances=reading.output_instances(row.attributes),
        )

    def _log(self, tx: WriteTx, found: Found, what: str, who: Performer, now: datetime) -> None:
        """Write a line on the exam's timeline; on that of each study that a task works on."""
        studies: tuple[int | None, ...] = found.workitem.study_keys if found.workitem is not None else ()
        if found.order_key is None and not studies:
            return
        for study_key in studies or (None,):
            line = Event(
                now, Station.PERFORMED, what, who.name, "workitem", found.workitem_uid, found.order_key, study_key
            )
            events.add(tx, line)

    def _note(self, tx: WriteTx, action: str, found: Found, who: Performer, now: datetime) -> None:
        about: audit.About = {"origin": who.origin, "patient_key": found.patient_key, "order_key": found.order_key}
        audit.add(tx, at=now, action=action, actor=who.actor, **about)


def _kept(tx: WriteTx, row: Workitem, now: datetime) -> Workitem:
    return workitems.save(tx, row, now) if row.key else workitems.add(tx, row, now)


def _progress(said: Attributes) -> dict[str, Any]:
    """Return why and by whom a cancellation is wanted, as it stands in the progress information. Source: PS3.4 CC.2.2.1."""
    named = {tag: said[tag] for tag in (REASON_FOR_CANCELLATION, "0074100E") if tag in said}
    return {"00741002": {"vr": "SQ", "Value": [named]}} if named else {}
