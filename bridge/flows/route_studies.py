"""Who is to get a study by now: routes that changed are followed, and a person sends a study somewhere besides."""

from __future__ import annotations

from collections.abc import Callable

from bridge.clock import Clock
from bridge.domain.routing import Routes, Routing
from bridge.errors import Conflict, Malformed
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.live_routes import LiveRoutes
from bridge.outbox.enqueue import ARCHIVE
from bridge.store import audit, deliveries, events, route_facts, studies
from bridge.store.db import Store, WriteTx
from bridge.store.deliveries import DeliveryState
from bridge.store.events import Event, Station
from bridge.store.route_facts import SentByHand


class RouteFollower:
    """Looks at recent studies again when the routes are others than before."""

    def __init__(self, store: Store, clock: Clock, destinations: Destinations, routes: Callable[[], Routing]) -> None:
        self._store = store
        self._clock = clock
        self._destinations = destinations
        self._routes = routes
        self._followed: Routes | None = None

    def follow(self) -> int:
        """Queue what the routes ask for and nobody was sent; return how many studies were looked at."""
        routing = self._routes()
        if routing.routes == self._followed:
            return 0
        if self._followed is None and not routing.routes.routes:
            self._followed = routing.routes
            return 0
        with self._store.read() as tx:
            keys = route_facts.recent(tx, self._clock.now() - routing.routes.look_back)
        for key in keys:
            with self._store.write() as tx:
                self._look(tx, key)
        self._followed = routing.routes
        return len(keys)

    def _look(self, tx: WriteTx, study_key: int) -> None:
        study = studies.get(tx, study_key)
        if not study.is_bound:
            return
        newest: dict[str, DeliveryState] = {}
        for one in deliveries.of_study(tx, study_key):
            if one.topic == ARCHIVE:
                newest.setdefault(one.destination, one.state)
        # What waits looks at the routes by itself, and what was given up was given up.
        skipped = {place for place, state in newest.items() if state != DeliveryState.SENT}
        announce.study_routed(tx, study, self._destinations, self._clock.now(), skipped)


class HandSender:
    """A person sends a bound study somewhere besides where *routes* send it."""

    def __init__(self, store: Store, clock: Clock, routes: LiveRoutes) -> None:
        self._store = store
        self._clock = clock
        self.routes = routes

    @property
    def known(self) -> tuple[str, ...]:
        """Where a study can be sent."""
        return self.routes.places.known

    def send(self, study_instance_uid: str, to: str, actor: str) -> None:
        """
        Queue the whole study for *to*; what comes later, and corrections, follow it.

        Raises: LookupError for no such study; Malformed for no such place; Conflict, if it is not bound.
        """
        if to not in self.routes.places.known:
            raise Malformed("not a place that studies are sent to", code="unknown_destination", where="to")
        now = self._clock.now()
        with self._store.write() as tx:
            study = studies.by_uid(tx, study_instance_uid)
            if study is None:
                raise LookupError("no such study")
            if not study.is_bound:
                raise Conflict("the study is not bound to a patient; it stays here until it is", code="not_bound")
            route_facts.send_by_hand(tx, study.key, SentByHand(to, actor, now))
            announce.study_sent(tx, study, to, now)
            said = Event(now, Station.IMAGES, f"Sent to {to} by hand", actor, "send", to, study.order_key, study.key)
            events.add(tx, said)
            audit.add(
                tx, at=now, action="study_sent_by_hand", actor=actor, study_key=study.key, detail={"destination": to}
            )
