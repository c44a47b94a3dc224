"""An EHR launches us in a real Chromium: through its authorization server to the patient's pictures, and to nobody else's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.wiring import House
from samples.launching_ehr import App, LaunchingEhr
from tests.cast import NEAR_TWIN, PLAIN, adt, image, order, spooled
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.peer.page_audit import faults
from tests.peer.test_browser import address, browser, database_url, enter, page

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page
expect = playwright_api.expect

pytestmark = pytest.mark.peer
expect.set_options(timeout=15_000)

__all__ = ["address", "browser", "database_url", "page"]


@pytest.fixture
def ehr() -> Iterator[LaunchingEhr]:
    """An EHR with one patient of ours open."""
    found = LaunchingEhr(App("bridge-app", ""), now=AT.timestamp).start()
    found.context["opened"] = {"patient": "p1", "expires_in": 900}
    number = {"system": "urn:imaging-bridge:authority:RIVERSIDE", "value": PLAIN.patient_id}
    found.resources["Patient/p1"] = {"resourceType": "Patient", "id": "p1", "identifier": [number]}
    yield found
    found.stop()


@pytest.fixture
def console(make_house: Callable[..., House], ehr: LaunchingEhr) -> Iterator[Console]:
    """Two studies of whom the EHR has open, and one of somebody else."""
    launch = {"client_id": "bridge-app", "viewers": ["Practitioner"]}
    server = {"name": "mercy", "base_url": ehr.base_url, "publish": [], "launch": launch}
    found = Console(make_house(FixedClock(AT), fhir={"servers": [server]}))
    say(found.house, adt(PLAIN), adt(NEAR_TWIN), order(PLAIN, "A1"), order(PLAIN, "A2"), order(NEAR_TWIN, "B1"))
    for person, number in ((PLAIN, "A1"), (PLAIN, "A2"), (NEAR_TWIN, "B1")):
        found.house.instances.receive(spooled(found.house, image(person, number)))
    yield found
    found.house.pictures.close()


def test_a_launch_leads_to_the_patients_pictures_and_ends(
    page: Page, console: Console, ehr: LaunchingEhr, address: str
) -> None:
    ehr.app.redirect_uri = f"{address}/launch/done/mercy"
    enter(page, console, Role.IT)
    page.goto(f"/launch?iss={ehr.base_url}&launch=opened")
    page.wait_for_url(re.compile("/view/[^/]+/$"))
    place = page.url
    expect(page.locator(".view-whose")).to_contain_text("HALVORSEN, INGRID")
    assert "INGEBORG" not in page.content()
    page.set_viewport_size({"width": 360, "height": 740})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("link", name="CT CHEST").first.click()
    thumbnail = page.locator("img.thumb").first
    expect(thumbnail).to_have_js_property("complete", True)
    assert thumbnail.evaluate("picture => picture.naturalWidth") > 0
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(".thumb-link").first.click()
    picture = page.locator("#picture")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("picture => picture.naturalWidth") > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.goto("/today")
    assert page.get_by_role("heading").first.inner_text() != "Images"
    assert "HALVORSEN" not in page.content(), "whoever is signed in to the console stays who they are"
    page.goto(place)
    page.get_by_role("button", name="Close images").click()
    expect(page.get_by_role("heading", name="Images closed")).to_be_visible()
    page.goto(place)
    expect(page.get_by_role("heading", name="These images are closed")).to_be_visible()
    page.goto(f"/launch?iss={ehr.base_url}&launch=opened")
    page.wait_for_url(re.compile("/view/[^/]+/$"))
    console.clock.at += timedelta(minutes=16)
    page.reload()
    expect(page.get_by_role("heading", name="These images are closed")).to_be_visible()
