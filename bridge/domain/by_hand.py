"""What a person decides about a scheduled step: where and when it is done, and how far it has come.

Each decision is kept with what it changed, so that it can be taken back, and so that news about when and where is known
for news: a message that repeats what was known before a person moved the step says nothing against the move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from bridge.domain.order import FINAL, WAITING, ByHand, Step, StepStatus
from bridge.domain.records import replace
from bridge.errors import Conflict, Incomplete, Malformed

_MAY_MOVE = WAITING | {StepStatus.HELD}
_WHEN_AND_WHERE = ("scheduled_start_local", "scheduled_station_ae_title")
_PLACE = (
    *_WHEN_AND_WHERE,
    "scheduled_start_at",
    "scheduled_station_name",
    "scheduled_procedure_step_location",
    "appointment_key",
    "booked_at",
    "withheld",
)
_STATE = ("status", "held_from", "withheld")
_KEPT_MAX = 20
_YEARS = (1900, 2999)

# To what a person may bring a step, from where it is. Back, and out of an end, is a person's word against a device's.
_FORWARD = {
    StepStatus.SCHEDULED: (StepStatus.ARRIVED, StepStatus.READY, StepStatus.STARTED, StepStatus.COMPLETED),
    StepStatus.ARRIVED: (StepStatus.READY, StepStatus.STARTED, StepStatus.COMPLETED),
    StepStatus.READY: (StepStatus.STARTED, StepStatus.COMPLETED),
    StepStatus.HELD: (StepStatus.STARTED, StepStatus.COMPLETED),
    StepStatus.STARTED: (StepStatus.COMPLETED, StepStatus.DISCONTINUED),
}
_BACK = {
    StepStatus.ARRIVED: (StepStatus.SCHEDULED,),
    StepStatus.READY: (StepStatus.ARRIVED,),
    StepStatus.STARTED: (StepStatus.ARRIVED,),
    StepStatus.COMPLETED: (StepStatus.STARTED, StepStatus.ARRIVED),
    StepStatus.DISCONTINUED: (StepStatus.STARTED, StepStatus.ARRIVED),
    StepStatus.CANCELED: (StepStatus.SCHEDULED,),
}
_BEGUN = FINAL | {StepStatus.STARTED}


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a person wants a step. start_local: "YYYYMMDDHHMMSS" by the hospital's clock; start_at: the instant."""

    scheduled_station_ae_title: str
    start_local: str
    start_at: datetime


def place_at(title: str, start: str, zone: tzinfo) -> Place:
    """
    Return the place of *title* ("" keeps the devices) at *start*, "YYYY-MM-DD HH:MM" by the hospital's clock.

    Raises: Malformed, if it is no time, one that the clock leaves out on that day, or in no year of ours.
    """
    try:
        local = datetime.strptime(start, "%Y-%m-%d %H:%M")
    except ValueError:
        raise Malformed("a day and a time are wanted", code="invalid_value", where="time") from None
    if not _YEARS[0] <= local.year <= _YEARS[1]:
        raise Malformed("no such year here", code="invalid_value", where="time")
    at = local.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != local:
        raise Malformed("the clock leaves this time out on that day", code="invalid_value", where="time")
    return Place(title, local.strftime("%Y%m%d%H%M%S"), at)


def choices(status: StepStatus) -> tuple[StepStatus, ...]:
    """Return to what a person may bring a step in state *status*, the next one first."""
    return _FORWARD.get(status, ()) + _BACK.get(status, ())


def back_from(status: StepStatus) -> tuple[StepStatus, ...]:
    """Return those of the choices that take something back: it was not so after all."""
    return _BACK.get(status, ())


def needs_reason(now: StepStatus, then: StepStatus) -> bool:
    """Say whether a person has to say why: an exam is stopped, or was not begun or ended after all."""
    return then == StepStatus.DISCONTINUED or (now in _BEGUN and then in _BACK.get(now, ()))


