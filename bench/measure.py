"""What every comparison shares: how much is measured, and what each server did round by round."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass
class Rates:
    """What one server did: a rate for each round, and processor milliseconds for each thing done."""

    unit: str
    per_sec: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)
    slowest_ms: list[float] = field(default_factory=list)


Table = dict[str, Rates]


@dataclass(frozen=True)
class Size:
    """How much of everything. images, large, cines: objects of 0.5, 8 and 60 MB a round; idle_secs: of watching idlers."""

    rounds: int
    images: int
    large: int
    cines: int
    idle_secs: float
    lists: tuple[int, ...]
    queries: int
    orders: int
    parsed: int
    longest: int


FULL = Size(
    rounds=5,
    images=200,
    large=20,
    cines=4,
    idle_secs=20,
    lists=(100, 1000, 10_000),
    queries=200,
    orders=1000,
    parsed=500,
    longest=1_000_000,
)
QUICK = Size(
    rounds=2,
    images=20,
    large=4,
    cines=2,
    idle_secs=2,
    lists=(100, 1000),
    queries=20,
    orders=200,
    parsed=50,
    longest=5000,
)


def note(table: Table, name: str, unit: str, result: tuple[int, float, float]) -> None:
    """Add a round to what one server did. result: how many things it did, seconds, processor seconds."""
    count, secs, used = result
    rates = table.setdefault(name, Rates(unit))
    rates.per_sec.append(count / secs)
    rates.processor_ms.append(used / count * 1000)


def ratio(table: Table, name: str, against: str) -> tuple[float, float, float] | None:
    """Return the median, least and greatest of the round-by-round ratios, None if either was not measured."""
    if name not in table or against not in table:
        return None
    rounds = [a / b for a, b in zip(table[name].per_sec, table[against].per_sec, strict=True)]
    return statistics.median(rounds), min(rounds), max(rounds)
