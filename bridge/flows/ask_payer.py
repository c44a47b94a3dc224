"""What people ask payers about an authorization: for the first time, what changed, its end, or how it stands.

Nothing leaves that a person did not release, nothing that lacks what the payer needs, and nothing twice: while the payer may
have a request that it did not answer, no other one follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.attachment import AttachmentState, ClaimAttachment, control_number_of
from bridge.domain.authorization import Authorization, AuthorizationStatus
from bridge.domain.narrative import control_number
from bridge.domain.patient import Patient
from bridge.domain.payer_request import (
    PayerRequest,
    RequestKind,
    RequestState,
    Told,
    in_words,
    told_by,
)
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.domain.request_lines import Lack, lacks_of, lines_to_ask
from bridge.errors import Conflict, Incomplete, Unsupported
from bridge.leaving.authorized_exams import exams_under
from bridge.leaving.payer_request import insured
from bridge.outbox import enqueue
from bridge.store import audit, authorizations, payer_requests, studies
from bridge.store.db import ReadTx, Store, WriteTx, lock

# How an authorization stands of which the payer is to be asked for the first time.
_NEW = frozenset({AuthorizationStatus.UNCONFIRMED, AuthorizationStatus.DRAFT, AuthorizationStatus.ERROR})
_OVER = {
    AuthorizationStatus.DENIED: "the payer has denied it: an appeal goes its own way",
    AuthorizationStatus.CANCELLED: "it is cancelled: ask for a new one",
    AuthorizationStatus.EXPIRED: "its time is over: ask for a new one",
    AuthorizationStatus.SUPERSEDED: "another one took its place",
    AuthorizationStatus.NOT_REQUIRED: "the payer says that none is required",
}


@dataclass(frozen=True, slots=True)
class PasPayer:
    """A payer that takes requests as FHIR. id: its number on claims."""

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """
    What would be asked now. lines: a sentence each. why_not: why nothing can be asked, "" if it can.

    request: as it would be kept; lacks: what is missing.
    """

    request: PayerRequest
    patient: Patient
    lines: tuple[str, ...]
    lacks: tuple[Lack, ...]
    why_not: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it could leave as it is."""
        return not self.why_not and not any(one.is_needed for one in self.lacks)