def moved(step: Step, to: Place, at: datetime) -> Step:
    """
    Return *step* where and when a person wants it; its study stays the same.

    What belongs to another device's room goes; an appointment that will not take place says nothing any more.
    Raises: Conflict, if it has begun or ended.
    """
    if step.status not in _MAY_MOVE:
        what = "started" if step.status == StepStatus.STARTED else "ended"
        raise Conflict(f"the exam has {what}, and stays where it is", code="record_locked")
    titles = (to.scheduled_station_ae_title,) if to.scheduled_station_ae_title else step.scheduled_station_ae_title
    now: dict[str, Any] = {
        "scheduled_start_local": to.start_local,
        "scheduled_start_at": to.start_at,
        "scheduled_station_ae_title": titles,
    }
    if not set(titles) <= set(step.scheduled_station_ae_title):
        now |= {"scheduled_station_name": "", "scheduled_procedure_step_location": ""}
    if step.withheld:
        now |= {"withheld": "", "appointment_key": None, "booked_at": None}
    return _changed(step, _PLACE, now, at)


def marked(step: Step, status: StepStatus, reason: str, at: datetime) -> Step:
    """
    Return *step* in the state that a person says it is in. The table of states binds messages and devices, not people.

    Raises: Conflict, if nobody can say so of a step in its state; Incomplete without the reason that it takes.
    """
    if status not in choices(step.status):
        raise Conflict(f"the exam is {step.status.lower()} and cannot become {status.lower()}", code="state")
    if needs_reason(step.status, status) and not reason:
        raise Incomplete("say why, in a few words: it stays with the exam", code="missing", where="reason")
    return _changed(step, _STATE, {"status": status, "held_from": None, "withheld": ""}, at)


def taken_back(step: Step) -> Step:
    """Return *step* without a person's last word on it. Raises: Conflict, if there is none or something came after it."""
    if not step.by_hand:
        raise Conflict("nobody has changed it by hand since, so there is nothing to take back", code="nothing_to_undo")
    last = step.by_hand[-1]
    if not may_take_back(step):
        raise Conflict("it has changed since, so this cannot be taken back", code="changed_meanwhile")
    return replace(step, **last.was, by_hand=step.by_hand[:-1])


def may_take_back(step: Step) -> bool:
    """Say whether a person's last word on *step* can be taken back: nothing came after it."""
    if not step.by_hand:
        return False
    last, told = step.by_hand[-1], ("status", *_WHEN_AND_WHERE)
    is_open = not is_move(last) or step.status in _MAY_MOVE
    return is_open and all(getattr(step, name) == last.now[name] for name in told if name in last.now)


def hear(step: Step, said: Mapping[str, Any], said_at: datetime) -> Step:
    """
    Return *step* with what a message says of its place.

    The newest news wins: a person's move stands against what was said before it, and against what only repeats what was
    known when the step was moved. What then is kept aside is where the step goes if the move is taken back.
    """
    moves = [change for change in step.by_hand if is_move(change)]
    if not moves:
        return replace(step, **said)
    before = moves[0].was
    is_news = any(name in said and said[name] != before[name] for name in _WHEN_AND_WHERE)
    if is_news and said_at >= moves[-1].at:
        return replace(step, **said, by_hand=tuple(change for change in step.by_hand if not is_move(change)))
    aside = {name: value for name, value in said.items() if name in before}
    first = replace(moves[0], was={**before, **aside})
    kept = tuple(first if change is moves[0] else change for change in step.by_hand)
    return replace(step, **{name: value for name, value in said.items() if name not in before}, by_hand=kept)


def said_by_hand_at(steps: Sequence[Step], status: StepStatus) -> datetime | None:
    """Return when a person last said of any of *steps* that it is in *status*, None if nobody did."""
    said = [one.at for step in steps for one in step.by_hand if one.now.get("status") == status]
    return max(said, default=None)


def is_move(change: ByHand) -> bool:
    """Say whether a decision was about when and where, not about how far the exam has come."""
    return "scheduled_start_local" in change.was


def _changed(step: Step, names: Sequence[str], now: Mapping[str, Any], at: datetime) -> Step:
    """Return *step* changed, with what it was before; a move keeps the whole place, so that later news can be told from old."""
    was = {name: getattr(step, name) for name in names}
    change = ByHand(at, was, {name: now.get(name, value) for name, value in was.items()})
    return replace(step, **now, by_hand=_bounded((*step.by_hand, change)))


def _bounded(changes: tuple[ByHand, ...]) -> tuple[ByHand, ...]:
    """Return *changes* without end to their number: the two oldest of a kind become one, which keeps what was before both."""
    same = [one for one in changes if is_move(one) == is_move(changes[-1])]
    if len(same) <= _KEPT_MAX:
        return changes
    folded = ByHand(same[1].at, same[0].was, same[1].now)
    return tuple(folded if one is same[1] else one for one in changes if one is not same[0])
