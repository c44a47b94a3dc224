"""What a clinic shows of its pilot: how claims and authorizations fared, before and since a day, in exact counts.

Claims count once, on the day of the service, under the insurer that decides first; exams once, on the day of their first
image. A share is never told without what it is of, and of few it is told in numbers alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

# Of fewer than this a percentage says more than is known.
FEW = 20


class Warned(StrEnum):
    """When it was first warned of what stands between an exam and its authorization, beside its first image."""

    NEVER = "never"
    BEFORE = "before"
    AFTER = "after"


class Measure(StrEnum):
    """What is measured."""

    DOCUMENTS = "denied-for-documents"
    OTHER = "denied-otherwise"
    CLEAN = "first-pass"
    WARNED = "warned-before-exam"
    PAYMENT = "days-to-payment"
    EVIDENCE = "hours-to-attachment"


SHARES = (Measure.DOCUMENTS, Measure.OTHER, Measure.CLEAN, Measure.WARNED)
SPREADS = (Measure.PAYMENT, Measure.EVIDENCE)
# Of these more is better; of all others less.
_MORE_IS_BETTER = frozenset({Measure.CLEAN, Measure.WARNED})


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share, None of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def is_few(self) -> bool:
        """Whether it is of too few for a percentage."""
        return self.whole < FEW

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies, 19 times of 20. Source: Wilson (1927), score interval."""
        if not self.whole:
            return 0.0, 1.0
        share, squared = self.part / self.whole, _Z * _Z
        middle = share + squared / (2 * self.whole)
        half = _Z * math.sqrt(share * (1 - share) / self.whole + squared / (4 * self.whole * self.whole))
        below = 1 + squared / self.whole
        return max(0.0, (middle - half) / below), min(1.0, (middle + half) / below)


_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took. number: of how many; half, most: in how long half of them, and nine tenths, were done."""

    number: int
    half: float | None
    most: float | None

    @property
    def is_few(self) -> bool:
        """Whether it is of too few to be more than these cases."""
        return self.number < FEW


def spread_of(found: Mapping[int, int], unit: float = 1) -> Spread:
    """
    Return the spread of values that each came so many times; unit: what a value of one means. Nearest rank.

    >>> spread_of({10: 1, 20: 1, 30: 1})
    Spread(number=3, half=20, most=30)
    >>> spread_of({})
    Spread(number=0, half=None, most=None)
    """
    number = sum(found.values())
    return Spread(number, _ranked(found, math.ceil(number * 0.5), unit), _ranked(found, math.ceil(number * 0.9), unit))


def _ranked(found: Mapping[int, int], rank: int, unit: float) -> float | None:
    passed = 0
    for value in sorted(found):
        passed += found[value]
        if passed >= rank:
            return round(value * unit, 1) if unit != 1 else value
    return None


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Counts of claims and exams; those that are void are in none but void.

    decided: by the first insurer; open: nothing decided yet; returned: sent back unread before, or without, a decision.
    returned_only: those of them without a decision. documents, otherwise: denied by the first decision, in whole or in part.
    clean: paid at once, in whole. warned: exams that something was wrong with; in_time: those warned of before the first image.
    """

    decided: int = 0
    open: int = 0
    returned: int = 0
    returned_only: int = 0
    asked: int = 0
    documents: int = 0
    otherwise: int = 0
    clean: int = 0
    void: int = 0
    exams: int = 0
    warned: int = 0
    in_time: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Tally)))

    @property
    def claims(self) -> int:
        """Every claim but those that are void."""
        return self.decided + self.returned_only + self.open


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted of one group, and how long things took there: days to payment, tenths of an hour to attachment."""

    tally: Tally = Tally()
    days: Mapping[int, int] = field(default_factory=dict)
    tenths: Mapping[int, int] = field(default_factory=dict)

    def share(self, measure: Measure) -> Share:
        """Return one of the shares."""
        tally = self.tally
        if measure == Measure.CLEAN:
            return Share(tally.clean, tally.decided + tally.returned_only)
        if measure == Measure.WARNED:
            return Share(tally.in_time, tally.warned)
        return Share(tally.documents if measure == Measure.DOCUMENTS else tally.otherwise, tally.decided)

    def spread(self, measure: Measure) -> Spread:
        """Return one of the spreads, in days or hours."""
        return spread_of(self.days) if measure == Measure.PAYMENT else spread_of(self.tenths, 0.1)


def together(every: Iterable[Figures]) -> Figures:
    """Return the figures of groups as one."""
    tally, days, tenths = Tally(), Counter[int](), Counter[int]()
    for one in every:
        tally += one.tally
        days.update(one.days)
        tenths.update(one.tenths)
    return Figures(tally, days, tenths)


@dataclass(frozen=True, slots=True)
class Compared:
    """One group before and since the day; without a day everything is since. name: "202603", a payer's, a device's title."""

    name: str
    before: Figures
    since: Figures

    @property
    def whole(self) -> Figures:
        """Both."""
        return together([self.before, self.since])


@dataclass(frozen=True, slots=True)
class Reason:
    """How many claims a code stood on that were denied. code: as the payer sent it."""

    category: str
    code: str
    before: int
    since: int


@dataclass(frozen=True, slots=True)
class Proof:
    """
    The whole report. since: "YYYYMMDD", "" for no comparison. undated: claims of which nobody says the day of service.

    categories: denied claims by why, each once; reasons: by code, on which one claim can stand several times.
    """

    since: str
    overall: Compared
    months: tuple[Compared, ...]
    payers: tuple[Compared, ...]
    devices: tuple[Compared, ...]
    categories: tuple[Reason, ...]
    reasons: tuple[Reason, ...]
    undated: int = 0


def change(before: Share, since: Share) -> float | None:
    """Return by how much a share changed, None unless both are of enough."""
    if before.value is None or since.value is None or before.is_few or since.is_few:
        return None
    return since.value - before.value


def may_be_chance(before: Share, since: Share) -> bool:
    """
    Say whether two shares may be the same but for chance: 95 % of the difference reach over nothing.

    Source: Newcombe (1998), hybrid score interval.
    """
    if before.value is None or since.value is None:
        return True
    difference = since.value - before.value
    (low, high), (low_before, high_before) = since.interval, before.interval
    under = math.hypot(since.value - low, high_before - before.value)
    over = math.hypot(high - since.value, before.value - low_before)
    return difference - under <= 0 <= difference + over


def is_better(measure: Measure, difference: float) -> bool:
    """Say whether a change is one for the better."""
    return difference > 0 if measure in _MORE_IS_BETTER else difference < 0


def by_name(groups: Mapping[str, Compared], called: Callable[[str], str]) -> tuple[Compared, ...]:
    """Return groups under what they are called, those called the same as one, the most claims and exams first."""
    found: dict[str, list[Compared]] = {}
    for key, group in groups.items():
        found.setdefault(called(key).casefold(), []).append(Compared(called(key), group.before, group.since))
    merged = [
        Compared(some[0].name, together(one.before for one in some), together(one.since for one in some))
        for some in found.values()
    ]
    return tuple(sorted(merged, key=lambda one: (-_weight(one), one.name)))


def _weight(group: Compared) -> int:
    tally = group.before.tally + group.since.tally
    return tally.claims + tally.exams