class PayerDesk:
    """Asks payers. npi: our own; payers: those that take requests as FHIR."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, payers: Iterable[PasPayer], npi: str) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._payers = tuple(payers)
        self._npi = npi

    def payer_of(self, one: Authorization) -> PasPayer | None:
        """Return who takes requests for an authorization as FHIR, None if its payer does not."""
        return next((each for each in self._payers if each.id and each.id == one.payer_id), None)

    def propose(self, tx: ReadTx, one: Authorization, attachment: ClaimAttachment | None = None) -> Proposal:
        """Return what would be asked about an authorization now. attachment: whose evidence would go with it."""
        payer = self.payer_of(one)
        known, patient = insured(tx, one)
        told = told_by(payer_requests.of_authorization(tx, one.key))
        kind = RequestKind.UPDATE if told.is_known or one.status not in _NEW else RequestKind.SUBMIT
        before = told.lines if told.is_known else one.lines if kind == RequestKind.UPDATE else ()
        asked = lines_to_ask(one, exams_under(tx, one, self._rules), before, told.cancelled)
        numbers = (self._number_of(tx, attachment),) if attachment is not None else ()
        request = PayerRequest(
            key=0,
            authorization_key=one.key,
            payer=payer.name if payer is not None else "",
            kind=kind,
            trace=one.trace or control_number("request", one.key),
            lines=asked.lines,
            cancelled=tuple(sorted(asked.cancelled)),
            control_numbers=numbers,
            attachment_key=attachment.key if attachment is not None else None,
        )
        why_not = self._why_not(tx, one, request, replace(told, lines=before))
        words = tuple(in_words(asked.lines, before, asked.cancelled))
        return Proposal(request, patient, words, lacks_of(known, asked, self._npi), why_not)

    def release_evidence(self, tx: WriteTx, attachment: ClaimAttachment, actor: str, reason: str) -> PayerRequest:
        """
        Ask with an attachment's packet inside, in the transaction that releases it.

        Raises: Unsupported; Conflict, if the payer cannot be asked now; Incomplete, if something is missing.
        """
        one = authorizations.get(tx, attachment.authorization_key)
        return self._ask(tx, one, self.propose(tx, one, attachment), actor, reason)

    def ask(self, authorization_key: int, reason: str, actor: str) -> PayerRequest:
        """
        Let a request without further evidence go: the first one, or what changed.

        Raises: LookupError; Unsupported; Conflict; Incomplete.
        """
        with self._store.write() as tx:
            lock(tx, "identity")
            one = authorizations.get(tx, authorization_key)
            return self._ask(tx, one, self.propose(tx, one), actor, reason)

    def cancel(self, authorization_key: int, reason: str, actor: str) -> PayerRequest:
        """
        Let the payer know that nothing of an authorization is wanted any more.

        Raises: LookupError; Unsupported; Conflict, if the payer was never asked from here; Incomplete without reason.
        """
        with self._store.write() as tx:
            lock(tx, "identity")
            one = authorizations.get(tx, authorization_key)
            told = told_by(payer_requests.of_authorization(tx, one.key))
            if not told.is_known:
                raise Conflict("the payer was not asked from here: tell it there", code="not_asked")
            proposal = self.propose(tx, one)
            ended = replace(
                proposal.request,
                kind=RequestKind.CANCEL,
                lines=told.lines,
                cancelled=tuple(sorted({line.sequence for line in told.lines})),
            )
            why_not = self._why_not(tx, one, ended, told)
            needed = tuple(each for each in proposal.lacks if not each.where.startswith("lines"))
            return self._ask(tx, one, replace(proposal, request=ended, why_not=why_not, lacks=needed), actor, reason)

    def inquire(self, authorization_key: int, actor: str) -> PayerRequest:
        """
        Ask the payer how an authorization stands.

        Raises: LookupError; Unsupported; Conflict, if it was asked and has not answered yet, or never knew of it.
        """
        with self._store.write() as tx:
            one = authorizations.get(tx, authorization_key)
            return ask_how_it_stands(tx, one, self._payer_that_takes(one), actor, self._clock.now())

    def settle_unknown(
        self, authorization_key: int, request_key: int, *, has_it: bool, reason: str, actor: str
    ) -> None:
        """
        Say whether the payer has a request that it never answered, as a person learned by asking there.

        has_it False sends it again. Raises: LookupError; Conflict, if that is not in question; Incomplete without reason.
        """
        _require(reason)
        now = self._clock.now()
        with self._store.write() as tx:
            request = payer_requests.get(tx, request_key)
            if request.authorization_key != authorization_key:
                raise LookupError("no such request")
            if request.state != RequestState.BEGUN:
                raise Conflict("that is not in question", code="settled")
            if has_it:
                payer_requests.end(tx, request_key, RequestState.ANSWERED, "a person asked: the payer has it", now)
                if request.attachment_key is not None:
                    authorizations.set_attachment_state(tx, request.attachment_key, AttachmentState.SENT, now)
            else:
                payer_requests.begin(tx, request_key, None)
            enqueue.enqueue(tx, enqueue.payer_request(request), now)
            one = authorizations.get(tx, authorization_key)
            self._note(tx, one, request, "payer_request_settled", actor, reason, has_it=has_it)

    def _payer_that_takes(self, one: Authorization) -> PasPayer:
        payer = self.payer_of(one)
        if payer is None:
            raise Unsupported("its payer takes no requests from here", code="no_such_payer")
        return payer

    def _why_not(self, tx: ReadTx, one: Authorization, request: PayerRequest, told: Told) -> str:
        if not request.payer:
            return "its payer takes no requests from here: [[payers]] names none of its number with kind pas"
        if any(each.changes_something for each in payer_requests.open_of(tx, one.key)):
            return "an earlier request to the payer is still under way"
        if request.kind == RequestKind.SUBMIT:
            return ""
        if not told.is_known and not one.trace:
            return "the payer has it, and nobody here knows under which trace: it cannot be changed from here"
        if one.status in _OVER:
            return _OVER[one.status]
        changed = request.lines != told.lines or set(request.cancelled) != told.cancelled
        if not changed and set(request.control_numbers) <= told.control_numbers:
            return "nothing changed since the payer was last asked"
        return ""

    def _ask(self, tx: WriteTx, one: Authorization, proposal: Proposal, actor: str, reason: str) -> PayerRequest:
        _require(reason)
        self._payer_that_takes(one)
        if proposal.why_not:
            raise Conflict(proposal.why_not, code="cannot_ask")
        missing = [each for each in proposal.lacks if each.is_needed]
        if missing:
            said = " ".join(each.sentence for each in missing)
            raise Incomplete(said, code="missing", where=missing[0].where)
        now = self._clock.now()
        asked = replace(proposal.request, asked_by=actor, reason=reason, asked_at=now)
        made = replace(asked, key=payer_requests.add(tx, asked, now))
        study_key = _study_key(tx, made)
        enqueue.enqueue(tx, enqueue.payer_request(made, study_key), now)
        self._note(tx, one, made, "payer_request_released", actor, reason)
        return made

    def _note(
        self, tx: WriteTx, one: Authorization, request: PayerRequest, action: str, actor: str, reason: str, **more: bool
    ) -> None:
        now = self._clock.now()
        detail = {
            "authorization": one.key,
            "request": request.key,
            "as": request.kind.value,
            "to": request.payer,
            "purpose_of_use": "COVAUTH",
            "reason": reason,
        }
        audit.add(tx, at=now, action=action, actor=actor, patient_key=one.patient_key, detail=detail | more)

    def _number_of(self, tx: ReadTx, attachment: ClaimAttachment) -> str:
        return control_number_of(attachment.authorization_key, studies.get(tx, attachment.study_key).study_instance_uid)


def ask_how_it_stands(tx: WriteTx, one: Authorization, payer: PasPayer, actor: str, now: datetime) -> PayerRequest:
    """Queue the question how an authorization stands. Raises: Conflict."""
    every = payer_requests.of_authorization(tx, one.key)
    told = told_by(every)
    if not told.is_known and not one.trace:
        raise Conflict("the payer was not asked for it under a trace that is known here", code="not_asked")
    if payer_requests.open_of(tx, one.key):
        raise Conflict("an earlier request to the payer is still under way", code="request_open")
    trace = next((each.trace for each in reversed(every)), one.trace)
    lines = told.lines if told.is_known else one.lines
    asked = PayerRequest(0, one.key, payer.name, RequestKind.INQUIRE, trace, lines=lines, asked_by=actor, asked_at=now)
    made = replace(asked, key=payer_requests.add(tx, asked, now))
    enqueue.enqueue(tx, enqueue.payer_request(made), now)
    return made


def _require(reason: str) -> None:
    if not reason.strip():
        raise Incomplete("say why", code="missing", where="reason")


def _study_key(tx: ReadTx, request: PayerRequest) -> int | None:
    if request.attachment_key is None:
        return None
    return authorizations.get_attachment(tx, request.attachment_key).study_key
