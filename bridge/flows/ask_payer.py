"""What people ask payers about an authorization without further evidence: the first time, what changed, its end, how it stands.

Nothing leaves that a person did not release, nothing that lacks what the payer needs, and nothing twice: while the payer may
have a request that it did not answer, no other one follows.
"""

from __future__ import annotations

from datetime import datetime

from bridge.clock import Clock
from bridge.domain.authorization import Authorization
from bridge.domain.payer_request import PayerRequest, RequestKind, RequestState, told_by
from bridge.domain.reason import require_reason
from bridge.domain.records import replace
from bridge.errors import Conflict, Incomplete, Unsupported
from bridge.leaving.pas_way import PasWay, Proposal
from bridge.outbox import enqueue
from bridge.sections.payer import Payer
from bridge.store import audit, authorizations, payer_requests
from bridge.store.db import ReadTx, Store, WriteTx, lock


class PayerDesk:
    """Asks payers that take requests as FHIR."""

    def __init__(self, store: Store, clock: Clock, way: PasWay) -> None:
        self._store = store
        self._clock = clock
        self._way = way

    def payer_of(self, one: Authorization) -> Payer | None:
        """Return who takes requests for an authorization, None where nobody does."""
        return self._way.payer_of(one)

    def propose(self, tx: ReadTx, one: Authorization) -> Proposal:
        """Return what would be asked about an authorization now."""
        return self._way.propose(tx, one)

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
            why_not = self._way.why_not(tx, one, ended, told)
            needed = tuple(each for each in proposal.lacks if not each.where.startswith("lines"))
            return self._ask(tx, one, replace(proposal, request=ended, why_not=why_not, lacks=needed), actor, reason)

    def inquire(self, authorization_key: int, actor: str) -> PayerRequest:
        """
        Ask the payer how an authorization stands.

        Raises: LookupError; Unsupported; Conflict, if it was asked and has not answered yet, or never knew of it.
        """
        with self._store.write() as tx:
            one = authorizations.get(tx, authorization_key)
            made = ask_how_it_stands(tx, one, self._payer_that_takes(one).name, actor, self._clock.now())
            self._note(tx, one, made, "payer_request_released", actor, "how it stands")
            return made

    def settle_unknown(
        self, authorization_key: int, request_key: int, *, has_it: bool, reason: str, actor: str
    ) -> None:
        """
        Say whether the payer has a request that it never answered, as a person learned by asking there.

        has_it False sends it again. Raises: LookupError; Conflict, if that is not in question, or is to be said of the
        evidence in it; Incomplete without reason.
        """
        require_reason(reason)
        now = self._clock.now()
        with self._store.write() as tx:
            request = payer_requests.get(tx, request_key)
            if request.authorization_key != authorization_key:
                raise LookupError("no such request")
            if request.state != RequestState.BEGUN:
                raise Conflict("that is not in question", code="settled")
            if request.submission_key is not None:
                raise Conflict("say it of the evidence that is in it, where that was released", code="has_evidence")
            if has_it:
                payer_requests.end(tx, request_key, RequestState.ANSWERED, "a person asked: the payer has it", now)
            else:
                payer_requests.begin(tx, request_key, None)
            enqueue.enqueue(tx, enqueue.payer_request(request), now)
            one = authorizations.get(tx, authorization_key)
            self._note(tx, one, request, "payer_request_settled", actor, reason, has_it=has_it)

    def _payer_that_takes(self, one: Authorization) -> Payer:
        payer = self.payer_of(one)
        if payer is None:
            raise Unsupported("its payer takes no requests from here", code="no_such_payer")
        return payer

    def _ask(self, tx: WriteTx, one: Authorization, proposal: Proposal, actor: str, reason: str) -> PayerRequest:
        require_reason(reason)
        self._payer_that_takes(one)
        if proposal.why_not:
            raise Conflict(proposal.why_not, code="cannot_ask")
        missing = [each for each in proposal.lacks if each.is_needed]
        if missing:
            said = " ".join(each.sentence for each in missing)
            raise Incomplete(said, code="missing", where=missing[0].where)
        made = _made(tx, replace(proposal.request, asked_by=actor, reason=reason), self._clock.now())
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


def ask_how_it_stands(tx: WriteTx, one: Authorization, payer: str, actor: str, now: datetime) -> PayerRequest:
    """Queue the question how an authorization stands. Raises: Conflict."""
    if not told_by(payer_requests.of_authorization(tx, one.key)).is_known and not one.trace:
        raise Conflict("the payer was not asked for it under a trace that is known here", code="not_asked")
    if payer_requests.open_of(tx, one.key):
        raise Conflict("an earlier request to the payer is still under way", code="request_open")
    return _inquiry(tx, one, payer, actor, now)


def ask_behind(tx: WriteTx, one: Authorization, request: int, payer: str, now: datetime) -> None:
    """Queue the question how an authorization stands behind *request*, unless it is queued."""
    behind = [each for each in payer_requests.open_of(tx, one.key) if each.key > request]
    if not any(each.kind == RequestKind.INQUIRE for each in behind):
        _inquiry(tx, one, payer, f"payer:{payer}", now)


def _inquiry(tx: WriteTx, one: Authorization, payer: str, actor: str, now: datetime) -> PayerRequest:
    every = payer_requests.of_authorization(tx, one.key)
    told = told_by(every)
    trace = next((each.trace for each in reversed(every)), one.trace)
    lines = told.lines if told.is_known else one.lines
    return _made(tx, PayerRequest(0, one.key, payer, RequestKind.INQUIRE, trace, lines=lines, asked_by=actor), now)


def _made(tx: WriteTx, request: PayerRequest, now: datetime) -> PayerRequest:
    """Keep a request and queue it."""
    asked = replace(request, asked_at=now)
    made = replace(asked, key=payer_requests.add(tx, asked, now))
    enqueue.enqueue(tx, enqueue.payer_request(made), now)
    return made
