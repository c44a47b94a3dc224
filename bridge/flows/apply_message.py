"""What a mapped message changes: patients, merges, visits, orders, and every study that any of it touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.evidence import OrderRecord
from bridge.domain.message import Notice
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.flows.announce import Destinations
from bridge.flows.book_appointment import book_appointment
from bridge.flows.decide_study import Deciding, Known, decide_after, withdraw
from bridge.flows.file_report import Filed, ReportNews, file_report, look_again
from bridge.flows.merge_patients import merge_patients
from bridge.flows.refresh_worklist import OrderNews, Scheduled, refresh_worklist_of_patient
from bridge.flows.register_patient import News, Registered, register_patient
from bridge.flows.schedule_order import schedule_orders
from bridge.mapping.apply import Mapped
from bridge.store import events, merges, patients, reports, studies
from bridge.store.blobs import FolderBlobs
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
    known: Known = field(default_factory=Known)
    reported_orders: list[int] = field(default_factory=list)
    report_versions: list[int] = field(default_factory=list)


class MessageApplier:
    """Applies mapped messages inside the receiver's transaction."""

    def __init__(
        self,
        clock: Clock,
        rules: ReconcileRules,
        destinations: Destinations,
        stations_for: Callable[[str], tuple[str, ...]],
        blobs: FolderBlobs,
    ) -> None:
        self._clock = clock
        self._rules = rules
        self._destinations = destinations
        self._stations_for = stations_for
        self._blobs = blobs

    def apply(self, tx: WriteTx, mapped: Mapped, now: datetime, sender: str, *, is_test: bool = False) -> Applied:
        """
        Apply *mapped*.

        Raises: a BridgeError, with nothing to keep: the caller rolls its savepoint back.
        """
        applied = Applied(now)
        event = mapped.event.partition("^")[2]
        news = News(event, mapped.message_at or now, now, is_order=bool(mapped.orders or mapped.appointments))
        for draft in mapped.merges:
            registered, merge_key = merge_patients(tx, draft, news)
            applied.merge_keys += [merge_key] if merge_key is not None else []
            self._note(applied, registered)
        reported = ReportNews(news, self._rules, sender, is_test)
        self._file_reports(tx, mapped, reported, applied)
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
            self._find_reports(tx, scheduled, reported, applied)
        for appointment in mapped.appointments:
            self._note_order(tx, applied, book_appointment(tx, appointment, told, self._rules))
        return applied

    def settle(self, tx: WriteTx, applied: Applied, message_key: int) -> None:
        """Once the message has its row: name it in the merges, refresh the worklist, and decide what it touches."""
        merges.name_message(tx, applied.merge_keys, message_key)
        touched = [order.key for order in applied.touched_orders]
        events.name_message(tx, dict.fromkeys([*touched, *applied.reported_orders]), message_key)
        reports.name_message(tx, applied.report_versions, message_key)
        how = Deciding(self._rules, self._destinations, applied.at, cause=f"message:{message_key}")
        for study_key, rule, sentence in applied.in_question:
            study = studies.get(tx, study_key)
            if study.is_bound:
                withdraw(tx, study, rule, sentence, how, actor=rule)
        done = {order.key for order in applied.touched_orders}
        new = {record.key for record in applied.known.patients}
        for patient_key in dict.fromkeys(applied.touched_patients):
            if patient_key not in new:
                refresh_worklist_of_patient(tx, patient_key, done)
        patients_of_orders = [order.patient_key for order in applied.touched_orders]
        order_keys = [order.key for order in applied.touched_orders]
        decide_after(tx, [*applied.touched_patients, *patients_of_orders], order_keys, how, applied.known)

    def _register(self, tx: WriteTx, mapped: Mapped, news: News, applied: Applied) -> Patient | None:
        if mapped.patient is None:
            return None
        registered = register_patient(tx, mapped.patient, news, self._rules)
        self._note(applied, registered)
        if registered.record is not None and not mapped.merges:
            applied.known.patients.append(registered.record)
        if registered.became_another:
            applied.in_question += [
                (study.key, "A08", "The record's name and birth date became another person's.")
                for study in studies.of_patient(tx, registered.patient.key)
            ]
        return registered.patient

    def _file_reports(self, tx: WriteTx, mapped: Mapped, told: ReportNews, applied: Applied) -> None:
        for draft in mapped.reports:
            self._note_report(applied, file_report(tx, draft, told, self._blobs))
        for survivor_key in applied.touched_patients if mapped.merges else ():
            same = patients.get_many(tx, [survivor_key, *patients.merged_into(tx, survivor_key)])
            about = reports.waiting_about(tx, [number for one in same for number in one.identifiers])
            for filed in look_again(tx, about, told):
                self._note_report(applied, filed)

    def _find_reports(self, tx: WriteTx, scheduled: Scheduled, told: ReportNews, applied: Applied) -> None:
        """A new order may be the one that reports wait for; one that was moved leaves its reports with their patient."""
        order = scheduled.order
        if order is None:
            return
        found = reports.waiting_for(tx, order) if order.ordered_at == applied.at else []
        if scheduled.moved_from is not None:
            found += reports.of_orders(tx, [order.key])
        for filed in look_again(tx, found, told) if found else ():
            self._note_report(applied, filed)

    def _note_report(self, applied: Applied, filed: Filed) -> None:
        applied.notices += filed.notices
        applied.report_versions += [filed.version_key] if filed.version_key is not None else []
        if filed.report is None or filed.report.patient_key is None:
            return
        applied.patient_key = filed.report.patient_key
        applied.subjects.append((filed.report.patient_key, filed.report.order_key))
        if filed.report.order_key is not None:
            applied.reported_orders.append(filed.report.order_key)

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
        if scheduled.steps is not None:
            applied.known.orders.append(OrderRecord(scheduled.order, scheduled.steps))
        if scheduled.moved_from is not None:
            applied.in_question += [
                (study.key, "XO", "The order was moved to another patient.")
                for study in studies.of_order(tx, scheduled.order.key)
            ]
