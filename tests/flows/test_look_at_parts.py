"""Who parts a study is told whom each of its series names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bridge.clock import FixedClock
from bridge.flows import look_at_parts
from bridge.flows.look_at_parts import PartsDesk, SeriesNames
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, study_uid
from tests.flows.asking import say, study_of
from tests.flows.test_images import receive

FIRST, SECOND = f"{study_uid('A1')}.1", f"{study_uid('A1')}.2"

# Which headers are read does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return found


def named(house: House) -> dict[str, SeriesNames]:
    desk = PartsDesk(house.store, house.blobs, house.image_sources)
    return desk.named(study_of(house, "A1"), [FIRST, SECOND])


def people(names: SeriesNames) -> list[tuple[str, int]]:
    return [(part.says.patient_id, len(part.sop_instance_uids)) for part in names.parts]


def test_each_series_names_its_own_patient(house: House) -> None:
    receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2), image(STRANGER, "A1", 1, series=2))
    said = named(house)
    assert people(said[FIRST]) == [(PLAIN.patient_id, 2)]
    assert people(said[SECOND]) == [(STRANGER.patient_id, 1)]


def test_a_series_of_two_patients_is_told_image_by_image(house: House) -> None:
    receive(house, image(PLAIN, "A1", 1), image(STRANGER, "A1", 2), image(PLAIN, "A1", 3))
    (names,) = named(house).values()
    assert people(names) == [(PLAIN.patient_id, 2), (STRANGER.patient_id, 1)]
    assert names.parts[1].sop_instance_uids == (f"{FIRST}.2",)
    assert names.is_whole


def test_of_many_images_some_are_asked_and_it_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(house, *(image(PLAIN, "A1", number) for number in range(1, 6)), image(STRANGER, "A1", 6))
    monkeypatch.setattr(look_at_parts, "MOST_READ", 3)
    (names,) = named(house).values()
    # The last image is among them.
    assert people(names) == [(PLAIN.patient_id, 2), (STRANGER.patient_id, 1)]
    assert (names.looked_at, names.image_count, names.is_whole) == (3, 6, False)


def test_what_is_out_of_reach_is_not_asked(house: House) -> None:
    receive(house, image(PLAIN, "A1", 1), image(STRANGER, "A1", 2))
    for one in house.blobs.folder.rglob("*"):
        if one.is_file():
            one.unlink()
    (names,) = named(house).values()
    assert (names.parts, names.looked_at) == ((), 0)
