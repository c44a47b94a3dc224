"""A console for each test; what REST answers is asked on both databases, the rest on one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.clock import FixedClock
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT)))
