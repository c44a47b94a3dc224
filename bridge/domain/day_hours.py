"""Hours of the hospital's day, over midnight where they end before they begin, and the weekdays that they begin on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHOLE_DAY: Final = time()
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class DayHours:
    """
    From *begins* up to, not including, *ends*, by the hospital's clock; both alike: the whole day.

    weekdays: by name, of the day that the hours begin on; () for every day. Friday 18:00-07:00 ends on Saturday.
    """

    begins: time = _WHOLE_DAY
    ends: time = _WHOLE_DAY
    weekdays: tuple[str, ...] = ()

    def __str__(self) -> str:
        days = " ".join(self.weekdays)
        if self.begins == self.ends:
            return days or "any time"
        return f"{self.begins:%H:%M}-{self.ends:%H:%M}" + (f" {days}" if days else "")

    def hold(self, at: datetime, zone: ZoneInfo) -> bool:
        """Say whether the instant *at* lies in these hours."""
        local = at.astimezone(zone)
        clock, today = local.time().replace(tzinfo=None), local.date()
        if self.begins == self.ends:
            return self._is_day(today)
        if self.begins < self.ends:
            return self.begins <= clock < self.ends and self._is_day(today)
        if clock >= self.begins:
            return self._is_day(today)
        return clock < self.ends and self._is_day(today - timedelta(days=1))

    def from_then_on(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the first instant of these hours that is not before *at*."""
        if self.hold(at, zone):
            return at
        today = at.astimezone(zone).date()
        starts = (
            datetime.combine(today + timedelta(days=ahead), self.begins, zone)
            for ahead in range(len(WEEKDAYS) + 1)
            if self._is_day(today + timedelta(days=ahead))
        )
        return next(start for start in starts if start >= at).astimezone(at.tzinfo)

    def _is_day(self, day: date) -> bool:
        return not self.weekdays or WEEKDAYS[day.weekday()] in self.weekdays


def read_hours(text: str, weekdays: tuple[str, ...] = ()) -> DayHours:
    """Read "HH:MM-HH:MM", "" for the whole day. Raises: ValueError."""
    if not text:
        return DayHours(weekdays=weekdays)
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError("must be hours as 18:00-07:00")
    begin_hour, begin_minute, end_hour, end_minute = (int(part) for part in found.groups())
    return DayHours(time(begin_hour, begin_minute), time(end_hour, end_minute), weekdays)
