"""A workitem that somebody creates: an order, where it names patient and request; else a task of its own.

A task works on studies that are bound, concerns a patient who is known, or nobody; no device's worklist ever shows it.
Source: PS3.18 11.4, PS3.4 CC.2.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from bridge.clock import Clock
from bridge.codecs.dicomweb import workitem_reading as reading
from bridge.codecs.dicomweb import workitems as shown
from bridge.codecs.dicomweb.workitem_order import is_order, order_of
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier, check_uid
from bridge.domain.workitem import Attributes, Workitem, WorkitemState, items_of, text_of
from bridge.errors import Conflict, Malformed
from bridge.flows.enter_order import Entry
from bridge.flows.find_workitem import Ground
from bridge.flows.perform_workitem import Performer
from bridge.flows.task_inputs import inputs_of
from bridge.mapping.typed_orders import TypedGround, TypedOrder, read_typed_order
from bridge.store import audit, events, orders, patients, workitems
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station

_log = structlog.get_logger(__name__)

# The worklist itself, and what of it is filtered, are no workitems. Source: PS3.4 CC.2.3.1.
SUBSCRIPTIONS = frozenset({"1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"})


class WorkitemCreator:
    """Takes in what is created over UPS-RS. Thread-safe."""

    def __init__(
        self, store: Store, clock: Clock, entry: Entry, typed: Callable[[], TypedGround], ground: Ground
    ) -> None:
        self._store = store
        self._clock = clock
        self._entry = entry
        self._typed = typed
        self._ground = ground

    def create(self, workitem_uid: str, said: Attributes, who: Performer) -> tuple[str, bool]:
        """
        Create a workitem; returns its UID, and whether more was filled in than was said.

        workitem_uid: "" takes the data set's, else one is made. Raises: Malformed, Incomplete; Conflict, code
        "duplicate" (0111), "known_order", "unknown_input", "another_patient", "another_person". Source: PS3.18 11.4.
        """
        uid = workitem_uid or text_of(said, shown.SOP_INSTANCE_UID) or self._clock.new_uid()
        check_uid(uid, "AffectedSOPInstanceUID", tolerate_leading_zeros=True)
        if uid in SUBSCRIPTIONS:
            raise Malformed("this UID stands for the worklist", where="AffectedSOPInstanceUID", source="PS3.4 CC.2.3.1")
        reading.check_creation(said)
        blank = Workitem(
            key=0,
            workitem_uid=uid,
            state=WorkitemState.SCHEDULED,
            attributes=reading.kept_of(said),
            created_by=who.actor,
        )
        is_of_order = is_order(said) and not reading.has_inputs(said)
        typed = read_typed_order(order_of(said, self._ground.zone), self._typed()) if is_of_order else None
        with self._store.write() as tx:
            lock(tx, "identity", f"workitem:{uid}")
            if workitems.find(tx, uid) is not None or workitems.was(tx, uid):
                raise Conflict("the workitem exists", code="duplicate", source="PS3.4 CC.2.5 (0111)")
            made = self._task(tx, blank, said, who) if typed is None else self._order(tx, blank, typed, who)
        _log.info("workitem_created", workitem=made.key)
        is_filled = typed is not None or not text_of(said, shown.WORKLIST_LABEL)
        return uid, is_filled

    def _order(self, tx: WriteTx, blank: Workitem, typed: TypedOrder, who: Performer) -> Workitem:
        """Order what is to be done; its step is the workitem. Raises: Conflict, code "known_order"."""
        draft, nobody = typed.order, EntityIdentifier()
        issuer = draft.issuer_of_accession_number or self._typed().authority
        known = orders.find(tx, draft.filler_order_number, draft.placer_order_number, (draft.accession_number, issuer))
        known = known or orders.find(tx, nobody, nobody, (draft.accession_number, draft.issuer_of_accession_number))
        if known is not None or (draft.study_instance_uid and orders.by_study_uid(tx, draft.study_instance_uid)):
            raise Conflict("this order is known: its steps are workitems already", code="known_order")
        order = self._entry.enter(tx, typed, who.actor).order
        step = orders.steps_of(tx, order.key)[0]
        now = self._clock.now()
        made = workitems.add(tx, replace(blank, step_key=step.key), now)
        audit.add(tx, at=now, action="workitem_created", actor=who.actor, origin=who.origin, order_key=order.key)
        return made

    def _task(self, tx: WriteTx, blank: Workitem, said: Attributes, who: Performer) -> Workitem:
        study_keys: tuple[int, ...] = ()
        patient_key = self._named(tx, said)
        if reading.has_inputs(said):
            patient_key, study_keys = inputs_of(tx, said, patient_key)
        self._check_request(tx, said, patient_key)
        now = self._clock.now()
        made = workitems.add(tx, replace(blank, patient_key=patient_key, study_keys=study_keys), now)
        for study_key in study_keys:
            what = f"Task created by {who.name}"
            events.add(
                tx, Event(now, Station.IMAGES, what, who.name, "workitem", made.workitem_uid, study_key=study_key)
            )
        about: audit.About = {"origin": who.origin, "patient_key": patient_key}
        audit.add(tx, at=now, action="workitem_created", actor=who.actor, **about)
        return made

    def _named(self, tx: WriteTx, said: Attributes) -> int | None:
        """Return the patient that a task names, None if it names nobody. Raises: Malformed, Conflict."""
        number = text_of(said, shown.PATIENT_ID)
        if not number:
            if text_of(said, shown.PATIENT_NAME) and not reading.has_inputs(said):
                raise Malformed("whoever is named has a number", where="PatientID", source="PS3.4 Table CC.2.5-3")
            return None
        issuer = text_of(said, shown.ISSUER_OF_PATIENT_ID) or self._typed().authority
        found = patients.find(tx, PatientIdentifier(number, issuer))
        if found is None:
            raise Conflict("no such patient", code="unknown", where="PatientID")
        return patients.survivor(tx, found.key).key

    def _check_request(self, tx: WriteTx, said: Attributes, patient_key: int | None) -> None:
        """Refuse a task that names another patient's order. Raises: Conflict, code "another_patient"."""
        for request in items_of(said, shown.REFERENCED_REQUEST):
            accession = text_of(request, shown.ACCESSION_NUMBER)
            known = orders.by_accession(tx, accession) if accession else []
            if known and not any(patients.survivor(tx, one.patient_key).key == patient_key for one in known):
                raise Conflict("the order is another patient's", code="another_patient", where="AccessionNumber")
