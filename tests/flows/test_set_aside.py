"""An object whose UID is taken by another is shown to whoever decides about the study."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.errors import Conflict
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say


def test_what_was_set_aside_is_on_the_study(make_house: Callable[..., House]) -> None:
    house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    house.instances.receive(spooled(house, image(PLAIN, "A1"), "CT1"))
    console = Console(house)
    address = f"/api/studies/{study_uid('A1')}"
    assert console.machine(Role.INTAKE).get(address).get_json()["set_aside"] == []
    with pytest.raises(Conflict):
        house.instances.receive(spooled(house, image(STRANGER, "A1", pixels=b"\x09\x09" * 32), "CT1"))
    (one,) = console.machine(Role.INTAKE).get(address).get_json()["set_aside"]
    assert one["sop_instance_uid"] == image(PLAIN, "A1").SOPInstanceUID
    assert (one["patient"]["name"], one["from"]) == (STRANGER.name, "CT1")
    page = console.browser(Role.INTAKE).get("/mismatches/study/1")
    assert page.status_code == 200
    assert "came under a UID that is taken" in page.text
    assert STRANGER.patient_id in page.text
