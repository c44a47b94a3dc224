"""What a payer asks to see is taken in: whose it is, of which authorization, and whether it was asked for before.

A request is for an authorization only where its number leads to one alone, and member, name and birth date are that
patient's. Anything else waits for a person. Source: HL7 Da Vinci CDex, attachment requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from bridge.clock import Clock
from bridge.domain.authorization import Authorization
from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.birth_dates import BirthDateGrade
from bridge.domain.evidence_request import AskState, EvidenceRequest, in_words
from bridge.domain.member_id import MemberFit, MemberId, compare_members
from bridge.domain.name_grades import NameGrade
from bridge.domain.reason import require_reason
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import BridgeError, Conflict
from bridge.flows.find_insured import grades_of
from bridge.flows.follow_evidence import asked_changed
from bridge.flows.poll_orders import Poll, PolledServer
from bridge.mapping.attachment_requests import read_attachment_request
from bridge.mapping.fhir_fields import Resource
from bridge.outbox import enqueue
from bridge.sections.payer import Payer
from bridge.store import audit, authorizations, events, evidence_requests, patients, submissions
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.events import Event, Station

_log = structlog.get_logger(__name__)

_LIVE = frozenset({"requested", "received", "accepted", "in-progress", "on-hold", "ready"})
_BY_CLAIM = ("number", "reference", "trace", "line")


class EvidencePoll(Poll):
    """Asks payers for the Tasks by which they ask for attachments."""

    name = "evidence-poll"
    resource = "Task"
    includes = ()
    marked = "Task:"
    lease = "evidence"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        servers: Sequence[PolledServer],
        payers: Sequence[Payer],
        *,
        rules: ReconcileRules,
        owner: str,
    ) -> None:
        super().__init__(store, clock, servers, owner=owner)
        self._payers = {one.name: one for one in payers}
        self._rules = rules

    def _take(self, server: PolledServer, one: Mapping[str, Any], around: object) -> int:
        """Take one Task in; what cannot be read is logged by its place, and passed over."""
        payer = self._payers[server.name]
        zone = self._rules.authorizations.clock_of(payer.id).zone
        try:
            read = read_attachment_request(Resource(one), payer.name, zone)
        except BridgeError as fault:
            _log.warning("evidence_request_unreadable", server=server.name, code=fault.code, where=fault.where)
            return 0
        if read is None:
            return 0
        with self._store.write() as tx:
            lock(tx, "identity")
            return int(take(tx, read.request, read.status, Asked(payer, self._rules, self._clock.now())))


class Asked:
    """By which payer, by which rules, and when."""

    def __init__(self, payer: Payer, rules: ReconcileRules, at: datetime) -> None:
        self.payer = payer
        self.rules = rules
        self.at = at


def take(tx: WriteTx, said: EvidenceRequest, status: str, asked: Asked) -> bool:
    """Take a Task in, or what its payer changed of it; return whether it is news. The caller holds "identity"."""
    known = evidence_requests.of_task(tx, said.payer, said.task_id)
    if known is not None:
        return _again(tx, known, status, asked)
    if status not in _LIVE:
        return False
    found, why = _meant(tx, said, asked)
    repeated = next((one for one in evidence_requests.of_payer(tx, said.payer) if said.repeats(one)), None)
    kept = evidence_requests.add(tx, said, asked.at)
    if repeated is not None:
        evidence_requests.repeat(tx, kept.key, repeated.key)
    _settle(tx, kept, found, why, asked)
    return True


def _again(tx: WriteTx, known: EvidenceRequest, status: str, asked: Asked) -> bool:
    is_open = known.state in (AskState.OPEN, AskState.WAITS)
    if status not in _LIVE:
        if not is_open or status == known.told:
            return False
        ended = AskState.ANSWERED if status == "completed" else AskState.CLOSED
        evidence_requests.settle(tx, known.key, ended, why=f"the payer's Task is {status}")
        if ended == AskState.CLOSED and known.same_as is None:
            evidence_requests.hand_on(tx, known.key)
        if known.authorization_key is not None:
            asked_changed(tx, known.authorization_key, asked.at)
        return True
    if known.state != AskState.WAITS:
        return False
    found, why = _meant(tx, known, asked)
    if found is None and why == known.why:
        return False
    _settle(tx, known, found, why, asked)
    return True


def _settle(tx: WriteTx, kept: EvidenceRequest, found: Authorization | None, why: str, asked: Asked) -> None:
    if found is None:
        evidence_requests.settle(tx, kept.key, AskState.WAITS, why=why)
        return
    evidence_requests.settle(tx, kept.key, AskState.OPEN, authorization_key=found.key)
    asked_changed(tx, found.key, asked.at)
    enqueue.enqueue(tx, enqueue.evidence_request(kept.payer, kept.key), asked.at)
    if kept.same_as is None:
        wanted = ", ".join(in_words(code) for code in kept.codes) or "evidence"
        until = f", until {kept.due_at:%Y-%m-%d %H:%M} UTC" if kept.due_at is not None else ""
        what = f"{kept.payer} asks for {wanted}{until}"
        line = (Station.AUTHORIZATION, what, kept.payer, "authorization", str(found.key))
        events.add(tx, Event(asked.at, *line, found.order_key))


def _meant(tx: ReadTx, said: EvidenceRequest, asked: Asked) -> tuple[Authorization | None, str]:
    """Return the authorization that is asked about, or why nobody can say which."""
    found = _named(tx, said, asked.payer)
    if not found:
        return None, "its number leads to no authorization of this payer"
    if len(found) > 1:
        return None, "its number leads to more than one authorization"
    contradiction = contradicts(tx, said, found[0], asked.rules)
    return (None, contradiction) if contradiction else (found[0], "")


def _named(tx: ReadTx, said: EvidenceRequest, payer: Payer) -> list[Authorization]:
    found: dict[int, Authorization] = {}
    for number in (said.claim_number, said.administrative_reference, said.tracking_id):
        if not number:
            continue
        found |= {one.key: one for one in authorizations.known_as(tx, payer.id, number, _BY_CLAIM)}
        for one in submissions.of_control_number(tx, number, payer.id, payer.name):
            found[one.key] = one
        if found:
            return list(found.values())
    return []


def contradicts(tx: ReadTx, said: EvidenceRequest, found: Authorization, rules: ReconcileRules) -> str:
    """Return why a request's person is not certainly the authorization's patient, "" if it is."""
    mine = MemberId(found.member_id, found.member_suffix, found.subscriber_id)
    if compare_members(mine, MemberId(said.member_id)) != MemberFit.SAME:
        return "its member number is not the authorization's"
    patient = patients.survivor(tx, found.patient_key)
    named = AuthorizationNews(
        said.payer, found.said_at or datetime.min, patient_name=said.patient_name, birth_date=said.birth_date
    )
    if grades_of(patient, named, rules) != (NameGrade.EQUAL, BirthDateGrade.EQUAL):
        return "its name or birth date are not those of the authorization's patient"
    return ""


class EvidenceRequests:
    """What people do with what payers ask for."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, payers: Sequence[Payer]) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._payers = {one.name: one for one in payers}

    def assign(self, request_key: int, number: str, actor: str) -> EvidenceRequest:
        """
        Say which authorization a waiting request is about.

        Raises: LookupError, if no authorization of its payer goes by *number*, or several; Conflict, if it waits for
        nobody, or names another person.
        """
        with self._store.write() as tx:
            lock(tx, "identity")
            request = evidence_requests.get(tx, request_key)
            if request.state != AskState.WAITS:
                raise Conflict("the request waits for nobody", code="settled")
            found = authorizations.keys_by_number(tx, number)
            if len(found) != 1:
                raise LookupError("no one authorization goes by that number")
            authorization = authorizations.get(tx, found[0])
            why = contradicts(tx, request, authorization, self._rules)
            if why:
                raise Conflict(why, code="other_patient", where="number")
            asked = Asked(self._payers[request.payer], self._rules, self._clock.now())
            _settle(tx, request, authorization, "", asked)
            self._audit(tx, request, authorization.patient_key, "evidence_request_assigned", actor)
            return evidence_requests.get(tx, request_key)

    def decline(self, request_key: int, reason: str, actor: str) -> EvidenceRequest:
        """
        Answer a payer that it gets nothing, and why; its Tasks say so.

        Raises: LookupError; Conflict, if it is answered; Incomplete without reason.
        """
        require_reason(reason, "say why: the payer reads it")
        with self._store.write() as tx:
            request = evidence_requests.get(tx, request_key)
            if request.state not in (AskState.OPEN, AskState.WAITS):
                raise Conflict(f"the request is {request.state.value}", code="settled")
            for one in evidence_requests.with_repetitions(tx, request_key):
                evidence_requests.settle(tx, one.key, AskState.DECLINED, why=reason)
                enqueue.enqueue(tx, enqueue.evidence_request(one.payer, one.key), self._clock.now())
            key = request.authorization_key
            if key is not None:
                asked_changed(tx, key, self._clock.now())
            owner = authorizations.get(tx, key).patient_key if key is not None else None
            self._audit(tx, request, owner, "evidence_request_declined", actor)
            return evidence_requests.get(tx, request_key)

    def _audit(self, tx: WriteTx, request: EvidenceRequest, patient_key: int | None, action: str, actor: str) -> None:
        detail = {"request": request.key, "payer": request.payer}
        audit.add(tx, at=self._clock.now(), action=action, actor=actor, patient_key=patient_key, detail=detail)
