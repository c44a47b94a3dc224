"""What a device is shown of the worklist, as conditions on its entries; `domain.device_profile.hidden_by` says the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, exists, literal_column, or_

from bridge.domain.device_profile import UNASSIGNED_STATION, Visibility
from bridge.domain.matching import Range
from bridge.domain.order import StepStatus
from bridge.domain.records import replace
from bridge.domain.worklist_search import MODALITY, STATION, Criterion, WorklistSearch
from bridge.store.tables import studies
from bridge.store.tables import worklist_entries as entries

EVERYBODY = Visibility()

_STARTED = entries.c.status == literal_column(f"'{StepStatus.STARTED}'")

Test = ColumnElement[bool]


class Sight(NamedTuple):
    """
    A visibility without its values: what a statement is written for.

    is_of_some: False where nobody's steps are hidden, or a criterion of the search says whose are shown. stations,
    modalities, unassigned_modalities: how many values each has. unassigned: whether such steps are shown, too.
    """

    statuses: tuple[str, ...]
    hides_started_with_images: bool
    has_day: bool
    hides_confidential: bool
    is_of_some: bool = False
    stations: int = 0
    modalities: int = 0
    unassigned: bool = False
    unassigned_modalities: int = 0


def narrowed(search: WorklistSearch, seen: Visibility) -> WorklistSearch:
    """Return *search* with what of *seen* an index can answer: the window of starts, and whose steps where it is one kind."""
    starts = search.starts
    if seen.starts_from or seen.starts_until:
        asked = starts or Range()
        ends = [end for end in (asked.high, seen.starts_until) if end]
        starts = Range(max(asked.low, seen.starts_from), min(ends, default=""))
    more = _whose(seen)
    if more is None or any(_is_within(criterion, more) for criterion in search.criteria):
        return replace(search, starts=starts)
    return replace(search, starts=starts, criteria=(*search.criteria, more))


def _is_within(criterion: Criterion, other: Criterion) -> bool:
    """Say whether whatever meets *criterion* meets *other*."""
    is_same = criterion.keyword == other.keyword and bool(criterion.values) and not criterion.wildcards
    return is_same and set(criterion.values) <= set(other.values)


def sight_of(seen: Visibility) -> tuple[Sight, dict[str, Any]]:
    """Return what a statement is written for, and the values it is run with."""
    sight = Sight(
        tuple(sorted(seen.statuses)), seen.hides_started_with_images, bool(seen.day_from), seen.hides_confidential
    )
    values: dict[str, Any] = {"day_from": seen.day_from} if seen.day_from else {}
    if seen.is_everybodys or _whose(seen) is not None:
        return sight, values
    for name, shown in _shown(seen):
        values |= {f"{name}_{place}": value for place, value in enumerate(shown)}
    return (
        sight._replace(
            is_of_some=True,
            stations=len(seen.stations),
            modalities=len(seen.modalities),
            unassigned=seen.unassigned,
            unassigned_modalities=len(seen.unassigned_modalities),
        ),
        values,
    )


def tests_of(sight: Sight) -> list[Test]:
    """Return the conditions that an entry must meet, with a parameter for each value of `sight_of`."""
    tests: list[Test] = [entries.c.status.in_([literal_column(f"'{status}'") for status in sight.statuses])]
    if sight.hides_started_with_images:
        is_here = exists().where(studies.c.study_instance_uid == entries.c.study_instance_uid)
        tests.append(~(_STARTED & is_here))
    if sight.has_day:
        tests.append(or_(entries.c.scheduled_start_local >= bindparam("day_from"), _STARTED))
    if sight.hides_confidential:
        tests.append(entries.c.is_confidential.is_(False))
    if sight.is_of_some:
        tests.append(or_(literal_column("1 = 0"), *_whose_tests(sight)))
    return tests


def _whose(seen: Visibility) -> Criterion | None:
    """Return whose steps are shown as a criterion, None if it is everybody's, or of several kinds."""
    kinds = [(STATION, seen.stations), (MODALITY, seen.modalities)]
    said = [(keyword, values) for keyword, values in kinds if values]
    if seen.is_everybodys or seen.unassigned or len(said) != 1:
        return None
    return Criterion(said[0][0], said[0][1])


def _shown(seen: Visibility) -> Sequence[tuple[str, tuple[str, ...]]]:
    return (
        ("own_station", seen.stations),
        ("own_modality", seen.modalities),
        ("unassigned_modality", seen.unassigned_modalities),
    )


def _whose_tests(sight: Sight) -> list[Test]:
    row = entries.alias()
    of_step = row.c.step_key == entries.c.step_key
    tests: list[Test] = []
    if sight.stations:
        is_own = row.c.scheduled_station_ae_title.in_(_binds("own_station", sight.stations))
        tests.append(exists().where(of_step, is_own))
    if sight.modalities:
        tests.append(entries.c.modality.in_(_binds("own_modality", sight.modalities)))
    if sight.unassigned:
        is_assigned = row.c.scheduled_station_ae_title != literal_column(f"'{UNASSIGNED_STATION}'")
        test: Test = ~exists().where(of_step, is_assigned)
        if sight.unassigned_modalities:
            test &= entries.c.modality.in_(_binds("unassigned_modality", sight.unassigned_modalities))
        tests.append(test)
    return tests


def _binds(name: str, count: int) -> list[Any]:
    return [bindparam(f"{name}_{place}") for place in range(count)]
