"""Orders fetched from an EHR that does not push them: asked for again and again, each applied once, by one node of all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote

import orjson
import structlog

from bridge.clock import Clock
from bridge.domain.identifiers import digest_of
from bridge.domain.message import MessageState
from bridge.errors import OUR_FAULT, BridgeError, Unavailable
from bridge.flows.lookout import Lookout
from bridge.flows.read_fhir import FhirRequest
from bridge.flows.receive_fhir import FACILITY, FhirReceiver
from bridge.store import fhir_bookmarks, leases, messages
from bridge.store.db import Store
from bridge.store.fhir_bookmarks import Bookmark

_log = structlog.get_logger(__name__)

_LEASE = timedelta(seconds=120)
_WAIT_MAX_SECS = 900.0
_PAGES_MAX = 1000
# A resource that says it was changed later than this tells nothing of how far the reading has come.
_AHEAD = timedelta(days=1)
_PAGE = 50

Json = dict[str, Any]


class OrderSource(Protocol):
    """A server that is asked, outside of any transaction. page: the resources at an address, and the next page's."""

    def page(self, address: str) -> tuple[Sequence[Mapping[str, Any]], str]: ...


@dataclass(frozen=True, slots=True)
class PolledServer:
    """One server, and how it is asked. since: how far back the first time; overlap: how far behind the newest seen."""

    name: str
    source: OrderSource
    query: str = ""
    every: timedelta = timedelta(seconds=60)
    overlap: timedelta = timedelta(seconds=120)
    since: timedelta = timedelta(hours=24)


class Poll(Lookout):
    """
    Asks each server in its turn for one kind of resource. owner: this process, unlike any other.

    resource: what is asked for; includes: what of its references comes along; marked: before a server's name, whose
    bookmark it is.
    """

    resource: str
    includes: tuple[str, ...]
    marked = ""
    lease = "polled"
    look_secs = 1.0

    def __init__(self, store: Store, clock: Clock, servers: Sequence[PolledServer], *, owner: str) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._servers = servers
        self._owner = owner

    def work(self) -> int:
        """Ask every server whose turn it is; return how many resources were new. Raises: Unavailable, without a database."""
        return sum(self._ask(server) for server in self._servers if not self._stopping.is_set())

    def _ask(self, server: PolledServer) -> int:
        with self._store.read() as tx:
            known = fhir_bookmarks.of_server(tx, self.marked + server.name)
        now = self._clock.now()
        if not _is_due(server, known, now) or not self._hold(server):
            return 0
        known = replace(known, taken=known.told)
        try:
            new, since = self._sweep(server, known, now)
        except BridgeError as fault:
            _log.warning("poll_refused", server=server.name, code=fault.code)
            self._put(replace(known, read_at=now, fault=fault.detail, failures=known.failures + 1))
            return 0
        except Exception:  # noqa: BLE001 - one server's odd answer must neither stop the others nor be asked for every second
            _log.exception("poll_failed", server=server.name)
            fault_words = OUR_FAULT
            self._put(replace(known, read_at=now, fault=fault_words, failures=known.failures + 1))
            return 0
        if since is not None:
            self._put(replace(known, since=since, read_at=now, fault="", failures=0))
        return new

    def _sweep(self, server: PolledServer, known: Bookmark, now: datetime) -> tuple[int, str | None]:
        """Apply every page; return how many resources were new, and the newest time seen, None where it was stopped."""
        address, new, newest = _first_address(self, server, known, now), 0, known.since
        for _ in range(_PAGES_MAX):
            resources, address = server.source.page(address)
            around = [one for one in resources if one.get("resourceType") not in (self.resource, "OperationOutcome")]
            for one in resources:
                if one.get("resourceType") != self.resource:
                    continue
                if self._stopping.is_set() or not self._hold(server):
                    return new, None
                new += self._take(server, one, around)
                newest = _later(newest, one, now + _AHEAD)
            if not address:
                return new, newest
        raise Unavailable("the pages of the search do not end", code="endless_pages")

    @abstractmethod
    def _take(self, server: PolledServer, one: Mapping[str, Any], around: Iterable[Mapping[str, Any]]) -> int:
        """Take one resource in, with those that came along with it; return whether it was new."""

    def _hold(self, server: PolledServer) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, f"{self.lease}:{self.marked}{server.name}", self._owner, self._clock.now(), _LEASE)

    def _put(self, bookmark: Bookmark) -> None:
        with self._store.write() as tx:
            fhir_bookmarks.put(tx, bookmark)


