"""An authorization as somebody types it, with or without an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.clock import Clock
from bridge.domain.authorization import AuthorizationLine
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Conflict, Incomplete
from bridge.flows.take_authorization_news import Taking, take_authorization_news
from bridge.store import audit, authorizations, orders, patients
from bridge.store.db import Store, WriteTx, lock


@dataclass(frozen=True, slots=True)
class TypedAuthorization:
    """
    An authorization as typed. payer: the payer's id. patient: whose; accession_number: for which order, "" for none.

    decision: what the payer told a person (HCR01), "" for nothing. further: what else they told, under its own names.
    """

    number: str
    payer: str
    patient: PatientIdentifier
    accession_number: str = ""
    lines: tuple[AuthorizationLine, ...] = ()
    decision: str = ""
    further: Mapping[str, Any] = field(default_factory=dict)


class AuthorizationEntry:
    """Takes in authorizations that came by phone, fax or portal."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules

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
            order = self._order_of(tx, patient, typed.accession_number) if typed.accession_number else None
            if authorizations.find(tx, typed.payer, typed.number) is not None:
                raise Conflict("this payer's authorization is known already", code="duplicate", where="number")
            said = AuthorizationNews(
                source=actor,
                said_at=now,
                kind=NewsKind.ANSWERED if typed.decision else NewsKind.NAMED,
                payer_id=typed.payer.strip(),
                number=typed.number.strip(),
                decision=typed.decision,
                lines=typed.lines,
                **typed.further,
            )
            taking = Taking(self._rules, now, actor, order, patient.key)
            taken = take_authorization_news(tx, said, taking)
            assert taken.authorization is not None
            audit.add(tx, at=now, action="authorization_entered", actor=actor, patient_key=patient.key)
        return taken.authorization.key

    def _holder(self, tx: WriteTx, identifier: PatientIdentifier) -> Patient:
        issuer = identifier.issuer_of_patient_id or self._rules.authority
        holder = patients.find(tx, PatientIdentifier(identifier.patient_id, issuer))
        if holder is None:
            raise Conflict("no such patient", code="unknown", where="patient")
        return patients.survivor(tx, holder.key)

    def _order_of(self, tx: WriteTx, patient: Patient, accession_number: str) -> Order:
        for one in orders.by_accession(tx, accession_number):
            if patients.survivor(tx, one.patient_key).key == patient.key:
                return one
        raise Conflict("this patient has no such order", code="unknown", where="accession_number")
