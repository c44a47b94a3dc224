"""The billing desk in a real Chromium: a bound CT goes onto an authorization in two clicks from either side, and to its payer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from bridge.clock import FixedClock
from bridge.destinations import publishers
from bridge.domain.accounts import Role
from bridge.outbox.worker import Worker
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, report, spooled
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.peer.test_browser import _POOR_CONTRAST, address, browser, database_url, enter, page

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page
expect = playwright_api.expect

pytestmark = pytest.mark.peer
expect.set_options(timeout=15_000)

__all__ = ["address", "browser", "database_url", "page"]

_AUTHORIZED = "AUT||60054|Acme Health Plan|20260301|20260430|PA-1\r"


@pytest.fixture
def console(make_house: Callable[..., House]) -> Iterator[Console]:
    """A console over one bound and reported CT of two series, whose order names an authorization."""
    found = Console(make_house(FixedClock(AT)))
    say(found.house, adt(PLAIN), order(PLAIN, "A1", extra=_AUTHORIZED))
    for series in (1, 2):
        for number in (1, 2, 3):
            found.house.instances.receive(spooled(found.house, image(PLAIN, "A1", number, series=series)))
    say(found.house, report(PLAIN, "A1"))
    yield found
    found.house.pictures.close()


def work(console: Console, *topics: str) -> None:
    """Let the worker do what is due."""
    mine = [one for one in publishers(console.house) if one.topic in topics]
    Worker(console.store, console.clock, mine, owner="test", jitter=lambda: 0.5).run_due()


def see_pictures(page: Page) -> None:
    """Wait until both pictures of what a packet holds are drawn."""
    pictures = page.locator("ul.thumbs").first.locator("img")
    expect(pictures).to_have_count(2)
    for number in range(2):
        expect(pictures.nth(number)).to_have_js_property("complete", True)
        assert pictures.nth(number).evaluate("picture => picture.naturalWidth") > 0


def test_a_ct_is_attached_from_its_authorization_in_two_clicks(page: Page, console: Console) -> None:
    enter(page, console, Role.BILLING)
    page.goto("/authorizations")
    page.get_by_label("Find an authorization").fill("A1")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="PA-1").click()
    page.get_by_role("link", name="Choose").click()
    expect(page.get_by_role("heading", name="What its packet would hold")).to_be_visible()
    see_pictures(page)
    expect(page.locator("main")).to_contain_text("stands for its series")
    page.get_by_label("Packet as PDF").check()
    page.get_by_role("button", name="Attach").click()
    page.wait_for_url(re.compile(r"/authorizations/\d+#attached"))
    work(console, "packet")
    page.reload()
    page.get_by_role("link", name="Look at the packet").click()
    see_pictures(page)


def test_a_ct_is_attached_from_its_exam_in_two_clicks_without_scripts(
    browser: object, address: str, console: Console
) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)  # type: ignore[attr-defined]
    context.set_default_timeout(15_000)
    page = context.new_page()
    enter(page, console, Role.BILLING)
    page.get_by_placeholder(re.compile("Accession")).first.fill("A1")
    page.get_by_placeholder(re.compile("Accession")).first.press("Enter")
    page.get_by_role("link", name="Attach to PA-1").click()
    page.get_by_role("button", name="Attach").click()
    expect(page.locator("#attached + .table")).to_contain_text("Reference on the claim in our own record system")
    expect(page.locator("main")).to_contain_text("Images attached to authorization PA-1")
    context.close()


@pytest.mark.parametrize("width", [360, 1440])
def test_every_page_of_the_desk_is_read_on_a_phone_and_in_the_dark(page: Page, console: Console, width: int) -> None:
    enter(page, console)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/exams/A1")
    page.get_by_role("link", name="Attach to PA-1").click()
    preview = page.url
    page.get_by_label("Packet as PDF").check()
    page.get_by_label("Line of text").check()
    page.get_by_role("button", name="Attach").click()
    work(console, "packet")
    page.wait_for_url(re.compile("#attached"))
    one = page.url.partition("#")[0]
    page.reload()
    packet = page.get_by_role("link", name="Look at the packet").get_attribute("href")
    places = ["/authorizations", preview, one, packet, "/claims", "/claims/files", "/authorizations/new"]
    for place in [*places, "/authorizations/import"]:
        assert page.goto(place).status == 200, place
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert page.evaluate(_POOR_CONTRAST) == [], (place, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
