"""What payers tell by themselves: each notification is kept as it came before it is answered, and read afterwards, once.

A decision in it that answers a request of ours is taken as its answer; any other as news from that payer. One that does not
bring its resource along, or a number that was left out, makes us ask how everything stands that the payer has pended. One that
arrives after later ones decides nothing where the payer has answered since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from bridge.clock import Clock
from bridge.codecs.fhir.payer_answer import Json, numbers_of, read_answer, responses_in
from bridge.codecs.fhir.telling import Heard, read_notification
from bridge.domain import records
from bridge.domain.payer_request import PayerRequest
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.submission import PayerAnswer
from bridge.domain.telling import Telling, TellingState
from bridge.errors import BridgeError, Conflict, Refused
from bridge.flows.ask_payer import ask_how_it_stands
from bridge.flows.read_unread import UnreadReader
from bridge.flows.take_authorization_news import Taking, take_authorization_news
from bridge.mapping.fhir_authorizations import read_claim_response
from bridge.mapping.fhir_fields import FhirGround, Resource
from bridge.sections.payer import Payer
from bridge.store import authorizations, payer_requests, submissions, tellings
from bridge.store.db import ReadTx, Store, WriteTx
from bridge.store.tellings import Notice

_NOTHING = "it says nothing of an authorization"
_NO_PAYER = "whoever told it is none of the payers in the settings"
_LATE = "it was told before what the payer has answered since"
_TOLD = 200
_MEDIA_TYPE = "application/fhir+json"


class PayerEar:
    """Where payers tell."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def hear(self, payer: str, secret: str, body: bytes) -> Heard:
        """
        Keep what a payer tells; it is answered once this returns.

        Raises: Refused, for whoever does not show the secret; Malformed, for what is no notification.
        """
        with self._store.read() as tx:
            _shown(tx, payer, secret)
        heard, now = read_notification(body), self._clock.now()
        with self._store.write() as tx:
            tellings.to_change(tx, payer)
            one = _shown(tx, payer, secret)
            is_new = not heard.is_event or tellings.keep_notice(tx, one, body, heard.number, now)
            if is_new and _is_incomplete(heard, one.number):
                ask_about_pended(tx, [payer], now)
            # What it said while it was being made is as good as its answer to that.
            state = TellingState.SILENT if heard.is_broken else one.state
            number = max(one.number, heard.number)
            tellings.put(tx, replace(one, heard_at=now, number=number, state=state))
        return heard


def _shown(tx: ReadTx, payer: str, secret: str) -> Telling:
    known = tellings.of_secret(tx, payer, secret)
    if known is None:
        raise Refused("this is not the secret of a payer that tells here", code="secret")
    return known


def _is_incomplete(heard: Heard, last: int) -> bool:
    """Say whether something that the payer has told, or meant to tell, is not here."""
    if not heard.is_event:
        # A sign of life counts what was told before it.
        return heard.number > last
    return not heard.is_whole or heard.first > last + 1


def ask_about_pended(tx: WriteTx, payers: Sequence[str], now: datetime) -> int:
    """Ask how all stands that these payers have pended, but for what is asked already; returns how much that was."""
    asked = 0
    for key in payer_requests.pended(tx, payers):
        every = payer_requests.of_authorization(tx, key)
        try:
            ask_how_it_stands(tx, authorizations.get(tx, key), every[-1].payer, f"payer:{every[-1].payer}", now)
        except Conflict:
            continue
        asked += 1
    return asked


class NoticeReader(UnreadReader[Notice]):
    """Reads what payers told. payers: those of the settings."""

    name = "payer-notices"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        rules: ReconcileRules,
        ground: Callable[[], FhirGround],
        payers: Sequence[Payer],
    ) -> None:
        super().__init__(store, clock, tellings)
        self._rules = rules
        self._ground = ground
        self._payers = {one.name: one for one in payers}

    def _take(self, tx: WriteTx, notice: Notice, now: datetime, /) -> str:
        try:
            found = responses_in(read_answer(notice.body))
        except BridgeError as fault:
            return fault.detail
        answered: dict[int, PayerRequest] = {}
        whys: list[str] = [] if found else [_NOTHING]
        for one, around in found:
            request = payer_requests.last_with(tx, notice.payer, numbers_of(one))
            if request is None:
                whys += [why for why in [self._hear(tx, one, around, notice, now)] if why]
            elif notice.overtaken_at is not None and payer_requests.is_decided_since(tx, request, notice.overtaken_at):
                whys.append(_LATE)
            else:
                answered[request.key] = request
        for request in answered.values():
            submissions.add_answer(tx, _answer(notice, request))
        if answered and not whys:
            tellings.drop_words(tx, notice.key)
        return "; ".join(dict.fromkeys(whys))

    def _hear(self, tx: WriteTx, said: Json, around: dict[str, Json], notice: Notice, now: datetime) -> str:
        """Take a decision on what was never asked from here; return why it says nothing."""
        payer = self._payers.get(notice.payer)
        if payer is None:
            return _NO_PAYER
        source = f"payer:{notice.payer}"
        resource = Resource(said, around)
        try:
            news = read_claim_response(resource, source, self._ground(), notice.heard_at)
        except BridgeError as fault:
            return fault.detail
        if news is None or not (news.number or news.administrative_reference or news.trace):
            return _NOTHING
        news = records.replace(news, payer_id=payer.id, payer_name=news.payer_name or payer.name)
        source_id = f"ClaimResponse/{resource.id}" if resource.id else f"notice:{notice.key}"
        take_authorization_news(tx, news, Taking(self._rules, now, source, None, None, "payer-notice", source_id))
        return ""


def _answer(notice: Notice, request: PayerRequest) -> PayerAnswer:
    return PayerAnswer(
        key=0,
        submission_key=None,
        heard_at=notice.heard_at,
        content=notice.body,
        content_type=_MEDIA_TYPE,
        status=_TOLD,
        detail="told by the payer itself",
        request_key=request.key,
    )
