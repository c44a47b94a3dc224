"""How long a payer may take, and how long what it granted is good. Source: CMS-0057-F (42 CFR 422.568, 422.572).

Times are the payer's: 72 hours are hours; seven days are calendar days, to the same time of day, whatever the clocks do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from bridge.domain.authorization import GRANTED, WAITS_FOR_PAYER, Authorization, AuthorizationStatus, Urgency


@dataclass(frozen=True, slots=True)
class ClockRules:
    """
    What a payer owes. expedited_hours, standard_days: 0 for no limit. marks: percent of the time at which people are warned.

    expiry_days: how many days before the end of what was granted people are warned. zone: the payer's.
    """

    expedited_hours: int = 72
    standard_days: int = 7
    marks: tuple[int, ...] = (50, 80)
    expiry_days: tuple[int, ...] = (14, 7, 1)
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class DecisionClock:
    """
    The payer's time on one request.

    marks: (percent, when). is_paused: the payer waits for papers, and the display stands still; the legal time does not.
    """

    received_at: datetime
    due_at: datetime
    marks: tuple[tuple[int, datetime], ...]
    is_paused: bool = False

    def passed(self, now: datetime) -> int:
        """Return the last mark that *now* has reached, 100 from the due time on, 0 before the first."""
        if now >= self.due_at:
            return 100
        return max((percent for percent, at in self.marks if at <= now), default=0)


def due_at(received_at: datetime, urgency: Urgency, rules: ClockRules) -> datetime | None:
    """Return when an answer is due, UTC; None where the payer owes none."""
    if urgency == Urgency.EXPEDITED:
        if not rules.expedited_hours:
            return None
        return received_at.astimezone(UTC) + timedelta(hours=rules.expedited_hours)
    if not rules.standard_days:
        return None
    # Adding to a local time keeps the time of day across a change of clocks; what does not exist there is an hour later.
    return (received_at.astimezone(rules.zone) + timedelta(days=rules.standard_days)).astimezone(UTC)


def decision_clock(authorization: Authorization, rules: ClockRules) -> DecisionClock | None:
    """Return the payer's clock, None while nothing is asked or once it is answered."""
    received_at = authorization.received_at
    if authorization.status not in WAITS_FOR_PAYER or received_at is None:
        return None
    due = due_at(received_at, authorization.urgency, rules)
    if due is None:
        return None
    received = received_at.astimezone(UTC)
    marks = tuple((percent, received + (due - received) * percent / 100) for percent in sorted(rules.marks))
    is_paused = authorization.status == AuthorizationStatus.PENDED and bool(authorization.wanted)
    return DecisionClock(received, due, marks, is_paused)


def days_left(authorization: Authorization, now: datetime, rules: ClockRules) -> int | None:
    """Return the days until what was granted ends, 0 on its last day, negative after; None where it has no end."""
    end = _day(authorization.expires_on)
    if end is None or authorization.status not in GRANTED | {AuthorizationStatus.EXPIRED}:
        return None
    return (end - now.astimezone(rules.zone).date()).days


def expiry_mark(left: int | None, expiry_days: Sequence[int]) -> int | None:
    """Return the narrowest warning that *left* days have reached, None before the first and after the end."""
    return min((one for one in expiry_days if left is not None and 0 <= left <= one), default=None)


def status_at(authorization: Authorization, now: datetime, rules: ClockRules) -> AuthorizationStatus:
    """Return how an authorization stands at *now*: what was granted is expired behind its last day at the payer's."""
    left = days_left(authorization, now, rules)
    if left is not None and left < 0 and authorization.status in GRANTED:
        return AuthorizationStatus.EXPIRED
    return authorization.status


def next_change(authorization: Authorization, now: datetime, rules: ClockRules) -> datetime | None:
    """Return when time alone will change what is to be said of an authorization, None for never."""
    moments: list[datetime] = []
    clock = decision_clock(authorization, rules)
    if clock is not None:
        moments += [clock.due_at, *(at for _, at in clock.marks)]
    end = _day(authorization.expires_on)
    if end is not None and authorization.status in GRANTED and end < date.max:
        days = [end - timedelta(days=one) for one in rules.expiry_days if end.toordinal() > one]
        moments += [_midnight(day, rules.zone) for day in (*days, end + timedelta(days=1))]
    return min((one for one in moments if one > now), default=None)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
