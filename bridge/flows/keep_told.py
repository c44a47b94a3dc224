"""Subscriptions at payers, kept so that they tell what they decided: made, looked at, made anew, ended. Network outside of transactions."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bridge.clock import Clock
from bridge.codecs.fhir.payer_telling import endpoint_of, stands
from bridge.domain.payer_subscription import Deed, PayerSubscription, TellingState, next_deed
from bridge.errors import BridgeError
from bridge.flows.lookout import Lookout
from bridge.store import leases, payer_tellings
from bridge.store.db import Store, WriteTx
from bridge.store.users import digest_of_secret

_log = structlog.get_logger(__name__)

_LEASE = timedelta(seconds=120)
_SECRET_BYTES = 32
_OUR_FAULT = "something went wrong on our side"

Json = dict[str, Any]


class Shelf(Protocol):
    """Where a payer keeps its Subscriptions; what it finds has a resource and a reference. Raises everywhere: BridgeError."""

    def read(self, reference: str) -> Any: ...

    def search(self, kind: str, parameters: Mapping[str, str]) -> Sequence[Any]: ...

    def create(self, resource: Json) -> Any: ...

    def delete(self, found: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Teller:
    """
    A server that is to tell, by the name that its subscription goes by here. address: of its FHIR endpoint.

    endpoint: ours, that it calls. asks: the Subscription that has it show a secret. after_silence: what is to be done about
    what it may not have told. is_wanted: False for one that told, and is to tell no more.
    """

    name: str
    address: str
    endpoint: str
    shelf: Shelf
    asks: Callable[[str], Json]
    after_silence: Callable[[WriteTx, datetime], object]
    is_wanted: bool = True


class PayerSubscriptions(Lookout):
    """Keeps a subscription at each payer that is to tell. owner: this process, unlike any other."""

    name = "payer-subscriptions"
    look_secs = 5.0

    def __init__(self, store: Store, clock: Clock, payers: Sequence[Teller], *, owner: str) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._payers = {one.name: one for one in payers}
        self._owner = owner

    def work(self) -> int:
        """Do what is due at each payer; 0, so that the next look waits. Raises: Unavailable, without a database."""
        with self._store.read() as tx:
            kept = {name: payer_tellings.of_payer(tx, name) for name in {*payer_tellings.payers(tx), *self._payers}}
        for name, known in sorted(kept.items()):
            if self._stopping.is_set():
                break
            payer = self._payers.get(name)
            if payer is None or not payer.is_wanted:
                if known is not None and self._hold(name):
                    self._end(payer, known)
            elif (deed := next_deed(known, payer.address, self._clock.now())) is not Deed.NOTHING and self._hold(name):
                self._do(deed, payer, known)
        return 0

    def _do(self, deed: Deed, payer: Teller, known: PayerSubscription | None) -> None:
        try:
            if deed is Deed.LOOK and known is not None:
                self._look(payer, known)
            else:
                self._make(payer, known)
        except BridgeError as fault:
            _log.warning("payer_subscription_failed", payer=payer.name, code=fault.code)
            self._note_fault(payer.name, fault.detail)
        except Exception:  # noqa: BLE001 - one payer's odd answer must neither stop the others nor be asked for every few seconds
            _log.exception("payer_subscription_failed", payer=payer.name)
            self._note_fault(payer.name, _OUR_FAULT)

    def _make(self, payer: Teller, known: PayerSubscription | None) -> None:
        """Have the payer tell, with a secret of its own that counts before the payer can use it."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        now = self._clock.now()
        begun = PayerSubscription(
            payer.name,
            payer.address,
            digest_of_secret(secret),
            looked_at=now,
            heard_at=known.heard_at if known is not None else None,
            failures=known.failures if known is not None else 0,
            made_at=known.made_at if known is not None and known.address == payer.address else None,
        )
        self._put(begun)
        self._clear(payer, known.reference if known is not None and known.address == payer.address else "")
        made = payer.shelf.create(payer.asks(secret))
        now = self._clock.now()
        with self._store.write() as tx:
            one = payer_tellings.of_payer(tx, payer.name)
            if one is None or one.secret_digest != begun.secret_digest:
                return
            if begun.made_at is not None:
                # What was decided while nothing was told is asked for.
                payer.after_silence(tx, now)
            told = replace(one, state=TellingState.TELLING, reference=made.reference, made_at=now, looked_at=now)
            payer_tellings.put(tx, replace(told, failures=0, detail=""))
        _log.info("payer_subscription_made", payer=payer.name)

    def _clear(self, payer: Teller, reference: str) -> None:
        """Take away what stood at the payer before, as far as it lets us: what stays there tells with a secret that is none."""
        try:
            found = [payer.shelf.read(reference)] if reference else []
            found += payer.shelf.search("Subscription", {"url": payer.endpoint})
            ours = {one.reference: one for one in found if one and endpoint_of(one.resource) == payer.endpoint}
            for one in ours.values():
                payer.shelf.delete(one)
        except BridgeError as fault:
            _log.info("payer_subscriptions_not_cleared", payer=payer.name, code=fault.code)

    def _look(self, payer: Teller, known: PayerSubscription) -> None:
        found = payer.shelf.read(known.reference)
        now = self._clock.now()
        with self._store.write() as tx:
            one = payer_tellings.of_payer(tx, payer.name)
            if one is None or one.secret_digest != known.secret_digest:
                return
            is_there = found is not None and stands(found.resource) and endpoint_of(found.resource) == payer.endpoint
            state = TellingState.TELLING if is_there and one.is_telling else TellingState.SILENT
            detail = "" if is_there else "the payer has given it up; it is made anew"
            payer_tellings.put(tx, replace(one, state=state, looked_at=now, failures=0, detail=detail))

    def _end(self, payer: Teller | None, known: PayerSubscription) -> None:
        """Tell the payer to tell no more, and forget it; one that the settings no longer name is forgotten alone."""
        if payer is not None and known.reference and not self._is_resting(known):
            try:
                found = payer.shelf.read(known.reference)
                if found is not None:
                    payer.shelf.delete(found)
            except BridgeError as fault:
                _log.warning("payer_subscription_not_ended", payer=known.payer, code=fault.code)
                self._note_fault(known.payer, fault.detail)
                return
        elif payer is not None and known.reference:
            return
        with self._store.write() as tx:
            payer_tellings.forget(tx, known.payer)
        _log.info("payer_subscription_ended", payer=known.payer)

    def _is_resting(self, known: PayerSubscription) -> bool:
        failed = replace(known, state=TellingState.SILENT)
        return known.failures > 0 and next_deed(failed, known.address, self._clock.now()) is Deed.NOTHING

    def _note_fault(self, name: str, detail: str) -> None:
        now: datetime = self._clock.now()
        with self._store.write() as tx:
            one = payer_tellings.of_payer(tx, name)
            if one is not None:
                payer_tellings.put(tx, replace(one, looked_at=now, failures=one.failures + 1, detail=detail))

    def _put(self, one: PayerSubscription) -> None:
        with self._store.write() as tx:
            payer_tellings.put(tx, one)

    def _hold(self, name: str) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, f"payer-subscription:{name}", self._owner, self._clock.now(), _LEASE)
