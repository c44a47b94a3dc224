"""When a study that has only begun was told otherwise: what is shown of it is what it is found by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bridge.wiring import House
from tests.cast import STRANGER
from tests.flows.test_served_announcements import GONE, Here


@pytest.mark.parametrize("is_written", [False, True], ids=["at once", "once the worker has come by"])
def test_what_ended_in_the_moment_of_a_decision_is_found_by_that_moment(
    make_house: Callable[..., House], is_written: bool
) -> None:
    here = Here(make_house)
    here.device()
    here.run()
    here.console.clock.at += timedelta(minutes=5)
    polled_at = here.console.clock.at - timedelta(minutes=1)
    here.image(STRANGER)
    if is_written:
        here.run(timedelta(minutes=1))
    at = here.only(f"status={GONE}")["meta"]["lastUpdated"].replace("+", "%2B")
    assert len(here.found(f"_lastUpdated=eq{at}&_id=begun-1")) == 1
    assert here.found(f"_lastUpdated=gt{at}&_id=begun-1") == []
    assert len(here.found(f"_lastUpdated=gt{polled_at:%Y-%m-%dT%H:%M:%SZ}&_id=begun-1")) == 1
