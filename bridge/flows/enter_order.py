"""What a person or a program types in: an order without HL7, an authorization without an order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bridge.clock import Clock
from bridge.domain.claim import Authorization, AuthorizationLine
from bridge.domain.identifiers import PatientIdentifier, check_accession_number
from bridge.domain.order import OrderDraft
from bridge.domain.patient import Patient, PatientDraft
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Conflict, Incomplete
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_after
from bridge.flows.file_report import ReportNews, look_again
from bridge.flows.refresh_worklist import OrderNews
from bridge.flows.register_patient import News, register_patient
from bridge.flows.schedule_order import schedule_order
from bridge.store import audit, authorizations, events, orders, patients, reports
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station


@dataclass(frozen=True, slots=True)
class TypedAuthorization:
    """An authorization as typed. payer: the payer's id. patient: whose; accession_number: for which order, "" for none."""

    number: str
    payer: str
    patient: PatientIdentifier
    accession_number: str = ""
    lines: tuple[AuthorizationLine, ...] = ()


class Entry:
    """Takes in what is typed."""

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

    def enter_order(self, draft: OrderDraft, patient: PatientDraft, actor: str) -> str:
        """
        Create an order and return its accession number, made up where none was typed.

        Raises: Incomplete, Malformed, Conflict, as for an order by HL7.
        """
        now = self._clock.now()
        draft = self._numbered(draft)
        news = News("typed", now, now, is_order=True)
        with self._store.write() as tx:
            lock(tx, "identity")
            registered = register_patient(tx, self._with_issuers(patient), news, self._rules)
            told = OrderNews(
                registered.patient, news, self._clock.new_uid, self._stations_for, by=actor, source_kind="user"
            )
            order = schedule_order(tx, draft, told, self._rules).order
            assert order is not None
            look_again(tx, reports.waiting_for(tx, order), ReportNews(news, self._rules, actor, source_kind="user"))
            how = Deciding(self._rules, self._destinations, now, cause=actor)
            decide_after(tx, [registered.patient.key], [order.key], how)
            audit.add(
                tx,
                at=now,
                action="order_entered",
                actor=actor,
                patient_key=registered.patient.key,
                order_key=order.key,
            )
        return order.accession_number

    def enter_authorization(self, typed: TypedAuthorization, actor: str) -> int:
        """
        Store an authorization and return its key.

        Raises: Incomplete without number or payer; Conflict, if patient or order is unknown, or it exists.
        """
        if not typed.number.strip() or not typed.payer.strip():
            raise Incomplete("number and payer are needed", code="missing", where="number")
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            patient = self._holder(tx, typed.patient)
            order_key = self._order_of(tx, patient, typed.accession_number) if typed.accession_number else None
            if authorizations.find(tx, typed.payer, typed.number) is not None:
                raise Conflict("this payer's authorization is known already", code="duplicate", where="number")
            blank = Authorization(
                key=0,
                number=typed.number,
                payer_id=typed.payer,
                payer_name="",
                patient_key=patient.key,
                order_key=order_key,
                lines=typed.lines,
                source=actor,
            )
            made = authorizations.add(tx, blank, now)
            if order_key is not None:
                what = f"Authorization {typed.number} entered"
                events.add(
                    tx, Event(now, Station.AUTHORIZATION, what, actor, "authorization", str(made.key), order_key)
                )
            audit.add(tx, at=now, action="authorization_entered", actor=actor, patient_key=patient.key)
        return made.key

    def _holder(self, tx: WriteTx, identifier: PatientIdentifier) -> Patient:
        issuer = identifier.issuer_of_patient_id or self._rules.authority
        holder = patients.find(tx, PatientIdentifier(identifier.patient_id, issuer))
        if holder is None:
            raise Conflict("no such patient", code="unknown", where="patient")
        return patients.survivor(tx, holder.key)

    def _order_of(self, tx: WriteTx, patient: Patient, accession_number: str) -> int:
        for one in orders.by_accession(tx, accession_number):
            if patients.survivor(tx, one.patient_key).key == patient.key:
                return one.key
        raise Conflict("this patient has no such order", code="unknown", where="accession_number")

    def _numbered(self, draft: OrderDraft) -> OrderDraft:
        """Give an order the numbers it was not typed with: a clinic without an order system has none."""
        accession = draft.accession_number or self._clock.new_id()[:12].upper()
        check_accession_number(accession, "accession_number")
        if not draft.steps:
            raise Incomplete("no step", code="missing", where="steps")
        numbered = tuple(
            step
            if step.scheduled_procedure_step_id
            else replace(step, scheduled_procedure_step_id=f"{accession[:13]}-{n}" if n > 1 else accession)
            for n, step in enumerate(draft.steps, start=1)
        )
        return replace(
            draft,
            order_control="NW",
            accession_number=accession,
            issuer_of_accession_number=draft.issuer_of_accession_number or self._rules.authority,
            requested_procedure_id=draft.requested_procedure_id or accession,
            steps=numbered,
        )

    def _with_issuers(self, patient: PatientDraft) -> PatientDraft:
        return replace(
            patient,
            identifiers=tuple(
                one if one.issuer_of_patient_id else replace(one, issuer_of_patient_id=self._rules.authority)
                for one in patient.identifiers
            ),
        )
