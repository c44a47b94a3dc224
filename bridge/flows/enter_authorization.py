"""An authorization as somebody types it, with or without an order; and what people say of those that came otherwise."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.domain.authorization import ASKED_ANEW, WAITS_FOR_PAYER, Authorization, AuthorizationStatus
from bridge.domain.authorization_links import LinkRule
from bridge.domain.authorization_news import AuthorizationNews, drafted_anew
from bridge.domain.authorization_rules import AuthorizationRules
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.reason import require_reason
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.errors import Conflict, Incomplete
from bridge.flows.link_authorizations import link_order
from bridge.flows.take_authorization_news import Taken, Taking, assign_news, take_authorization_news
from bridge.store import audit, authorization_links, authorizations, events, news, orders, patients
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.events import Event, Station

# TRN02, X12 005010X217.
_TRACE_MAX = 50
_UNDECIDED = WAITS_FOR_PAYER | {AuthorizationStatus.DRAFT}


class AuthorizationEntry:
    """Takes in authorizations that came by phone, fax or portal, and what people decide about others."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules

    @property
    def rules(self) -> AuthorizationRules:
        """What authorizations are timed, linked and compared by."""
        return self._rules.authorizations

    def enter(self, said: AuthorizationNews, actor: str) -> int:
        """
        Store an authorization that a person typed and return its key. said.patient_numbers: whose, one of them.

        Raises: Incomplete without a patient; Conflict, if patient or order is unknown, or its number is known already.
        """
        now = self._clock.now()
        if not said.patient_numbers:
            raise Incomplete("required", code="missing", where="patient")
        with self._store.write() as tx:
            lock(tx, "identity")
            patient = self._holder(tx, said.patient_numbers[0])
            order = self._order_of(tx, patient, said.accession_number) if said.accession_number else None
            if said.number and authorizations.find(tx, said.payer_id, said.number) is not None:
                raise Conflict("this payer's authorization is known already", code="duplicate", where="number")
            taken = take_authorization_news(tx, said, Taking(self._rules, now, actor, order, patient.key))
            if taken.authorization is None or not taken.is_new:
                raise Conflict(taken.why or "it is known already", code="duplicate", where="number")
            detail = {"authorization": taken.authorization.key}
            audit.add(tx, at=now, action="authorization_entered", actor=actor, patient_key=patient.key, detail=detail)
            return taken.authorization.key

    def add_answer(self, authorization_key: int, said: AuthorizationNews, actor: str) -> Authorization:
        """
        Add what a person was told of an authorization that is known; what was said before stays in its history.

        Raises: LookupError; Conflict, if it names another payer or number.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            one = authorizations.get(tx, authorization_key)
            said = replace(
                said,
                payer_id=one.payer_id,
                number=said.number or one.number,
                trace=said.trace or one.trace,
                administrative_reference=said.administrative_reference or one.administrative_reference,
            )
            owner = patients.survivor(tx, one.patient_key).key
            # What is a draft yet has no number by which it could be found.
            taking = Taking(self._rules, now, actor, patient_key=owner, about=one.key)
            taken = None if _is_anothers(tx, one, said) else take_authorization_news(tx, said, taking)
            if taken is None or taken.authorization is None or taken.authorization.key != authorization_key:
                raise Conflict("this is said of another authorization", code="other_authorization", where="number")
            detail = {"authorization": authorization_key}
            audit.add(tx, at=now, action="authorization_answered", actor=actor, patient_key=owner, detail=detail)
            return taken.authorization

    def ask_anew(self, authorization_key: int, reason: str, actor: str) -> int:
        """
        Draft a request of its own for what was denied, or is over, with its lines and orders; returns its key.

        What was said of the old one stays as it is. Raises: LookupError; Conflict, if that is not over, or the same is asked for
        by another that is not decided; Incomplete without reason.
        """
        require_reason(reason)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            one = authorizations.get(tx, authorization_key)
            if one.status not in ASKED_ANEW:
                raise Conflict("it is not over: change it, or end it first", code="not_over")
            owner = patients.survivor(tx, one.patient_key).key
            if self._is_asked_for(tx, one, owner):
                raise Conflict("the same is asked for already, by one that is not decided", code="duplicate")
            said = drafted_anew(one, actor, now)
            taken = take_authorization_news(tx, said, Taking(self._rules, now, actor, patient_key=owner))
            if taken.authorization is None or not taken.is_new:
                raise Conflict(taken.why or "it was asked for anew already", code="duplicate")
            for link in authorization_links.of_authorization(tx, one.key):
                order, by_hand = orders.get(tx, link.order_key), LinkRule.BY_HAND
                link_order(tx, taken.authorization, order, by_hand, self._rules, by=actor, at=now, line=link.line)
            detail = {"authorization": taken.authorization.key, "anew": one.key, "reason": reason}
            audit.add(tx, at=now, action="authorization_asked_anew", actor=actor, patient_key=owner, detail=detail)
            return taken.authorization.key

    def _is_asked_for(self, tx: ReadTx, one: Authorization, owner: int) -> bool:
        """Say whether the same services of the same exams are asked of the same payer by one that waits for its answer, or to leave."""
        asks = self._asks(tx, one)
        theirs = authorizations.of_patients(tx, [owner, *patients.merged_into(tx, owner)])
        return any(other.status in _UNDECIDED and self._asks(tx, other) == asks for other in theirs)

    def _asks(self, tx: ReadTx, one: Authorization) -> tuple[object, ...]:
        exams = frozenset(link.order_key for link in authorization_links.of_authorization(tx, one.key))
        services = frozenset(
            (line.code, line.modifiers, line.service_from) for line in one.lines if line.decision != "C"
        )
        return one.payer_id, one.payer_name, services, exams

    def name_trace(self, authorization_key: int, trace: str, actor: str) -> Authorization:
        """
        Say under which trace (TRN02) the payer has what was not asked for from here.

        Raises: LookupError; Conflict, if it is another authorization's; Incomplete without one, or for one that no TRN02 is.
        """
        if not 0 < len(trace.strip()) <= _TRACE_MAX:
            raise Incomplete(f"a trace of 1 to {_TRACE_MAX} characters is wanted", code="missing", where="trace")
        return self.add_answer(
            authorization_key, AuthorizationNews(actor, self._clock.now(), trace=trace.strip()), actor
        )

    def assign(self, news_key: int, patient: PatientIdentifier, actor: str) -> Taken:
        """Say whose waiting news are. Raises: LookupError; Conflict, if nobody has that number, or they wait for nobody."""
        with self._store.write() as tx:
            lock(tx, "identity")
            holder = self._holder(tx, patient)
            return assign_news(tx, news_key, holder.key, Taking(self._rules, self._clock.now(), actor))

    def link(self, authorization_key: int, accession_number: str, line: str, actor: str) -> None:
        """
        Put an order of the same patient under an authorization. line: what its line is named by, "" where its code tells.

        Raises: LookupError; Conflict, if the patient has no such order.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            one = authorizations.get(tx, authorization_key)
            owner = patients.survivor(tx, one.patient_key)
            order = self._order_of(tx, owner, accession_number)
            link_order(tx, one, order, LinkRule.BY_HAND, self._rules, by=actor, at=now, line=line)
            detail = {"authorization": authorization_key, "order": order.key}
            audit.add(tx, at=now, action="authorization_linked", actor=actor, patient_key=owner.key, detail=detail)

    def unlink(self, authorization_key: int, link_key: int, reason: str, actor: str) -> None:
        """
        Take an order from under an authorization; no rule puts it there again.

        Raises: LookupError; Conflict, if it is not there any more; Incomplete without reason.
        """
        require_reason(reason)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            link = authorization_links.get(tx, link_key)
            if link.authorization_key != authorization_key:
                raise LookupError("no such link")
            if link.ended_at is not None:
                raise Conflict("the order is not under this authorization any more", code="ended")
            authorization_links.end(tx, link_key, actor, reason, now)
            one = authorizations.get(tx, authorization_key)
            if one.order_key == link.order_key:
                rest = authorization_links.of_authorization(tx, authorization_key)
                authorizations.file_with(tx, authorization_key, rest[0].order_key if rest else None)
            news.look_at(tx, news.AUTHORIZATION, authorization_key, now)
            what = f"Authorization {one.name} taken from the order: {reason}"
            source = ("authorization", str(one.key))
            events.add(tx, Event(now, Station.AUTHORIZATION, what, actor, *source, link.order_key))
            detail = {"authorization": authorization_key, "order": link.order_key}
            audit.add(tx, at=now, action="authorization_unlinked", actor=actor, detail=detail)

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


def _is_anothers(tx: ReadTx, one: Authorization, said: AuthorizationNews) -> bool:
    """Say whether a number of what is said is another authorization's of the same payer."""
    named = (
        (said.number, ("number", "reference")),
        (said.administrative_reference, ("reference", "number")),
        (said.trace, ("trace",)),
    )
    known = (
        each for number, kinds in named if number for each in authorizations.known_as(tx, one.payer_id, number, kinds)
    )
    return any(each.key != one.key for each in known)
