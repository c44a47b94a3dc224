"""The proof in a real Chromium: a year of figures with its pictures, read on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

import pytest

from bench.proof_year import fill
from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.flows.count_claims import ExamCounter
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.peer.page_audit import faults
from tests.peer.test_browser import address, browser, database_url, enter, page

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page

pytestmark = pytest.mark.peer

__all__ = ["address", "browser", "database_url", "page"]


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    """A console over a year of claims, better since its middle."""
    found = Console(make_house(FixedClock(AT)))
    fill(found.store, exams=240, claims=200, last=AT.date())
    ExamCounter(found.store, found.clock, UTC).count_all()
    return found


@pytest.mark.parametrize("width", [360, 1440])
def test_what_came_of_it_is_read_on_a_phone_and_in_the_dark(page: Page, console: Console, width: int) -> None:
    enter(page, console, Role.BILLING)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/proof?since={AT.date() - timedelta(days=180)}")
    assert page.locator("svg.bars").count() == 5
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert faults(page) == [], scheme
