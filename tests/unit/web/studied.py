"""A console over studies of two people, for those who come with a link."""

from __future__ import annotations

from collections.abc import Callable

from bridge.clock import FixedClock
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, adt, image, order, spooled
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, study_of


def studied(make_house: Callable[..., House]) -> Console:
    """Return one with two studies of one person, one of another, and one that nobody has bound."""
    found = Console(make_house(FixedClock(AT)))
    say(found.house, adt(PLAIN), adt(NEAR_TWIN), order(PLAIN, "A1"), order(PLAIN, "A2"), order(NEAR_TWIN, "B1"))
    for person, number in ((PLAIN, "A1"), (PLAIN, "A2"), (NEAR_TWIN, "B1")):
        found.house.instances.receive(spooled(found.house, image(person, number)))
    found.house.instances.receive(spooled(found.house, image(NEAR_TWIN, "A1", study="2.25.77")))
    return found


def row_of(console: Console, accession: str) -> int:
    return study_of(console.house, accession).key
