"""Requests and payers' answers, to claims for payment too, fetched from the clinic's own FHIR servers, asked for again and again, each taken once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from bridge.clock import Clock
from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.claim_outcome import ClaimOutcome
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import BridgeError
from bridge.flows.poll_orders import Poll, PolledServer
from bridge.flows.take_authorization_news import NewsOutcome, Taking, take_authorization_news
from bridge.flows.take_claim import take_claim_version
from bridge.mapping.fhir_authorizations import read_claim, read_claim_response
from bridge.mapping.fhir_claims import read_claim_outcome
from bridge.mapping.fhir_fields import FhirGround, Resource, name_of
from bridge.store import fhir_resources
from bridge.store.db import Store, lock

_log = structlog.get_logger(__name__)

Json = Mapping[str, Any]
_Reader = Callable[[Resource, str, FhirGround, datetime], AuthorizationNews | None]
# By what is asked for: what comes along with it, and what reads it.
_ASKED: Mapping[str, tuple[tuple[str, ...], _Reader]] = {
    "Claim": (("patient", "insurer", "care-team"), read_claim),
    "ClaimResponse": (("patient", "insurer", "request"), read_claim_response),
}


class AuthorizationPoll(Poll):
    """
    Asks each server in its turn for one kind of resource. kind: Claim or ClaimResponse. owner: this process.

    What cannot be read is logged by its id and passed over: it will be asked for again once it changes.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ground: Callable[[], FhirGround],
        servers: Sequence[PolledServer],
        *,
        rules: ReconcileRules,
        kind: str,
        owner: str,
    ) -> None:
        super().__init__(store, clock, servers, owner=owner)
        self.name = f"{kind.lower()}-poll"
        self.resource = kind
        self.includes, self._read = _ASKED[kind]
        self.marked = f"{kind}:"
        self._ground = ground
        self._rules = rules

    def _take(self, server: PolledServer, one: Json, around: Iterable[Json]) -> int:
        """Take one resource in, with what came along with it."""
        said = {f"{each.get('resourceType')}/{each.get('id')}": each for each in around}
        now = self._clock.now()
        try:
            resource = Resource(one, said)
            claim = read_claim_outcome(resource, f"fhir:{server.name}") if self.resource == "ClaimResponse" else None
            if claim is not None:
                return self._take_claim(claim, now)
            news = self._read(resource, f"fhir:{server.name}", self._ground(), now)
        except BridgeError as fault:
            _log.warning("authorization_unreadable", server=server.name, code=fault.code, where=fault.where)
            return 0
        if news is None or not (news.number or news.administrative_reference or news.trace):
            return 0
        with self._store.write() as tx:
            lock(tx, "identity")
            named = name_of(resource.first("patient"), "Patient")
            known = None if news.patient_numbers else fhir_resources.patient_key(tx, server.name, named)
            source = ("fhir", f"{self.resource}/{resource.id}")
            taking = Taking(self._rules, now, f"fhir:{server.name}", None, known, *source)
            return int(take_authorization_news(tx, news, taking).outcome != NewsOutcome.KNOWN)

    def _take_claim(self, said: ClaimOutcome, now: datetime) -> int:
        """Take what a payer answered to a claim for payment in."""
        with self._store.write() as tx:
            lock(tx, "identity")
            return int(take_claim_version(tx, said, now))
