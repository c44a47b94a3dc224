"""The billing desk in a real Chromium: a bound CT goes onto an authorization in two clicks from either side, and to its payer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.outbox.worker import Worker
from bridge.wiring import House
from samples.strict_payer import StrictPayer
from tests.cast import PLAIN, adt, image, order, report, spooled
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, typed_authorization
from tests.flows.x12_desk import replace_settings
from tests.peer.page_audit import faults
from tests.peer.test_browser import address, browser, database_url, enter, page

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page
expect = playwright_api.expect

pytestmark = pytest.mark.peer
expect.set_options(timeout=15_000)

__all__ = ["address", "browser", "database_url", "page"]


@pytest.fixture
def payer() -> Iterator[StrictPayer]:
    """A payer that takes CDex, over HTTP."""
    found = StrictPayer()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def console(make_house: Callable[..., House], payer: StrictPayer, tmp_path: Path) -> Iterator[Console]:
    """A console over one bound and reported CT of two series, whose order names an authorization of that payer."""
    acme = {"name": "acme", "id": "60054", "base_url": payer.base_url, "kind": ["cdex"], "timeout_secs": 60}
    acme |= {"share_days": 7, "clearinghouse": "eastlink"}
    east = {"name": "eastlink", "sender": "ZZ:CLEARVIEW", "receiver": "ZZ:EASTLINK", "outbox": str(tmp_path)}
    house = make_house(
        FixedClock(AT), payers=[acme], clearinghouses=[east], http={"public_url": "https://bridge.example.org"}
    )
    house.settings = replace_settings(house.settings)
    found = Console(house)
    say(found.house, adt(PLAIN), order(PLAIN, "A1"))
    entry = AuthorizationEntry(found.store, found.clock, found.house.rules)
    entry.enter(typed_authorization("PA-1", PLAIN, "A1", member_id="W1122"), "user:bill")
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
    page.get_by_role("button", name="Attach").click()
    page.wait_for_url(re.compile(r"/authorizations/\d+#attached"))


def test_a_newcomer_lets_a_packet_go_to_its_payer_and_finds_the_receipt(
    page: Page, console: Console, payer: StrictPayer
) -> None:
    enter(page, console)
    page.goto("/exams/A1")
    page.get_by_role("link", name="Attach to PA-1").click()
    expect(page.get_by_label("To the payer, by CDex")).to_be_checked()
    page.get_by_role("button", name="Attach").click()
    work(console, "packet")
    page.reload()
    page.get_by_role("link", name="Look, and release").click()
    expect(page.get_by_role("heading", name="Let this go to acme?")).to_be_visible()
    page.get_by_role("link", name="Look at the packet").click()
    see_pictures(page)
    page.go_back()
    assert payer.received == {}
    page.get_by_label("Why it goes").fill("asked for by phone")
    page.get_by_role("button", name="Release to acme").click()
    page.wait_for_url(re.compile("#attached"))
    work(console, "cdex")
    assert [len(one) for one in payer.received.values()] == [1]
    page.reload()
    expect(page.locator("#attached + .table")).to_contain_text("sent")
    page.get_by_role("link", name="What was sent").click()
    expect(page.locator("#past + .table")).to_contain_text("accepted")
    page.goto("/exams/A1")
    expect(page.locator("main")).to_contain_text("Sent to acme: the payer accepted it")


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
    page.get_by_label("Reference on the claim").check()
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
    for way in ("Packet as PDF", "Line of text", "by clearinghouse"):
        page.get_by_label(way).check()
    page.get_by_role("button", name="Attach").click()
    page.wait_for_url(re.compile("#attached"))
    work(console, "packet")
    one = page.url.partition("#")[0]
    page.reload()
    links = page.locator("#attached + .table").get_by_role("link", name=re.compile("^Look"))
    places = ["/authorizations", f"{preview}?kind=pdf#pick", one, *(link.get_attribute("href") for link in links.all())]
    places += ["/claims", "/claims/files", "/authorizations/new", "/authorizations/import"]
    seen = []
    for place in places:
        page.goto("about:blank")
        assert page.goto(place).status == 200, place
        page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert faults(page) == [], (place, scheme)
        seen.append(page.locator("main").inner_text())
    for said in ("Choose no more than the payer needs", "Why the payer needs it", "by CDex", "NM1*"):
        assert any(said in one for one in seen), said
