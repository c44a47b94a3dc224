"""What a place is owed of a bound study by now: where the routes send it, what a person sent, what must be corrected there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.domain.day_hours import DayHours
from bridge.domain.overlay import Overlay
from bridge.domain.routing import Leg, ObjectFacts, Routing, due_of
from bridge.domain.study import Instance, StudyContents
from bridge.outbox.publisher import Hold, Nothing, NotYet
from bridge.store import overlays, publications, route_facts, studies
from bridge.store.db import ReadTx
from bridge.store.deliveries import Delivery

# So many times the quiet that is waited for, a study that goes on and on is sent as far as it is here.
_PATIENCE = 15


@dataclass(frozen=True, slots=True)
class Ways:
    """
    What decides where studies go, and when. routing: the routes by now, None: every place gets everything.

    quiet: how long no image of a study must have come. hours: when a place is sent to at all.
    by_hand: places that are never sent again what they have otherwise.
    """

    routing: Callable[[], Routing] | None = None
    quiet: timedelta = timedelta(0)
    hours: dict[str, DayHours] = field(default_factory=dict)
    by_hand: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Owed:
    """What is to be sent now, in the study's order. later: when more of it may go, None if that is all. rank: how urgently."""

    contents: StudyContents
    overlay: Overlay
    instances: tuple[Instance, ...]
    later: datetime | None = None
    rank: int = 0


def owed_now(tx: ReadTx, delivery: Delivery, ways: Ways, now: datetime) -> Owed | NotYet | Hold | Nothing:
    """Return what *delivery*'s place is owed of its study."""
    if delivery.study_key is None:
        return Nothing("it names no study")
    study = studies.get(tx, delivery.study_key)
    if not study.is_bound:
        return Hold("the study is not bound to a patient")
    over = overlays.current(tx, study)
    owed = set(publications.owed_instances(tx, study.key, delivery.destination, over.since))
    if delivery.destination in ways.by_hand:
        owed -= publications.outdated_instances(tx, study.key, delivery.destination, over.since)
    if not owed:
        return Nothing("everything is there")
    contents = studies.contents(tx, study.key)
    quiet_at = _quiet_at(contents, owed, ways.quiet)
    if quiet_at is not None and quiet_at > now:
        return NotYet(quiet_at, "images are still coming")
    legs, due_at = _legs(tx, contents, delivery.destination, ways, now)
    there = publications.had_instances(tx, study.key, delivery.destination)
    corrected_at = due_at(Leg(delivery.destination))
    dues = _dues(contents, owed, lambda one, facts: corrected_at if one.key in there else due_of(facts, legs, due_at))
    going = tuple(one for one, due in dues if due <= now)
    later = min((due for _, due in dues if due > now), default=None)
    if going:
        return Owed(contents, over, going, later, max((leg.rank for leg in legs), default=0))
    if later is not None:
        return NotYet(later, "its route sends it later")
    return Nothing("no route sends it there" if not legs else "no route sends these objects there")


def _legs(
    tx: ReadTx, contents: StudyContents, place: str, ways: Ways, now: datetime
) -> tuple[Sequence[Leg], Callable[[Leg], datetime]]:
    """Return the ways of a study to *place*, and what says when each may be taken."""
    hours = ways.hours.get(place, DayHours())
    if ways.routing is None:
        return [Leg(place)], lambda leg: now
    routing, facts = ways.routing(), route_facts.of_study(tx, contents.study)
    legs = [leg for leg in routing.legs(facts) if leg.destination == place]
    if place in route_facts.sent_by_hand(tx, contents.study.key):
        legs.append(Leg(place, "sent by hand"))
    return legs, lambda leg: hours.from_then_on(leg.due_at(facts, now, routing.zone), routing.zone)


def _dues(
    contents: StudyContents,
    owed: Collection[int],
    due: Callable[[Instance, ObjectFacts], datetime | None],
) -> list[tuple[Instance, datetime]]:
    found = []
    for series in contents.series:
        for one in contents.instances[series.key]:
            facts = ObjectFacts(one.sop_class_uid, series.modality, series.body_part_examined)
            at = due(one, facts) if one.key in owed else None
            if at is not None:
                found.append((one, at))
    return found


def _quiet_at(contents: StudyContents, owed: Collection[int], quiet: timedelta) -> datetime | None:
    """Return when a study was quiet long enough, or had kept its first object that is owed waiting too long."""
    came = [one.received_at for group in contents.instances.values() for one in group if one.key in owed]
    times = [at for at in came if at is not None]
    return min(max(times) + quiet, min(times) + quiet * _PATIENCE) if times else None
