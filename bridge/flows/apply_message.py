"""What a mapped message changes: patients, who is who, visits, orders, and every study that any of it touches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.adt_events import IdentityChange, adt_event
from bridge.domain.details import OrderDetails
from bridge.domain.evidence import OrderRecord
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.identity_draft import MoveDraft
from bridge.domain.message import Notice
from bridge.domain.order import Order
from bridge.domain.patient import Patient, VisitDraft
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.flows.announce import Destinations
from bridge.flows.book_appointment import book_appointment
from bridge.flows.decide_study import Deciding, Known, decide_after, withdraw
from bridge.flows.decide_without import decide_apart
from bridge.flows.delete_record import delete_record
from bridge.flows.file_report import Filed, ReportNews, file_report, look_again
from bridge.flows.follow_attachments import authorizations_moved
from bridge.flows.follow_holdings import identity_changed, people_parted
from bridge.flows.journal_change import Changed
from bridge.flows.keep_lab_result import keep_lab_result
from bridge.flows.keep_note import keep_note
from bridge.flows.link_patients import link_patients
from bridge.flows.merge_patients import merge_patients
from bridge.flows.move_number import change_number, move_number
from bridge.flows.move_visits import move_visits
from bridge.flows.record_visit import Recorded, VisitNews, record_visit
from bridge.flows.refresh_worklist import OrderNews, Scheduled, refresh_worklist_of_patient
from bridge.flows.register_patient import News, Registered, register_patient
from bridge.flows.schedule_order import schedule_orders
from bridge.flows.take_authorization_news import NewsOutcome, Taking, take_authorization_news
from bridge.flows.tell_archives import Said, changes_told, corrections_told
from bridge.mapping.apply import Mapped
from bridge.store import (
    authorization_links,
    clinical_notes,
    coverages,
    events,
    lab_results,
    merges,
    orders,
    patients,
    reports,
    studies,
)
from bridge.store import news as looks
from bridge.store.blobs import Blobs
from bridge.store.db import WriteTx


@dataclass(slots=True)
class Applied:
    """
    What one message did. subjects: the (patient, order) rows it touched; told_orders: those whose timeline got a line.

    in_question: the studies to withdraw once the message has its row, each with the rule and the sentence. parted: a live
    patient, the merged records that are said to be other people's, and since when they were not. said_at: by the sender's
    clock. corrected: whose name, birth date or sex changed.
    """

    at: datetime
    patient_key: int | None = None
    notices: list[Notice] = field(default_factory=list)
    subjects: list[tuple[int | None, int | None]] = field(default_factory=list)
    touched_patients: list[int] = field(default_factory=list)
    touched_orders: list[Order] = field(default_factory=list)
    told_orders: list[int] = field(default_factory=list)
    merge_keys: list[int] = field(default_factory=list)
    in_question: list[tuple[int, str, str]] = field(default_factory=list)
    parted: list[tuple[int, tuple[int, ...], datetime]] = field(default_factory=list)
    known: Known = field(default_factory=Known)
    reported_orders: list[int] = field(default_factory=list)
    report_versions: list[int] = field(default_factory=list)
    lab_results: list[int] = field(default_factory=list)
    notes: list[int] = field(default_factory=list)
    said_at: datetime | None = None
    corrected: list[int] = field(default_factory=list)
    is_test: bool = False


class MessageApplier:
    """Applies mapped messages inside the receiver's transaction."""

    def __init__(
        self,
        clock: Clock,
        rules: ReconcileRules,
        destinations: Destinations,
        stations_for: Callable[[str], tuple[str, ...]],
        blobs: Blobs,
    ) -> None:
        self._clock = clock
        self._rules = rules
        self._destinations = destinations
        self._stations_for = stations_for
        self._blobs = blobs

    def keep_documents(self, mapped: Mapped) -> None:
        """
        Keep the documents that *mapped* brings, before the transaction that names them; what none names is swept.

        Raises: Unavailable, if one cannot be kept.
        """
        for files in (*(one.files for one in mapped.reports), *(one.files for one in mapped.notes)):
            for digest, content in files.items():
                self._blobs.keep_bytes(content, digest)

    def apply(self, tx: WriteTx, mapped: Mapped, now: datetime, sender: str, *, is_test: bool = False) -> Applied:
        """
        Apply *mapped*.

        Raises: a BridgeError, with nothing to keep: the caller rolls its savepoint back.
        """
        applied = Applied(now, said_at=mapped.message_at, is_test=is_test)
        event = mapped.event.partition("^")[2]
        news = News(event, mapped.message_at or now, now, is_order=bool(mapped.orders or mapped.appointments))
        self._change_identity(tx, mapped, news, applied)
        reported = ReportNews(news, self._rules, sender, is_test)
        self._keep_facts(tx, mapped, reported, applied)
        self._file_reports(tx, mapped, reported, applied)
        patient = self._register(tx, mapped, news, applied)
        if patient is None:
            return applied
        for insured in mapped.coverages:
            if coverages.put(tx, patient.key, insured, sender, news.said_at):
                authorization_links.look_at_patient(tx, [patient.key], now)
        told = self._record_visit(tx, mapped, news, applied, patient)
        told = replace(told, is_test=is_test, by=sender)
        for scheduled in schedule_orders(tx, mapped.orders, told, self._rules):
            self._note_order(tx, applied, scheduled)
            self._find_reports(tx, scheduled, reported, applied)
        for appointment in mapped.appointments:
            scheduled = book_appointment(tx, appointment, told, self._rules)
            self._note_order(tx, applied, scheduled)
            self._find_reports(tx, scheduled, reported, applied)
        self._take_authorizations(tx, mapped, told, applied)
        return applied

    def _take_authorizations(self, tx: WriteTx, mapped: Mapped, told: OrderNews, applied: Applied) -> None:
        """Take in what a referral says of authorizations; what a person must say whose it is waits with a notice."""
        for said in mapped.authorizations:
            named = replace(said, source=told.by or "HL7", said_at=told.news.said_at)
            taking = Taking(self._rules, told.news.heard_at, told.by, patient_key=told.patient.key)
            taken = take_authorization_news(tx, named, taking)
            if taken.outcome == NewsOutcome.WAITS:
                applied.notices.append(Notice("W", taken.why, "AUT-6"))
            if taken.authorization is not None:
                applied.subjects.append((told.patient.key, taken.authorization.order_key))

    def _change_identity(self, tx: WriteTx, mapped: Mapped, news: News, applied: Applied) -> None:
        """Apply merges, moves and links, in the order of the message; one that is refused takes all of them back."""
        for merge in mapped.merges:
            self._note_change(tx, applied, merge_patients(tx, merge, news))
        for move in mapped.moves:
            changed = _MOVES[move.change](tx, move, news)
            applied.touched_orders += [orders.get(tx, key) for key in changed.order_keys]
            self._note_change(tx, applied, changed)
        for link in mapped.links:
            self._note_change(tx, applied, link_patients(tx, link, news))

    def _record_visit(self, tx: WriteTx, mapped: Mapped, news: News, applied: Applied, patient: Patient) -> OrderNews:
        """Record the visit and return what the message's orders come with: a visit that was moved since takes them along."""
        assert mapped.patient is not None
        number, visit = mapped.patient.identifiers[0], mapped.visit
        details = OrderDetails()
        if visit is not None:
            told = VisitNews(visit, news, number, mapped.arrived_on, mapped.cancels_exams)
            recorded = record_visit(tx, patient, told)
            applied.notices += recorded.notices
            applied.told_orders += [order.key for order in recorded.orders]
            patient, visit = recorded.patient, replace(visit, admission_id=_renumbered(visit, recorded))
            details = recorded.details
        return OrderNews(patient, news, self._clock.new_uid, self._stations_for, visit, details, number)

    def settle(self, tx: WriteTx, applied: Applied, message_key: int) -> None:
        """Once the message has its row: name it in the merges, refresh the worklist, and decide what it touches."""
        merges.name_message(tx, applied.merge_keys, message_key)
        told = [*applied.told_orders, *(order.key for order in applied.touched_orders), *applied.reported_orders]
        events.name_message(tx, dict.fromkeys(told), message_key)
        reports.name_message(tx, applied.report_versions, message_key)
        clinical_notes.name_message(tx, applied.notes, message_key)
        lab_results.name_message(tx, applied.lab_results, message_key)
        self.follow(tx, applied, f"message:{message_key}")

    def follow(self, tx: WriteTx, applied: Applied, cause: str) -> None:
        """Withdraw what is in question now, refresh the worklist, and decide what was touched."""
        how = Deciding(self._rules, self._destinations, applied.at, cause=cause)
        if not applied.is_test:
            said = Said(cause, applied.said_at or applied.at, applied.at)
            changes_told(tx, applied.merge_keys, self._destinations, said)
            corrections_told(tx, applied.corrected, self._destinations, said)
        for study_key, rule, sentence in applied.in_question:
            study = studies.get(tx, study_key)
            if study.is_bound:
                withdraw(tx, study, rule, sentence, how, actor=rule)
        for key in applied.merge_keys:
            identity_changed(tx, merges.get(tx, key), self._rules, applied.at)
        for live, retired, since in applied.parted:
            people_parted(tx, (live, *retired), self._rules, applied.at)
            decide_apart(tx, studies.of_patient(tx, live), retired, since, how)
        done = {order.key for order in applied.touched_orders if order.key not in applied.told_orders}
        new = {record.key for record in applied.known.patients}
        for patient_key in dict.fromkeys(applied.touched_patients):
            if patient_key not in new:
                refresh_worklist_of_patient(tx, patient_key, done)
                looks.look_at(tx, looks.PATIENT, patient_key, applied.at)
        patients_of_orders = [order.patient_key for order in applied.touched_orders]
        order_keys = [order.key for order in applied.touched_orders]
        decide_after(tx, [*applied.touched_patients, *patients_of_orders], order_keys, how, applied.known)
        if applied.merge_keys:
            authorizations_moved(tx, applied.touched_patients, self._destinations.claims, applied.at)

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
        if adt_event(news.event).identity == IdentityChange.DELETE and not registered.stale:
            deleted = delete_record(tx, registered.patient, news)
            applied.notices += deleted.notices
            applied.told_orders += [order.key for order in deleted.orders]
            return None
        return registered.patient

    def _file_reports(self, tx: WriteTx, mapped: Mapped, told: ReportNews, applied: Applied) -> None:
        for draft in mapped.reports:
            self._note_report(applied, file_report(tx, draft, told))
        for touched in applied.touched_patients if mapped.merges or mapped.moves else ():
            same = patients.get_many(tx, [touched, *patients.merged_into(tx, touched)])
            about = reports.waiting_about(tx, [number for one in same for number in one.identifiers])
            about += reports.of_orders(tx, [order.key for order in applied.touched_orders])
            for filed in look_again(tx, about, told):
                self._note_report(applied, filed)

    def _keep_facts(self, tx: WriteTx, mapped: Mapped, told: ReportNews, applied: Applied) -> None:
        for draft in mapped.labs:
            kept = keep_lab_result(tx, draft, told)
            applied.lab_results += [kept.key] if kept.key is not None else []
            self._note_fact(applied, kept.patient_key, kept.notice)
        for note in mapped.notes:
            taken = keep_note(tx, note, told)
            applied.notes += [taken.key] if taken.key is not None else []
            self._note_fact(applied, taken.patient_key, taken.notice)

    def _note_fact(self, applied: Applied, patient_key: int | None, notice: Notice | None) -> None:
        applied.notices += [notice] if notice is not None else []
        if patient_key is not None:
            applied.patient_key = applied.patient_key or patient_key
            applied.subjects.append((patient_key, None))

    def _find_reports(self, tx: WriteTx, scheduled: Scheduled, told: ReportNews, applied: Applied) -> None:
        """A new order, or a number it lacked, may be what reports wait for; one that was moved leaves its reports with their patient."""
        order = scheduled.order
        if order is None:
            return
        is_news = order.ordered_at == applied.at or scheduled.is_renumbered
        found = reports.waiting_for(tx, order) if is_news else []
        if scheduled.moved_from is not None:
            found += reports.of_orders(tx, [order.key])
        for filed in look_again(tx, found, told) if found else ():
            self._note_report(applied, filed)

    def _note_report(self, applied: Applied, filed: Filed) -> None:
        if filed.report is None and applied.lab_results:
            return  # its results are kept, so the journal does not have it alone
        applied.notices += filed.notices
        applied.report_versions += [filed.version_key] if filed.version_key is not None else []
        if filed.report is None or filed.report.patient_key is None:
            return
        applied.patient_key = filed.report.patient_key
        applied.subjects.append((filed.report.patient_key, filed.report.order_key))
        if filed.report.order_key is not None:
            applied.reported_orders.append(filed.report.order_key)

    def _note_change(self, tx: WriteTx, applied: Applied, changed: Changed) -> None:
        applied.patient_key = changed.patient.key
        applied.notices += changed.notices
        applied.subjects.append((changed.patient.key, None))
        applied.touched_patients += changed.touched
        applied.merge_keys += [changed.entry] if changed.entry is not None else []
        applied.told_orders += changed.order_keys
        applied.in_question += changed.held
        if changed.parted is not None:
            applied.parted.append((changed.patient.key, *changed.parted))

    def _note(self, applied: Applied, registered: Registered) -> None:
        applied.patient_key = registered.patient.key
        applied.notices += registered.notices
        applied.subjects.append((registered.patient.key, None))
        if registered.changed:
            applied.touched_patients.append(registered.patient.key)
        if registered.corrected:
            applied.corrected.append(registered.patient.key)

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


def _renumbered(visit: VisitDraft, recorded: Recorded) -> EntityIdentifier:
    """Return the number that a visit goes by now, as it was sent where it still does: with its authority's OID."""
    return visit.admission_id if visit.admission_id == recorded.admission_id else recorded.admission_id


_MOVES: Mapping[IdentityChange, Callable[[WriteTx, MoveDraft, News], Changed]] = {
    IdentityChange.MOVE_NUMBER: move_number,
    IdentityChange.CHANGE_NUMBER: change_number,
    IdentityChange.MOVE_ACCOUNT: move_visits,
    IdentityChange.MOVE_VISIT: move_visits,
    IdentityChange.CHANGE_ACCOUNT: move_visits,
}
