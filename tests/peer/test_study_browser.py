"""A study in a real Chromium: its images frame by frame by keys and wheel, and a correction by keyboard without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, study_by_uid
from tests.peer.page_audit import faults
from tests.peer.test_browser import address, browser, database_url, enter, page

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page
expect = playwright_api.expect

pytestmark = pytest.mark.peer
expect.set_options(timeout=15_000)

__all__ = ["address", "browser", "database_url", "page"]


@pytest.fixture
def console(make_house: Callable[..., House]) -> Iterator[Console]:
    """A console over one bound study of three images, the second of five frames."""
    found = Console(make_house(FixedClock(AT)))
    say(found.house, adt(PLAIN), order(PLAIN, "A1"))
    many = image(PLAIN, "A1", 2)
    many.NumberOfFrames = 5
    many.PixelData = b"".join(bytes([frame * 9, 0]) * 16 + b"\x80\0" * 16 for frame in range(5))
    for one in (image(PLAIN, "A1", 1), many, image(PLAIN, "A1", 3)):
        found.house.instances.receive(spooled(found.house, one))
    yield found
    found.house.pictures.close()


def row_of(console: Console) -> int:
    return study_by_uid(console.store, study_uid("A1")).key


def shows_frame(page: Page, number: int) -> None:
    """Wait until frame *number* is drawn, and said."""
    expect(page.locator("#frame-number")).to_have_text(str(number))
    picture = page.locator("#picture")
    expect(picture).to_have_attribute("src", re.compile(rf"frame={number}\b"))
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("picture => picture.naturalWidth") > 0


def test_images_are_walked_by_keys_wheel_and_windows(page: Page, console: Console) -> None:
    enter(page, console, Role.VIEWER)
    page.goto(f"/studies/{row_of(console)}/images/1")
    page.keyboard.press("ArrowDown")
    page.wait_for_url("**/images/2")
    shows_frame(page, 3)
    page.keyboard.press("ArrowRight")
    shows_frame(page, 4)
    page.locator(".viewer").hover()
    page.mouse.wheel(0, 120)
    shows_frame(page, 5)
    page.keyboard.press("ArrowRight")
    page.mouse.wheel(0, -120)
    shows_frame(page, 4)
    page.get_by_role("link", name="Soft tissue").click()
    page.wait_for_url(re.compile(r"center=40.*width=400|width=400.*center=40"))
    shows_frame(page, 4)
    expect(page.get_by_role("link", name="Soft tissue")).to_have_attribute("aria-current", "true")
    page.get_by_label("Centre").fill("20")
    page.get_by_label("Width").fill("50")
    page.get_by_label("Width").press("ArrowRight")
    page.get_by_label("Width").press("Enter")
    page.wait_for_url(re.compile("center=20.*width=50"))
    shows_frame(page, 4)
    page.keyboard.press("z")
    expect(page.locator(".viewer")).to_have_class(re.compile("full"))
    page.keyboard.press("z")
    page.keyboard.press("ArrowUp")
    page.wait_for_url(re.compile(r"/images/1\?.*center=20"))


def test_a_correction_is_made_and_taken_back_by_keyboard_without_scripts(
    browser: object, address: str, console: Console
) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)  # type: ignore[attr-defined]
    context.set_default_timeout(15_000)
    page = context.new_page()
    enter(page, console, Role.INTAKE)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"/studies/{row_of(console)}")
    page.get_by_role("link", name="Correct what leaves").press("Enter")
    page.get_by_label("Study description", exact=True).fill("CT THORAX")
    page.get_by_label("Study description", exact=True).press("Enter")
    page.get_by_role("heading", name="As it will leave").wait_for()
    assert "CT THORAX" in page.locator(".preview").inner_text()
    page.get_by_role("button", name="Correct it").press("Enter")
    assert "Say why" in page.get_by_role("alert").inner_text()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_label("Why").fill("asked the technologist")
    page.get_by_role("button", name="Correct it").press("Enter")
    page.wait_for_url("**#versions")
    assert "asked the technologist" in page.locator(".timeline li").first.inner_text()
    page.get_by_role("link", name="Take version 2 back").press("Enter")
    page.get_by_label("Why").fill("it was right")
    page.get_by_label("Why").press("Enter")
    page.wait_for_url("**#versions")
    assert "taken back by version 3" in page.locator(".timeline").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
