"""Images to choose from by hand, as a page shows them: some of each series, all of one on request, and what is ticked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bridge.domain.study import Instance, Series, StudyContents
from bridge.leaving.packet_pictures import pickable

_SERIES_OPEN = 12
_SPREAD = 24
_MOST = 600


@dataclass(frozen=True, slots=True)
class SeriesToPick:
    """One series. shown: what is drawn of it; total: how many there are to choose from; hidden: how many may not leave."""

    series: Series
    shown: tuple[Instance, ...]
    total: int
    hidden: int


def series_to_pick(contents: StudyContents, ticked: Collection[str], opened: str) -> list[SeriesToPick]:
    """
    Return the series of a study with some of their images, spread evenly; all of the series whose key is *opened*.

    What is ticked is among them, wherever it stands.
    """
    found = []
    for place, one in enumerate(pickable(contents)):
        most = _MOST if str(one.series.key) == opened else _SPREAD if place < _SERIES_OPEN else 0
        shown = _spread(one.images, most, ticked)
        found.append(SeriesToPick(one.series, shown, len(one.images), one.hidden))
    return found


def _spread(images: Sequence[Instance], most: int, ticked: Collection[str]) -> tuple[Instance, ...]:
    places = {at * len(images) // most for at in range(most)} if len(images) > most > 0 else set(range(len(images)))
    if not most:
        places = set()
    return tuple(one for at, one in enumerate(images) if at in places or one.sop_instance_uid in ticked)
