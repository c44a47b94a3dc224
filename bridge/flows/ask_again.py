"""Payers that have not decided yet are asked again by themselves, where the settings say so, no faster than they allow."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from bridge.clock import Clock
from bridge.domain.authorization import Authorization, AuthorizationStatus
from bridge.domain.payer_request import asks_again_at
from bridge.errors import Conflict
from bridge.flows.ask_payer import ask_how_it_stands
from bridge.flows.lookout import Lookout
from bridge.store import authorizations, payer_requests
from bridge.store.db import ReadTx, Store

# How long a payer must be able to answer. Source: HL7 Da Vinci PAS, retention of pended requests.
_ANSWERS_FOR = timedelta(days=183)
_BY = "schedule"


class AskAgain(Lookout):
    """Asks what is pended. payers: the names of those that may be asked by schedule."""

    name = "ask-again"
    look_secs = 20.0

    def __init__(self, store: Store, clock: Clock, payers: Collection[str]) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._payers = payers

    def work(self) -> int:
        """Ask about what is due; 0, so that the next look waits. Raises: Unavailable, without a database."""
        now = self._clock.now()
        with self._store.read() as tx:
            due = [key for key in payer_requests.pended(tx, self._payers) if self._is_due(tx, key, now)]
        for key in due:
            self._ask(key, now)
        return 0

    def _is_due(self, tx: ReadTx, key: int, now: datetime) -> bool:
        every = payer_requests.of_authorization(tx, key)
        asked_at = max((one.asked_at for one in every if one.asked_at is not None), default=now)
        one = authorizations.get(tx, key)
        pended_at = one.answered_at or asked_at
        return asks_again_at(pended_at, asked_at) <= now <= _last_day(one, pended_at) + _ANSWERS_FOR

    def _ask(self, key: int, now: datetime) -> None:
        with self._store.write() as tx:
            one = authorizations.get(tx, key)
            every = payer_requests.of_authorization(tx, key)
            if one.status != AuthorizationStatus.PENDED or not self._is_due(tx, key, now):
                return
            try:
                ask_how_it_stands(tx, one, every[-1].payer, _BY, now)
            except Conflict:
                return


def _last_day(one: Authorization, otherwise: datetime) -> datetime:
    """Return the end of the last planned day."""
    days = [day for line in one.lines if len(day := line.service_to or line.service_from) == 8]
    if not days:
        return otherwise
    return max(otherwise, datetime.strptime(max(days), "%Y%m%d").replace(tzinfo=otherwise.tzinfo))