class OrderPoll(Poll):
    """Asks for orders."""

    name = "order-poll"
    resource = "ServiceRequest"
    includes = ("patient", "encounter", "requester")
    lease = "orders"

    def __init__(
        self, store: Store, clock: Clock, receiver: FhirReceiver, servers: Sequence[PolledServer], *, owner: str
    ) -> None:
        super().__init__(store, clock, servers, owner=owner)
        self._receiver = receiver

    def _take(self, server: PolledServer, one: Mapping[str, Any], around: Iterable[Mapping[str, Any]]) -> int:
        """Apply one order with what it refers to, unless these very bytes were applied before."""
        mentioned = _mentioned(one)
        entries = [one, *(each for each in around if f"{each.get('resourceType')}/{each.get('id')}" in mentioned)]
        raw = _transaction(entries)
        with self._store.read() as tx:
            same, _ = messages.heard_before(tx, (server.name, FACILITY), "", digest_of(raw))
        if same is not None and same.state == MessageState.APPLIED:
            return 0
        answer = self._receiver.receive(FhirRequest(raw, server.name, server.name))
        return int(answer.state == MessageState.APPLIED)


def _is_due(server: PolledServer, known: Bookmark, now: datetime) -> bool:
    return known.read_at is None or known.is_told_of_more or now >= known.read_at + _pause(server, known)


def _pause(server: PolledServer, known: Bookmark) -> timedelta:
    if not known.failures:
        return server.every
    return timedelta(seconds=min(server.every.total_seconds() * 2 ** min(known.failures, 10), _WAIT_MAX_SECS))


def _first_address(poll: Poll, server: PolledServer, known: Bookmark, now: datetime) -> str:
    """Return what is asked for: by the server's own clock once it has told a time, so that ours does not matter."""
    at = _instant(known.since)
    start = at - server.overlap if at is not None else now - server.since
    includes = "".join(f"&_include={poll.resource}:{name}" for name in poll.includes)
    since = quote(start.astimezone(UTC).isoformat(timespec="seconds"))
    narrowed = f"&{quote(server.query, safe='=&:/,.|%-_')}" if server.query else ""
    return f"{poll.resource}?_lastUpdated=ge{since}{narrowed}&_sort=_lastUpdated&_count={_PAGE}{includes}"


def _later(newest: str, order: Mapping[str, Any], latest: datetime) -> str:
    meta = order.get("meta")
    said = meta.get("lastUpdated") if isinstance(meta, Mapping) else None
    at, before = _instant(said), _instant(newest)
    return str(said) if at is not None and at <= latest and (before is None or at > before) else newest


def _instant(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) and text else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _transaction(resources: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a transaction of *resources*; of one that is nested too deep to be written, its name, to be refused by."""
    entries = [{"resource": one, "request": {"method": "PUT"}} for one in resources]
    try:
        return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    except orjson.JSONEncodeError:
        names = [{name: one.get(name) for name in ("resourceType", "id")} for one in resources[:1]]
        return _transaction(names)


def _mentioned(order: Mapping[str, Any]) -> set[str]:
    """Return every "Type/id" that an order refers to."""
    found: set[str] = set()
    waiting: list[object] = [order]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += one.values()
            reference = one.get("reference")
            if isinstance(reference, str):
                found.add("/".join(reference.split("/_history/")[0].split("/")[-2:]))
        elif isinstance(one, list):
            waiting += one
    return found
