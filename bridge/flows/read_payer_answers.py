"""Payers' answers, which are kept as they came, read into news of authorizations: each in a transaction of its own, once.

What an answer decides is its review action alone. An answer that names another request, or another person, changes nothing
and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bridge.clock import Clock
from bridge.codecs.fhir.payer_answer import Json, is_about, read_answer, responses_in, why_not_taken
from bridge.domain.authorization import WAITS_FOR_PAYER, Authorization, AuthorizationStatus
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.payer_request import PayerRequest
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.errors import BridgeError
from bridge.flows.ask_payer import ask_behind
from bridge.flows.read_unread import UnreadReader
from bridge.flows.take_authorization_news import NewsOutcome, Taking, take_authorization_news
from bridge.mapping.fhir_authorizations import read_claim_response
from bridge.mapping.fhir_fields import FhirGround, Resource
from bridge.store import authorizations, patients, payer_requests, tellings
from bridge.store.db import Store, WriteTx
from bridge.store.payer_requests import HeardAnswer

_OTHER_REQUEST = "it answers another request than the one it came to"
_NOTHING = "it says nothing of the authorization"
_UNDECIDED = WAITS_FOR_PAYER | {
    AuthorizationStatus.UNCONFIRMED,
    AuthorizationStatus.DRAFT,
    AuthorizationStatus.ERROR,
    AuthorizationStatus.CONTACT_PAYER,
}


class AnswerReader(UnreadReader[HeardAnswer]):
    """Reads what payers answered."""

    name = "payer-answers"

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, ground: Callable[[], FhirGround]) -> None:
        super().__init__(store, clock, payer_requests)
        self._rules = rules
        self._ground = ground

    def _take(self, tx: WriteTx, answer: HeardAnswer, now: datetime, /) -> str:
        request = payer_requests.get(tx, answer.request_key)
        before = authorizations.get(tx, answer.authorization_key)
        try:
            said = read_answer(answer.body)
            found = responses_in(said)
            if not found:
                return why_not_taken(said)
            about = [(one, around) for one, around in found if is_about(one, request.trace)]
            if not about:
                return _OTHER_REQUEST
            why_not = why_not_taken(said)
            if request.changes_something and not why_not:
                self._note_asked(tx, request, answer, now)
            whys = [self._hear(tx, one, around, request, answer, now) for one, around in about]
            _ask_what_counts(tx, before, answer, now)
        except BridgeError as fault:
            return fault.detail
        return next((why for why in whys if why), why_not)

    def _note_asked(self, tx: WriteTx, request: PayerRequest, answer: HeardAnswer, now: datetime) -> None:
        """Write down what the payer was asked: it has it, since it answers."""
        one = authorizations.get(tx, request.authorization_key)
        gone = frozenset(request.cancelled)
        news = AuthorizationNews(
            source=f"bridge:{request.payer}",
            said_at=request.begun_at or answer.heard_at,
            kind=NewsKind.REQUESTED,
            payer_id=one.payer_id,
            payer_name=one.payer_name,
            trace=request.trace,
            urgency=one.urgency,
            received_at=answer.heard_at if one.received_at is None else None,
            lines=tuple(line for line in request.lines if line.sequence not in gone),
        )
        self._take_news(tx, one, news, "payer-request", str(request.key), now)

    def _hear(
        self,
        tx: WriteTx,
        said: Json,
        around: dict[str, Json],
        request: PayerRequest,
        answer: HeardAnswer,
        now: datetime,
    ) -> str:
        one = authorizations.get(tx, answer.authorization_key)
        source = f"payer:{answer.payer}"
        resource = Resource(said, around)
        news = read_claim_response(resource, source, self._ground(), answer.heard_at)
        if news is None:
            return _NOTHING
        named = replace(
            news,
            # What is asked for now is answered as it stands now, whenever it was decided.
            said_at=answer.heard_at,
            payer_id=one.payer_id,
            payer_name=one.payer_name,
            # Ours, whatever numbers of its own the payer puts before it.
            trace=request.trace,
        )
        source_id = f"ClaimResponse/{resource.id}" if resource.id else f"answer:{answer.key}"
        return self._take_news(tx, one, named, "payer-answer", source_id, now)

    def _take_news(
        self, tx: WriteTx, one: Authorization, news: AuthorizationNews, kind: str, source_id: str, now: datetime
    ) -> str:
        """Take news of an authorization that is known; return why they wait, "" if they do not."""
        # Its own number, so that name and birth date beside it are compared with the record's.
        owner = patients.survivor(tx, one.patient_key)
        known = replace(news, patient_numbers=(owner.primary,))
        by = f"payer:{news.source.partition(':')[2]}"
        taking = Taking(self._rules, now, by, source_kind=kind, source_id=source_id, is_undated=True, about=one.key)
        taken = take_authorization_news(tx, known, taking)
        return taken.why if taken.outcome == NewsOutcome.WAITS else ""


def _ask_what_counts(tx: WriteTx, before: Authorization, answer: HeardAnswer, now: datetime) -> None:
    """
    Ask a payer that tells by itself how it stands, where its answers crossed: one that only pends was heard after a decision.

    A payer that decides at once may tell so before our own request is answered, with what was so when it came.
    """
    after = authorizations.get(tx, before.key)
    was_decided = before.status not in _UNDECIDED
    is_late = before.answered_at is not None and answer.heard_at < before.answered_at
    if after.status != AuthorizationStatus.PENDED or not (was_decided or is_late):
        return
    if tellings.find(tx, answer.payer) is not None:
        ask_behind(tx, after, answer.request_key, answer.payer, now)
