"""Orders without HL7: what a person or a program types becomes the same order that a message makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.known_order import is_known
from bridge.domain.message import Notice
from bridge.domain.order import FINAL, Order, OrderAction, OrderDraft
from bridge.domain.patient import Patient, PatientDraft
from bridge.domain.reason import require_reason
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.typed_patient import is_contradicted
from bridge.errors import BridgeError, Conflict, Incomplete
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_after, withdraw
from bridge.flows.file_report import ReportNews, look_again
from bridge.flows.keep_order import keep_order
from bridge.flows.move_order import move_order
from bridge.flows.number_order import numbered, started_at
from bridge.flows.record_visit import VisitNews, record_visit
from bridge.flows.refresh_worklist import OrderNews, Scheduled, log_on_timeline, refresh_worklist_of_patient
from bridge.flows.register_patient import News, register_patient
from bridge.flows.schedule_order import schedule_order
from bridge.mapping.typed_orders import TypedOrder
from bridge.store import audit, authorizations, order_entries, orders, patients, reports, studies
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.events import Station
from bridge.store.patient_records import record_of

KEY_USED = "key_used"
# What HL7 calls the place of a fault is called otherwise where there is no HL7.
_PLACES = {
    "ORC-1": "accession_number",
    "ORC-2": "placer_order_number",
    "ORC-3": "accession_number",
    "PID-3": "patient.patient_id",
    "ZDS-1": "study_instance_uid",
}


@dataclass(frozen=True, slots=True)
class Repeat:
    """By what a program marks an order that it may send again. key: its own, "" for none; digest: of the bytes."""

    key: str = ""
    digest: str = ""


@dataclass(slots=True)
class Entered:
    """An order as it stands now, and whose. is_new: it was not known before; is_changed: it was not so before."""

    order: Order
    patient: Patient
    is_new: bool = False
    is_changed: bool = False
    notices: list[Notice] = field(default_factory=list)


def read_order(store: Store, clock: Clock, order_key: int, actor: str) -> Entered:
    """Return an order as it stands, and note the look. Raises: LookupError."""
    with store.write() as tx:
        order = orders.get(tx, order_key)
        patient = patients.survivor(tx, order.patient_key)
        audit.add(tx, at=clock.now(), action="exam_viewed", actor=actor, patient_key=patient.key, order_key=order.key)
    return Entered(order, patient)


class Entry:
    """Takes in orders that are typed, changed and cancelled by people and programs."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        rules: ReconcileRules,
        destinations: Destinations,
        stations_for: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._destinations = destinations
        self._stations_for = stations_for

    def enter_order(self, typed: TypedOrder, actor: str, repeat: Repeat | None = None) -> Entered:
        """
        Create an order, or change the one that has its numbers; numbers that nobody typed are made up.

        repeat: the same key and bytes again change nothing. Raises: Incomplete, Malformed, Conflict, as for an order by
        HL7; Conflict at "patient", if name or birth date are not those of the patient with the number.
        """
        with self._store.write() as tx:
            lock(tx, "identity")
            known = self._known(tx, repeat, actor)
            return known or self.enter(tx, typed, actor, repeat)

    def enter(self, tx: WriteTx, typed: TypedOrder, actor: str, repeat: Repeat | None = None) -> Entered:
        """Do as `enter_order`, in the caller's transaction, which holds the lock "identity"."""
        typed = replace(typed, order=numbered(typed.order, self._clock))
        draft = typed.order
        found = self.looked_for(tx, typed)
        if found is not None:
            self._check_steps(tx, found, draft)
        elif typed.start is not None:
            typed = replace(typed, order=started_at(draft, typed.start))
        entered = self._apply(tx, typed, found, actor)
        if repeat is not None and repeat.key:
            entry = order_entries.Entry(actor, repeat.key, repeat.digest, entered.order.key)
            order_entries.add(tx, entry, self._clock.now())
        return entered

    def looked_for(self, tx: ReadTx, typed: TypedOrder) -> Order | None:
        """Return the order that has the numbers which were typed, None if nobody knows it."""
        draft = typed.order
        accession = (draft.accession_number, draft.issuer_of_accession_number)
        return orders.find(tx, draft.filler_order_number, draft.placer_order_number, accession)

    def check_person(self, tx: ReadTx, typed: TypedOrder) -> None:
        """Refuse who is not the patient with the number. Raises: Conflict, at "patient"."""
        if typed.patient is None or not typed.patient.identifiers or typed.confirmed:
            return
        holder = patients.find(tx, typed.patient.identifiers[0])
        if holder is not None:
            self._check_person(tx, holder, typed.patient)

    def change_order(self, order_key: int, typed: TypedOrder, actor: str) -> Entered:
        """
        Change an order by what is said of it; another patient's number moves it to that patient.

        Raises: LookupError, if there is none; else as `enter_order`.
        """
        with self._store.write() as tx:
            lock(tx, "identity")
            found = orders.get(tx, order_key)
            if typed.order.steps and all(step.status in FINAL for step in orders.steps_of(tx, found.key)):
                raise Conflict(
                    "the exam has ended, and its steps stay as they are", code="record_locked", where="steps"
                )
            self._check_steps(tx, found, typed.order)
            own = _numbers_of(found, typed.order)
            return self._apply(tx, replace(typed, order=own), found, actor)

    def cancel_order(self, order_key: int, reason: str, actor: str) -> Entered:
        """
        Cancel an order that nobody has started; cancelled before, it stays so.

        Raises: LookupError; Incomplete without a reason; Conflict, if the exam has started or ended.
        """
        require_reason(reason, "say why, in a few words: it stays with the exam")
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            found = orders.get(tx, order_key)
            patient = patients.survivor(tx, found.patient_key)
            told = self._told(News("typed", now, now, is_order=True), patient, actor)
            draft = OrderDraft("CA", action=OrderAction.CANCEL, transaction_at=now)
            try:
                moved = move_order(tx, found, draft, told)
            except BridgeError as fault:
                raise _in_our_words(fault) from None
            assert moved.order is not None
            if moved.order.status != found.status:
                log_on_timeline(tx, moved.order, told, Station.ORDER, f"Reason given: {reason.strip()[:400]}")
            self._settle(tx, Entered(moved.order, patient), "order_cancelled", actor)
        return Entered(moved.order, patient, notices=moved.notices)

    def _known(self, tx: WriteTx, repeat: Repeat | None, actor: str) -> Entered | None:
        """Return the order of a key that came before. Raises: Incomplete, if it came with another order."""
        known = order_entries.find(tx, actor, repeat.key) if repeat is not None and repeat.key else None
        if known is None or repeat is None:
            return None
        if known.digest != repeat.digest:
            raise Incomplete(
                "this key came with another order before: a new order needs a new key",
                code=KEY_USED,
                where="Idempotency-Key",
            )
        order = orders.get(tx, known.order_key)
        return Entered(order, patients.survivor(tx, order.patient_key))

    def _apply(self, tx: WriteTx, typed: TypedOrder, found: Order | None, actor: str) -> Entered:
        now = self._clock.now()
        news = News("typed", now, now, is_order=True)
        try:
            patient = self._patient(tx, typed, found, news)
            told = self._told(news, patient, actor)
            if typed.visit is not None:
                visit_news = VisitNews(typed.visit, news, patient.primary)
                recorded = record_visit(tx, patient, visit_news)
                visit = replace(typed.visit, admission_id=recorded.admission_id)
                told = replace(told, patient=recorded.patient, visit=visit)
            if found is not None and self._is_known(tx, typed, found, told):
                return Entered(found, told.patient, notices=[Notice("I", "the order says all of it already")])
            scheduled = self._schedule(tx, typed.order, found, told)
        except BridgeError as fault:
            raise _in_our_words(fault) from None
        assert scheduled.order is not None
        entered = Entered(scheduled.order, told.patient, found is None, True, scheduled.notices)
        self._look_at_studies(tx, scheduled, news, actor)
        self._settle(tx, entered, "order_entered" if found is None else "order_changed", actor)
        return entered

    def _is_known(self, tx: WriteTx, typed: TypedOrder, found: Order, told: OrderNews) -> bool:
        """Say whether nothing of what was typed is news."""
        if patients.survivor(tx, found.patient_key).key != told.patient.key:
            return False
        named = typed.order.authorizations
        if any(authorizations.find(tx, one.payer_id, one.number) is None for one in named):
            return False
        if typed.visit is not None and typed.visit.admission_id and typed.visit.admission_id != found.admission_id:
            return False
        return is_known(typed.order, found, orders.steps_of(tx, found.key))

    def _schedule(self, tx: WriteTx, draft: OrderDraft, found: Order | None, told: OrderNews) -> Scheduled:
        if found is not None and draft.action == OrderAction.CHANGE:
            return keep_order(tx, found, draft, told, self._rules)
        return schedule_order(tx, draft, told, self._rules)

    def _patient(self, tx: WriteTx, typed: TypedOrder, found: Order | None, news: News) -> Patient:
        draft = typed.patient
        known = patients.survivor(tx, found.patient_key) if found is not None else None
        if draft is None or (not draft.identifiers and known is not None):
            assert known is not None
            if draft is not None and not typed.confirmed:
                self._check_person(tx, known, draft)
            return known
        if not draft.identifiers:
            draft = replace(draft, identifiers=(self._number_for_now(),), provisional=True)
        holder = patients.find(tx, draft.identifiers[0])
        if holder is None and not draft.patient_name:
            raise Incomplete(
                "nobody here has this number: a name is needed with it", code="missing", where="patient.name"
            )
        if holder is not None and typed.confirmed:
            draft = PatientDraft(draft.identifiers, findings=draft.findings)
        elif holder is not None:
            self._check_person(tx, holder, draft)
            draft = _of_known(holder, draft)
        registered = register_patient(tx, draft, news, self._rules)
        if registered.changed and holder is not None:
            refresh_worklist_of_patient(tx, registered.patient.key)
        return registered.patient

    def _check_person(self, tx: ReadTx, holder: Patient, draft: PatientDraft) -> None:
        if is_contradicted(record_of(tx, holder), draft, self._rules):
            raise Conflict(
                "name or birth date are not those of the patient with this number: look at the number, or confirm"
                " that this is the patient",
                code="another_person",
                where="patient",
            )

    def _number_for_now(self) -> PatientIdentifier:
        """Return a number for somebody whose own is not known. Source: HL7 table 0203 (MRT, temporary)."""
        return PatientIdentifier(f"TEMP-{self._clock.new_id()[-8:].upper()}", self._rules.authority, "MRT")

    def _check_steps(self, tx: WriteTx, found: Order, draft: OrderDraft) -> None:
        """Refuse what is said of a step where nobody can say which one is meant."""
        if not draft.steps or "scheduled_procedure_step_id" not in draft.derived:
            return
        open_steps = [step for step in orders.steps_of(tx, found.key) if step.status not in FINAL]
        if open_steps and len(open_steps) != len(draft.steps):
            raise Incomplete("the order has several steps: name each by its id", code="missing", where="steps")

    def _told(self, news: News, patient: Patient, actor: str) -> OrderNews:
        return OrderNews(patient, news, self._clock.new_uid, self._stations_for, by=actor, source_kind="user")

    def _look_at_studies(self, tx: WriteTx, scheduled: Scheduled, news: News, actor: str) -> None:
        """Let reports find the order; where it went to another patient, what was bound by it waits for a person."""
        order = scheduled.order
        assert order is not None
        found = reports.waiting_for(tx, order)
        if scheduled.moved_from is not None:
            found += reports.of_orders(tx, [order.key])
            how = Deciding(self._rules, self._destinations, news.heard_at, cause=actor)
            for study in studies.of_order(tx, order.key):
                if study.is_bound:
                    withdraw(tx, study, "XO", "The order was moved to another patient.", how, actor="XO")
        look_again(tx, found, ReportNews(news, self._rules, actor, source_kind="user"))

    def _settle(self, tx: WriteTx, entered: Entered, action: str, actor: str) -> None:
        now: datetime = self._clock.now()
        how = Deciding(self._rules, self._destinations, now, cause=actor)
        decide_after(tx, [entered.patient.key], [entered.order.key], how)
        audit.add(tx, at=now, action=action, actor=actor, patient_key=entered.patient.key, order_key=entered.order.key)


def _of_known(holder: Patient, draft: PatientDraft) -> PatientDraft:
    """Return *draft* without who it says the patient is, where that is on record: who types an order renames nobody."""
    return replace(
        draft,
        patient_name=draft.patient_name if not holder.patient_name else None,
        patient_birth_date=draft.patient_birth_date if not holder.patient_birth_date else None,
        patient_sex=draft.patient_sex if not holder.patient_sex else None,
    )


def _numbers_of(found: Order, draft: OrderDraft) -> OrderDraft:
    """Return *draft* as news about *found*, which keeps the numbers that are not said anew."""
    return replace(
        draft,
        order_control="XO",
        action=OrderAction.CHANGE,
        accession_number=draft.accession_number or found.accession_number,
        issuer_of_accession_number=draft.issuer_of_accession_number or found.issuer_of_accession_number,
        placer_order_number=draft.placer_order_number or found.placer_order_number,
        filler_order_number=draft.filler_order_number or found.filler_order_number,
    )


def _in_our_words(fault: BridgeError) -> BridgeError:
    """Return *fault* with its place as whoever typed the order calls it."""
    fault.where = _PLACES.get(fault.where, fault.where)
    return fault
