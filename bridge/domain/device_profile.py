"""What one device is shown of the worklist, and in which form: rules with a name and a sentence each, decided here alone.

`Visibility` is a profile at one moment, in values that a database can compare as well; `hidden_by` says for one step what
those values say, rule by rule. Whoever compiles a `Visibility` to SQL must agree with `hidden_by` on every step.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from bridge.domain.order import FINAL, LIVE, WAITING, Order, Step, StepStatus
from bridge.domain.worklist_search import MODALITY, START_DATE, START_TIME, STATION, ItemValues

MAX_RESULTS = 500
# What stands for a station where an order names none and no device fits.
UNASSIGNED_STATION = "UNASSIGNED"
_LOCAL = "%Y%m%d%H%M%S"


class Sees(StrEnum):
    """Whose steps a device is shown; of several, any is enough."""

    STATION = "station"
    MODALITY = "modality"
    UNASSIGNED = "unassigned"


class Leaves(StrEnum):
    """When a step leaves a device's list."""

    STARTED = "started"
    IMAGES = "images"
    FINISHED = "finished"
    END_OF_DAY = "end_of_day"


class Rule(StrEnum):
    """A reason why a device is not shown a step, as logs, pages and REST name it; `RULE_WORDS` explains each."""

    STATE = "state"
    STARTED = "leaves_when_started"
    IMAGES = "leaves_when_images_arrive"
    DAY_OVER = "leaves_at_end_of_day"
    WHOSE = "sees"
    TOO_EARLY = "before_window"
    TOO_LATE = "after_window"
    CONFIDENTIAL = "confidential"


RULE_WORDS: dict[Rule, str] = {
    Rule.STATE: "A step is shown while it is scheduled, arrived, ready or started.",
    Rule.STARTED: "A step leaves the list when its exam has started.",
    Rule.IMAGES: "A step leaves the list when the first image of its exam has arrived.",
    Rule.DAY_OVER: "A step stays on the list, also when it is finished, until the day it was scheduled for is over.",
    Rule.WHOSE: "Only steps that are for this device are shown.",
    Rule.TOO_EARLY: "Steps that were scheduled too long ago are not shown.",
    Rule.TOO_LATE: "Steps that are scheduled too far ahead are not shown.",
    Rule.CONFIDENTIAL: "Steps of patients whose data are confidential are not shown on this device.",
}


