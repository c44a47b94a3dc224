"""Where a study goes by the routes in use, where it went, and why not elsewhere; nothing is sent or changed."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.routing import Routing
from bridge.domain.study import Study
from bridge.flows.live_routes import LiveRoutes
from bridge.outbox.enqueue import ARCHIVE
from bridge.store import deliveries, overlays, publications, route_facts, studies
from bridge.store.db import ReadTx
from bridge.store.listings import search


@dataclass(frozen=True, slots=True)
class RouteSays:
    """One route's word on a study. reasons: why it does not take it, () if it does."""

    route: str
    to: tuple[str, ...]
    takes: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """
    One place that a study goes to, or is at. because: the routes that send it, or what else does; () if nothing does now.

    has: how many of its objects are there as they leave now; earlier: as they left before. state, detail: the newest
    delivery's.
    """

    destination: str
    because: tuple[str, ...]
    has: int
    earlier: int
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class StudyRoutes:
    """What becomes of one study."""

    study_instance_uid: str
    is_bound: bool
    instances: int
    routes: tuple[RouteSays, ...]
    places: tuple[Place, ...]


def find_studies(tx: ReadTx, query: str) -> list[Study]:
    """Return the studies that *query* names: by Study Instance UID, or whatever finds their exam."""
    named = studies.by_uid(tx, query)
    if named is not None:
        return [named]
    found = dict.fromkeys(exam.study_key for exam in search.find(tx, query, unbound=True).exams)
    return [studies.get(tx, key) for key in found if key is not None]


def explain_routes(tx: ReadTx, study: Study, routes: LiveRoutes) -> StudyRoutes:
    """Return where *study* goes and why, by the routes as they are now."""
    routing = routes()
    verdicts = routing.verdicts(route_facts.of_study(tx, study))
    return StudyRoutes(
        study.study_instance_uid,
        study.is_bound,
        studies.count_instances(tx, study.key),
        tuple(RouteSays(one.route.name, one.route.to, one.takes, one.reasons) for one in verdicts),
        _places(tx, study, routing),
    )


def _places(tx: ReadTx, study: Study, routing: Routing) -> tuple[Place, ...]:
    because: dict[str, list[str]] = {}
    for leg in routing.legs(route_facts.of_study(tx, study)):
        because.setdefault(leg.destination, []).append(f"route {leg.route}" if leg.route else "gets every study")
    for sent in route_facts.sends_of(tx, study.key):
        because.setdefault(sent.destination, []).append(f"sent by {sent.asked_by.removeprefix('user:')}")
    newest = {one.destination: one for one in reversed(deliveries.of_study(tx, study.key)) if one.topic == ARCHIVE}
    there, since = publications.forwarded(tx, study.key), overlays.current(tx, study).since
    names = dict.fromkeys([*because, *(one.destination for one in there)])
    found = []
    for name in names:
        mine = [one for one in there if one.destination == name]
        has = sum(one.count for one in mine if one.binding_version >= since)
        delivery = newest.get(name)
        found.append(
            Place(
                name,
                tuple(because.get(name, ())),
                has,
                sum(one.count for one in mine) - has,
                delivery.state.value if delivery else "",
                (delivery.held_reason or delivery.last_error or delivery.detail) if delivery else "",
            )
        )
    return tuple(found)
