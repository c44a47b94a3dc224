"""Where a bound study goes: routes as data, what they look at, and why one takes a study or does not.

An archive that no route names gets every study; a destination that routes name gets what they say. Routes are read in
their order; each that takes the study counts, up to and with one that says it is the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from bridge.domain.day_hours import DayHours
from bridge.domain.names import fold
from bridge.domain.object_kinds import kind_of

Urgency = Literal["", "low", "normal", "high"]
_URGENT = frozenset({"STAT", "HIGH"})
_RANKS = {"low": -1, "normal": 0, "high": 1}


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """
    What routes look at. came_at: the first image, last_at: the last one.

    priority: Requested Procedure Priority. station: the title that the images came from and the names of their stations.
    site: whose message brought the order. procedure: the order's code and its text.
    """

    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    institution: tuple[str, ...] = ()
    referring_physician: tuple[str, ...] = ()
    requesting_service: tuple[str, ...] = ()
    station: tuple[str, ...] = ()
    procedure: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    patient_class: tuple[str, ...] = ()
    came_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """
    What a study must be: every condition that is given must hold, and of its values any is enough; () asks nothing.

    institution, referring_physician, requesting_service: all words of the value stand in the study's. The others are
    compared whole. hours: when the study's first image came, by the hospital's clock.
    """

    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    institution: tuple[str, ...] = ()
    referring_physician: tuple[str, ...] = ()
    requesting_service: tuple[str, ...] = ()
    station: tuple[str, ...] = ()
    procedure: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    patient_class: tuple[str, ...] = ()
    hours: DayHours | None = None

    @property
    def is_empty(self) -> bool:
        return all(not getattr(self, one.name) for one in fields(self))

    def unmet(self, facts: StudyFacts, zone: ZoneInfo) -> tuple[str, ...]:
        """Return what keeps *facts* from meeting these, a sentence's part each."""
        found = []
        for name in TEXT_CONDITIONS:
            wanted = getattr(self, name)
            if wanted and not _fits(name, wanted, getattr(facts, name)):
                has = ", ".join(getattr(facts, name)) or "not known"
                found.append(f"{name} is {has}, not {' or '.join(wanted)}")
        if self.hours is not None and not (facts.came_at and self.hours.hold(facts.came_at, zone)):
            came = f"{facts.came_at.astimezone(zone):%a %H:%M}" if facts.came_at else "at no known time"
            found.append(f"it came {came}, not in {self.hours}")
        return tuple(found)


TEXT_CONDITIONS = tuple(one.name for one in fields(Conditions) if one.name != "hours")
_BY_WORDS = frozenset({"institution", "referring_physician", "requesting_service"})


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a choice of objects looks at."""

    sop_class_uid: str
    modality: str = ""
    body_part: str = ""


@dataclass(frozen=True, slots=True)
class Objects:
    """Which of a study's objects go; () asks nothing. kind: words of `object_kinds.KINDS`."""

    kind: tuple[str, ...] = ()
    sop_class: tuple[str, ...] = ()
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()

    def take(self, one: ObjectFacts) -> bool:
        """Say whether *one* is among them."""
        return (
            (not self.kind or kind_of(one.sop_class_uid) in self.kind)
            and (not self.sop_class or one.sop_class_uid in self.sop_class)
            and (not self.modality or _fits("modality", self.modality, (one.modality,)))
            and (not self.body_part or _fits("body_part", self.body_part, (one.body_part,)))
        )


@dataclass(frozen=True, slots=True)
class Route:
    """
    One rule. when: all must hold; unless: if all hold, it does not take the study. objects: which of its objects go.

    delay: after the last image. between: only in these hours of the hospital's clock. is_last: later routes are not read.
    """

    name: str
    to: tuple[str, ...]
    when: Conditions = field(default_factory=Conditions)
    unless: Conditions = field(default_factory=Conditions)
    objects: Objects = field(default_factory=Objects)
    delay: timedelta = timedelta(0)
    between: DayHours = field(default_factory=DayHours)
    urgency: Urgency = ""
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Leg:
    """One way that a study takes. route: its name, "" for what every archive gets."""

    destination: str
    route: str = ""
    objects: Objects = field(default_factory=Objects)
    delay: timedelta = timedelta(0)
    between: DayHours = field(default_factory=DayHours)
    rank: int = 0

    def due_at(self, facts: StudyFacts, now: datetime, zone: ZoneInfo) -> datetime:
        """Return when what goes this way may leave: *now*, or later."""
        ready = now if facts.last_at is None or not self.delay else max(now, facts.last_at + self.delay)
        return self.between.from_then_on(ready, zone)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one route says of a study. reasons: why it does not take it, () if it does."""

    route: Route
    reasons: tuple[str, ...] = ()

    @property
    def takes(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes in their order. look_back: how far back studies are looked at again when the routes change."""

    routes: tuple[Route, ...] = ()
    look_back: timedelta = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Routing:
    """Routes, and the archives that get everything unless a route names them."""

    routes: Routes
    archives: tuple[str, ...]
    zone: ZoneInfo

    @property
    def unnamed(self) -> tuple[str, ...]:
        """The archives that get every study."""
        named = {title for route in self.routes.routes for title in route.to}
        return tuple(title for title in self.archives if title not in named)

    def verdicts(self, facts: StudyFacts) -> tuple[Verdict, ...]:
        """Return what each route says of a study, in their order."""
        found: list[Verdict] = []
        ended_by = ""
        for route in self.routes.routes:
            reasons = (f"route {ended_by!r} before it was the last",) if ended_by else self._reasons(route, facts)
            found.append(Verdict(route, reasons))
            if not reasons and route.is_last:
                ended_by = route.name
        return tuple(found)

    def legs(self, facts: StudyFacts) -> tuple[Leg, ...]:
        """Return every way that a study takes."""
        rank = 1 if _URGENT.intersection(one.upper() for one in facts.priority) else 0
        everywhere = [Leg(title, rank=rank) for title in self.unnamed]
        return (
            *everywhere,
            *(
                Leg(title, one.name, one.objects, one.delay, one.between, _RANKS.get(one.urgency, rank))
                for one in (verdict.route for verdict in self.verdicts(facts) if verdict.takes)
                for title in one.to
            ),
        )

    def _reasons(self, route: Route, facts: StudyFacts) -> tuple[str, ...]:
        unmet = route.when.unmet(facts, self.zone)
        if not unmet and not route.unless.is_empty and not route.unless.unmet(facts, self.zone):
            return ("everything under unless holds",)
        return unmet


def destinations(legs: Iterable[Leg]) -> tuple[str, ...]:
    """Return where *legs* lead, each once."""
    return tuple(dict.fromkeys(leg.destination for leg in legs))


def due_of(one: ObjectFacts, legs: Sequence[Leg], due_at: Callable[[Leg], datetime]) -> datetime | None:
    """Return when an object may leave by the soonest of *legs*, all to one place; None if none takes it."""
    return min((due_at(leg) for leg in legs if leg.objects.take(one)), default=None)


def _fits(name: str, wanted: Sequence[str], found: Sequence[str]) -> bool:
    if name in _BY_WORDS:
        said = [_words(one) for one in found]
        return any(_words(one) <= words for one in wanted for words in said)
    folded = {fold(one).strip() for one in found}
    return any(fold(one).strip() in folded for one in wanted)


def _words(text: str) -> frozenset[str]:
    return frozenset("".join(char if char.isalnum() else " " for char in fold(text)).split())
