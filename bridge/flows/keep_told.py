"""Subscriptions at payers and servers, kept so that they tell us: made, looked at, made anew, ended. Network outside of transactions."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bridge.clock import Clock
from bridge.codecs.fhir.telling import endpoint_of, stands
from bridge.domain.telling import Deed, Telling, TellingState, next_deed
from bridge.errors import OUR_FAULT, BridgeError
from bridge.flows.lookout import Lookout
from bridge.store import leases, tellings
from bridge.store.db import Store, WriteTx
from bridge.store.users import digest_of_secret

_log = structlog.get_logger(__name__)

_LEASE = timedelta(seconds=120)
_SECRET_BYTES = 32

Json = dict[str, Any]


class Shelf(Protocol):
    """Where a teller keeps its Subscriptions; what it finds has a resource and a reference. Raises everywhere: BridgeError."""

    def read(self, reference: str) -> Any: ...

    def search(self, kind: str, parameters: Mapping[str, str]) -> Sequence[Any]: ...

    def create(self, resource: Json) -> Any: ...

    def delete(self, found: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Teller:
    """
    A server that is to tell, by the name that its subscription goes by here. address: of its FHIR endpoint.

    endpoint: ours, that it calls. asks: the Subscription that has it show a secret. after_silence: what is to be done about
    what it may not have told. is_wanted: False for one that told, and is to tell no more. beats: it gives signs of life.
    """

    name: str
    address: str
    endpoint: str
    shelf: Shelf
    asks: Callable[[str], Json]
    after_silence: Callable[[WriteTx, datetime], object]
    is_wanted: bool = True
    beats: bool = False


class TellingKeeper(Lookout):
    """Keeps a subscription at each that is to tell. owner: this process, unlike any other."""

    name = "tellings"
    look_secs = 5.0

    def __init__(self, store: Store, clock: Clock, tellers: Sequence[Teller], *, owner: str) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._tellers = {one.name: one for one in tellers}
        self._owner = owner

    def work(self) -> int:
        """Do what is due at each; 0, so that the next look waits. Raises: Unavailable, without a database."""
        with self._store.read() as tx:
            kept = {name: tellings.find(tx, name) for name in {*tellings.names(tx), *self._tellers}}
        for name, known in sorted(kept.items()):
            if self._stopping.is_set():
                break
            teller = self._tellers.get(name)
            if teller is None or not teller.is_wanted:
                if known is not None and self._hold(name):
                    self._end(teller, known)
            elif (deed := next_deed(known, teller.address, self._clock.now())) is not Deed.NOTHING and self._hold(name):
                self._do(deed, teller, known)
        return 0

    def _do(self, deed: Deed, teller: Teller, known: Telling | None) -> None:
        try:
            if deed is Deed.LOOK and known is not None:
                self._look(teller, known)
            else:
                self._make(teller, known)
        except BridgeError as fault:
            _log.warning("telling_failed", teller=teller.name, code=fault.code)
            self._note_fault(teller.name, fault.detail)
        except Exception:  # noqa: BLE001 - one's odd answer must neither stop the others nor be asked for every few seconds
            _log.exception("telling_failed", teller=teller.name)
            self._note_fault(teller.name, OUR_FAULT)

    def _make(self, teller: Teller, known: Telling | None) -> None:
        """Have it tell, with a secret of its own that counts before it can be used."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        now = self._clock.now()
        begun = Telling(
            teller.name,
            teller.address,
            digest_of_secret(secret),
            looked_at=now,
            heard_at=known.heard_at if known is not None else None,
            failures=known.failures if known is not None else 0,
            made_at=known.made_at if known is not None and known.address == teller.address else None,
        )
        self._put(begun)
        self._clear(teller, known.reference if known is not None and known.address == teller.address else "")
        made = teller.shelf.create(teller.asks(secret))
        now = self._clock.now()
        with self._store.write() as tx:
            one = tellings.to_change(tx, teller.name)
            if one is None or one.secret_digest != begun.secret_digest:
                return
            if begun.made_at is not None:
                # What was decided while nothing was told is asked for.
                teller.after_silence(tx, now)
            # What it told while it was being made is its own.
            told = replace(one, state=TellingState.TELLING, made_at=begun.looked_at, looked_at=now)
            tellings.put(tx, replace(told, reference=made.reference, failures=0, detail=""))
        _log.info("telling_made", teller=teller.name)

    def _clear(self, teller: Teller, reference: str) -> None:
        """Take away what stood there before, as far as it lets us: what stays there tells with a secret that is none."""
        try:
            found = [teller.shelf.read(reference)] if reference else []
            found += teller.shelf.search("Subscription", {"url": teller.endpoint})
            ours = {one.reference: one for one in found if one and endpoint_of(one.resource) == teller.endpoint}
            for one in ours.values():
                teller.shelf.delete(one)
        except BridgeError as fault:
            _log.info("tellings_not_cleared", teller=teller.name, code=fault.code)

    def _look(self, teller: Teller, known: Telling) -> None:
        found = teller.shelf.read(known.reference)
        now = self._clock.now()
        with self._store.write() as tx:
            one = tellings.to_change(tx, teller.name)
            if one is None or one.secret_digest != known.secret_digest:
                return
            is_there = found is not None and stands(found.resource) and endpoint_of(found.resource) == teller.endpoint
            detail = "" if is_there else "the subscription no longer stands there; it is made anew"
            if is_there and teller.beats and one.is_quiet(now):
                detail = "it stands there, and nothing came for a day, no sign of life either; it is made anew"
            state = TellingState.TELLING if one.is_telling and not detail else TellingState.SILENT
            tellings.put(tx, replace(one, state=state, looked_at=now, failures=0, detail=detail))

    def _end(self, teller: Teller | None, known: Telling) -> None:
        """Have it tell no more, and forget it; one that the settings no longer name is forgotten alone."""
        if teller is not None and known.reference:
            if self._is_resting(known):
                return
            try:
                found = teller.shelf.read(known.reference)
                if found is not None:
                    teller.shelf.delete(found)
            except BridgeError as fault:
                _log.warning("telling_not_ended", teller=known.name, code=fault.code)
                self._note_fault(known.name, fault.detail)
                return
        with self._store.write() as tx:
            tellings.forget(tx, known.name)
        _log.info("telling_ended", teller=known.name)

    def _is_resting(self, known: Telling) -> bool:
        failed = replace(known, state=TellingState.SILENT)
        return known.failures > 0 and next_deed(failed, known.address, self._clock.now()) is Deed.NOTHING

    def _note_fault(self, name: str, detail: str) -> None:
        now: datetime = self._clock.now()
        with self._store.write() as tx:
            one = tellings.to_change(tx, name)
            if one is not None:
                tellings.put(tx, replace(one, looked_at=now, failures=one.failures + 1, detail=detail))

    def _put(self, one: Telling) -> None:
        with self._store.write() as tx:
            tellings.to_change(tx, one.name)
            tellings.put(tx, one)

    def _hold(self, name: str) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, f"telling:{name}", self._owner, self._clock.now(), _LEASE)