@dataclass(frozen=True, slots=True)
class Window:
    """
    Which scheduled starts are shown, around now; None leaves an end open.

    Hours count from this minute, days are whole days of the hospital's clock (0 is today). Of one end at most one is set.
    """

    hours_back: int | None = None
    hours_ahead: int | None = None
    days_back: int | None = None
    days_ahead: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """
    One device. The defaults are what every device gets that says nothing else: each live step, at most 500.

    aliases: other titles it calls with. stations: further titles that steps name when they mean it. modality_aliases:
    what counts as its modality (CR for DX). charset: (0008,0005) it can read, "" to follow its query. name_length,
    text_length: characters of a PN group and of a description it takes, 0 for the standard's. patient_id_length: what it
    keeps of a Patient ID: a longer one is never cut here, but reported. sees: () for every step. required_keys: keywords,
    one of which a query must hold a value for. day_ends: "HHMM", when END_OF_DAY comes.
    """

    ae_title: str
    aliases: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    preset: str = ""
    modality: str = ""
    modality_aliases: tuple[str, ...] = ()
    charset: str = ""
    name_length: int = 0
    text_length: int = 0
    patient_id_length: int = 0
    sees: tuple[Sees, ...] = ()
    window: Window = Window()
    max_results: int = MAX_RESULTS
    over_max: Literal["cut", "refuse"] = "cut"
    required_keys: tuple[str, ...] = ()
    without_required: Literal["refuse", "empty"] = "refuse"
    leaves: Leaves = Leaves.FINISHED
    day_ends: str = "0000"
    hides_confidential: bool = False

    @property
    def titles(self) -> tuple[str, ...]:
        """Every title that a step may name to mean this device, its own first."""
        return tuple(dict.fromkeys((self.ae_title, *self.aliases, *self.stations)))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Every modality that counts as its own, () where it has none."""
        return tuple(dict.fromkeys((self.modality, *self.modality_aliases))) if self.modality else ()

    def station_keys(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Return the station titles that a query's *keys* mean: one of its own titles means all of them."""
        return _widened(keys, self.titles)

    def modality_keys(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Return the modalities that a query's *keys* mean: CR asked in a room where CR counts as DX means both."""
        return _widened(keys, self.modalities)

    def lacks_required_key(self, asked: Collection[str]) -> bool:
        """Say whether a query that holds values for the keywords *asked* has none of those it must have."""
        return bool(self.required_keys) and not any(keyword in asked for keyword in self.required_keys)

    def visibility(self, now: datetime, zone: ZoneInfo) -> Visibility:
        """Return what is shown at the instant *now* where the hospital's clock is in *zone*."""
        local = now.astimezone(zone)
        sees_station = Sees.STATION in self.sees
        return Visibility(
            statuses=_STATUSES[self.leaves],
            hides_started_with_images=self.leaves == Leaves.IMAGES,
            day_from=_day_from(local, self.day_ends) if self.leaves == Leaves.END_OF_DAY else "",
            starts_from=_window_start(now, zone, self.window),
            starts_until=_window_end(now, zone, self.window),
            is_everybodys=not self.sees,
            stations=self.titles if sees_station else (),
            modalities=self.modalities if Sees.MODALITY in self.sees else (),
            unassigned=Sees.UNASSIGNED in self.sees,
            unassigned_modalities=self.modalities if Sees.UNASSIGNED in self.sees else (),
            hides_confidential=self.hides_confidential,
        )


@dataclass(frozen=True, slots=True)
class Visibility:
    """
    The conditions that a step must meet, all of them; starts as "YYYYMMDDHHMMSS" of the hospital's clock, "" for no end.

    statuses: the states shown. hides_started_with_images: STARTED is hidden once an image is here. day_from: what starts
    before is hidden unless STARTED. is_everybodys: every step's; else one of: a station among *stations*, a modality among
    *modalities*, or (*unassigned*) no station and a modality among *unassigned_modalities*, any if there are none.
    """

    statuses: frozenset[StepStatus] = LIVE
    hides_started_with_images: bool = False
    day_from: str = ""
    starts_from: str = ""
    starts_until: str = ""
    is_everybodys: bool = True
    stations: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    unassigned: bool = False
    unassigned_modalities: tuple[str, ...] = ()
    hides_confidential: bool = False


@dataclass(frozen=True, slots=True)
class StepFacts:
    """
    What the rules look at. scheduled_start_local: "YYYYMMDDHHMMSS", "" if unknown. has_images: one of its exam is here.

    is_confidential: its patient's, visit's or order's data are marked so.
    """

    status: StepStatus
    modality: str = ""
    scheduled_station_ae_title: tuple[str, ...] = ()
    scheduled_start_local: str = ""
    has_images: bool = False
    is_confidential: bool = False

    @property
    def is_unassigned(self) -> bool:
        """Whether it is for no station in particular."""
        return not set(self.scheduled_station_ae_title) - {UNASSIGNED_STATION}


def facts_of(step: Step, order: Order, *, has_images: bool) -> StepFacts:
    """Return what the rules look at of a stored step of which no device is answered anything."""
    start, details = step.scheduled_start_local, order.details
    marks = (
        details.get("confidentiality_code", ""),
        details.get("confidentiality_constraint_on_patient_data_description", ""),
    )
    local = start[:14].ljust(14, "0") if start else ""
    stations = step.scheduled_station_ae_title
    return StepFacts(step.status, step.modality, stations, local, has_images, is_confidential(marks))


def facts_of_item(status: StepStatus, values: ItemValues, *, has_images: bool) -> StepFacts:
    """Return what the rules look at of the item that devices are answered: of what has begun, as it was when it began."""
    modality, stations = next(iter(values.get(MODALITY, ())), ""), tuple(values.get(STATION, ()))
    return StepFacts(status, modality, stations, start_of(values), has_images, is_marked(values))


def start_of(values: ItemValues) -> str:
    """Return an item's scheduled start, "YYYYMMDDHHMMSS", "" if unknown."""
    return "".join(str(found) for keyword in (START_DATE, START_TIME) for found in values.get(keyword, ())[:1])


def is_marked(values: ItemValues) -> bool:
    """Say whether an item's marks restrict who may see it; see `is_confidential`."""
    return is_confidential([str(mark) for keyword in _MARKS for mark in values.get(keyword, ())])


@dataclass(frozen=True, slots=True)
class Hidden:
    """One rule that hides a step, and why it does, in one sentence without patient data."""

    rule: Rule
    reason: str


def hidden_by(step: StepFacts, profile: DeviceProfile, seen: Visibility) -> tuple[Hidden, ...]:
    """Return every rule that keeps *step* off the list of *profile*'s device, () if it is shown. seen: the moment's."""
    title, start = profile.ae_title, step.scheduled_start_local
    found: list[Hidden] = []
    if step.status not in seen.statuses:
        rule = Rule.STARTED if step.status == StepStatus.STARTED else Rule.STATE
        found.append(Hidden(rule, _state_words(step.status, title)))
    if seen.hides_started_with_images and step.status == StepStatus.STARTED and step.has_images:
        found.append(Hidden(Rule.IMAGES, f"Its first image has arrived, and then it leaves the list of {title}."))
    if seen.day_from and start < seen.day_from and step.status != StepStatus.STARTED:
        what = f"The day it was scheduled for ({_day(start)}) is over, and then it leaves the list of {title}."
        found.append(Hidden(Rule.DAY_OVER, what))
    if not _is_for(step, seen):
        found.append(Hidden(Rule.WHOSE, _whose_words(step, profile)))
    if seen.starts_from and start < seen.starts_from:
        what = f"It starts at {_time(start)}, and {title} is shown steps from {_time(seen.starts_from)} on."
        found.append(Hidden(Rule.TOO_EARLY, what))
    if seen.starts_until and start > seen.starts_until:
        what = f"It starts at {_time(start)}, and {title} is shown steps until {_time(seen.starts_until)}."
        found.append(Hidden(Rule.TOO_LATE, what))
    if seen.hides_confidential and step.is_confidential:
        found.append(Hidden(Rule.CONFIDENTIAL, f"It is marked confidential, and {title} is shown no such steps."))
    return tuple(found)


def is_confidential(marks: Sequence[str]) -> bool:
    """Say whether *marks*, the texts of (0040,1008) and (0040,3001), restrict who may see. Source: HL7 table 0177, PS3.3 C.4.12."""
    return any(mark.strip().upper() not in _OPEN_MARKS for mark in marks)


_MARKS = ("ConfidentialityCode", "ConfidentialityConstraintOnPatientDataDescription")
# Usual control, normal, low, not a VIP.
_OPEN_MARKS = frozenset({"", "U", "N", "L", "NO", "USUAL CONTROL", "NORMAL", "LOW", "UNRESTRICTED"})

_STATUSES = {
    Leaves.STARTED: WAITING,
    Leaves.IMAGES: LIVE,
    Leaves.FINISHED: LIVE,
    Leaves.END_OF_DAY: LIVE | (FINAL - {StepStatus.CANCELED}),
}


def _widened(keys: Sequence[str], group: Sequence[str]) -> tuple[str, ...]:
    """A key outside the group, or with a wildcard, stays what it is."""
    if not any(key.strip(" \0") in group for key in keys):
        return tuple(keys)
    return tuple(dict.fromkeys((*keys, *group)))


def _is_for(step: StepFacts, seen: Visibility) -> bool:
    if seen.is_everybodys or any(title in seen.stations for title in step.scheduled_station_ae_title):
        return True
    if step.modality and step.modality in seen.modalities:
        return True
    is_mine = not seen.unassigned_modalities or step.modality in seen.unassigned_modalities
    return seen.unassigned and step.is_unassigned and is_mine


def _day_from(local: datetime, day_ends: str) -> str:
    """Return the start of the hospital's day; before *day_ends* it is still the day before."""
    day = local.date() if f"{local:%H%M}" >= day_ends else local.date() - timedelta(days=1)
    return f"{day:%Y%m%d}{day_ends}00"


def _window_start(now: datetime, zone: ZoneInfo, window: Window) -> str:
    if window.hours_back is not None:
        return (now - timedelta(hours=window.hours_back)).astimezone(zone).strftime(_LOCAL)
    if window.days_back is not None:
        return f"{now.astimezone(zone).date() - timedelta(days=window.days_back):%Y%m%d}000000"
    return ""


def _window_end(now: datetime, zone: ZoneInfo, window: Window) -> str:
    if window.hours_ahead is not None:
        return (now + timedelta(hours=window.hours_ahead)).astimezone(zone).strftime(_LOCAL)
    if window.days_ahead is not None:
        return f"{now.astimezone(zone).date() + timedelta(days=window.days_ahead):%Y%m%d}235959"
    return ""


def _state_words(status: StepStatus, title: str) -> str:
    if status == StepStatus.STARTED:
        return f"Its exam has started, and then it leaves the list of {title}."
    return {
        StepStatus.COMPLETED: "The exam is finished.",
        StepStatus.DISCONTINUED: "The exam was stopped at the device.",
        StepStatus.CANCELED: "The order was cancelled.",
        StepStatus.HELD: "The order is on hold.",
    }.get(status, f"The step is {status.value.lower()}.")


def _whose_words(step: StepFacts, profile: DeviceProfile) -> str:
    stations = ", ".join(step.scheduled_station_ae_title) if not step.is_unassigned else "no device in particular"
    whose = {
        Sees.STATION: "its own steps",
        Sees.MODALITY: f"steps of its modality ({', '.join(profile.modalities) or 'none'})",
        Sees.UNASSIGNED: "steps for no device in particular",
    }
    seen = " and ".join(whose[one] for one in profile.sees)
    kind = f" as {step.modality}" if step.modality else ""
    return f"It is scheduled for {stations}{kind}, and {profile.ae_title} is shown only {seen}."


def _day(start: str) -> str:
    return f"{start[:4]}-{start[4:6]}-{start[6:8]}" if start else "none"


def _time(start: str) -> str:
    return f"{_day(start)} {start[8:10]}:{start[10:12]}" if start else "no known time"
