"""What a mapped message changes: patients, merges, visits, orders, and every study that any of it touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.message import Notice
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_after, withdraw
from bridge.flows.merge_patients import merge_patients
from bridge.flows.refresh_worklist import OrderNews, Scheduled, refresh_worklist_of_patient
from bridge.flows.register_patient import News, Registered, register_patient
from bridge.flows.schedule_order import schedule_orders
from bridge.mapping.apply import Mapped
from bridge.store import events, merges, patients, studies
from bridge.store.db import WriteTx


@dataclass(slots=True)
class Applied:
    """What one message did. subjects: the (patient, order) rows it touched; pending: what is decided once its row exists."""

    at: datetime
    patient_key: int | None = None
    notices: list[Notice] = field(default_factory=list)
    subjects: list[tuple[int | None, int | None]] = field(default_factory=list)
    touched_patients: list[int] = field(default_factory=list)
    touched_orders: list[Order] = field(default_factory=list)
    merge_keys: list[int] = field(default_factory=list)
    in_question: list[tuple[int, str, str]] = field(default_factory=list)


class MessageApplier:
    """Applies mapped messages inside the receiver's transaction."""

    def __init__(
        self,
        clock: Clock,
        rules: ReconcileRules,
        destinations: Destinations,
        stations_for: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._clock = clock
        self._rules = rules
        self._destinations = destinations
        self._stations_for = stations_for

    def apply(self, tx: WriteTx, mapped: Mapped, now: datetime, sender: str, *, is_test: bool = False) -> Applied:
        """
        Apply *mapped*.

        Raises: a BridgeError, with nothing to keep: the caller rolls its savepoint back.
        """
        applied = Applied(now)
        event = mapped.event.partition("^")[2]
        news = News(event, mapped.message_at or now, now, is_order=bool(mapped.orders))
        for draft in mapped.merges:
            registered, merge_key = merge_patients(tx, draft, news)
            applied.merge_keys += [merge_key] if merge_key is not None else []
            self._note(applied, registered)
        patient = self._register(tx, mapped, news, applied)
        if patient is None:
            return applied
        if mapped.visit is not None:
            patients.save_visit(tx, patient.key, mapped.visit, news.said_at)
        told = OrderNews(
            patient,
            news,
            self._clock.new_uid,
            self._stations_for,
            mapped.visit,
            is_test=is_test,
            by=sender,
        )
        for scheduled in schedule_orders(tx, mapped.orders, told, self._rules):
            self._note_order(tx, applied, scheduled)
        return applied

    def settle(self, tx: WriteTx, applied: Applied, message_key: int) -> None:
        """Once the message has its row: name it in the merges, refresh the worklist, and decide what it touches."""
        merges.name_message(tx, applied.merge_keys, message_key)
        events.name_message(tx, [order.key for order in applied.touched_orders], message_key)
        how = Deciding(self._rules, self._destinations, applied.at, cause=f"message:{message_key}")
        for study_key, rule, sentence in applied.in_question:
            study = studies.get(tx, study_key)
            if study.is_bound:
                withdraw(tx, study, rule, sentence, how, actor=rule)
        done = {order.key for order in applied.touched_orders}
        for patient_key in dict.fromkeys(applied.touched_patients):
            refresh_worklist_of_patient(tx, patient_key, done)
        patients_of_orders = [order.patient_key for order in applied.touched_orders]
        order_keys = [order.key for order in applied.touched_orders]
        decide_after(tx, [*applied.touched_patients, *patients_of_orders], order_keys, how)

    def _register(self, tx: WriteTx, mapped: Mapped, news: News, applied: Applied) -> Patient | None:
        if mapped.patient is None:
            return None
        registered = register_patient(tx, mapped.patient, news, self._rules)
        self._note(applied, registered)
        if registered.became_another:
            applied.in_question += [
                (study.key, "A08", "The record's name and birth date became another person's.")
                for study in studies.of_patient(tx, registered.patient.key)
            ]
        return registered.patient

    def _note(self, applied: Applied, registered: Registered) -> None:
        applied.patient_key = registered.patient.key
        applied.notices += registered.notices
        applied.subjects.append((registered.patient.key, None))
        if registered.changed:
            applied.touched_patients.append(registered.patient.key)

    def _note_order(self, tx: WriteTx, applied: Applied, scheduled: Scheduled) -> None:
        applied.notices += scheduled.notices
        if scheduled.order is None:
            return
        applied.subjects.append((scheduled.order.patient_key, scheduled.order.key))
        applied.touched_orders.append(scheduled.order)
        if scheduled.moved_from is not None:
            applied.in_question += [
                (study.key, "XO", "The order was moved to another patient.")
                for study in studies.of_order(tx, scheduled.order.key)
            ]
