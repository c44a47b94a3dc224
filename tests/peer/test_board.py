"""Today's board in a real Chromium: dragged, moved by keyboard and without scripts, current by itself, on a phone."""

from __future__ import annotations

import re

import pytest

from bridge.domain.accounts import Role
from bridge.domain.order import StepStatus
from bridge.flows.change_step import Seen
from bridge.store import orders
from tests.fakes.console import Console
from tests.flows.asking import sent
from tests.flows.test_orders import cast_mpps
from tests.peer.test_browser import address, browser, console, database_url, enter, page
from tests.unit.web.test_board import step_of

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page
expect = playwright_api.expect

pytestmark = pytest.mark.peer
expect.set_options(timeout=15_000)

__all__ = ["address", "browser", "console", "database_url", "page"]


def card(page: Page, console: Console, number: str = "A1"):  # type: ignore[no-untyped-def]
    return page.locator(f"#step-{step_of(console, number).key}")


def cell(page: Page, hour: int, lane: str = "CT1"):  # type: ignore[no-untyped-def]
    return page.locator(f'[data-cell="{lane}|{hour}"]')


def open_board(page: Page, console: Console, role: Role = Role.INTAKE, path: str = "/today") -> None:
    """Sign in and open the board."""
    enter(page, console, role)
    page.goto(path)


def look(page: Page) -> None:
    """Let the board ask for news now, not only when it next would."""
    page.evaluate("dispatchEvent(new Event('online'))")


def test_a_card_is_dragged_to_another_hour_and_the_move_is_undone(page: Page, console: Console) -> None:
    console.order()
    open_board(page, console)
    card(page, console).drag_to(cell(page, 17))
    expect(cell(page, 17).locator(".who")).to_have_text("HALVORSEN, INGRID")
    assert step_of(console).scheduled_start_local == "20260302170000"
    page.keyboard.press("u")
    page.keyboard.press("Enter")
    expect(cell(page, 16).locator(".who")).to_have_text("HALVORSEN, INGRID")
    assert step_of(console).scheduled_start_local == "20260302160000"


def test_a_card_is_moved_from_the_keyboard_and_keeps_the_focus(page: Page, console: Console) -> None:
    console.order()
    open_board(page, console)
    card(page, console).locator(".open").focus()
    page.keyboard.press("m")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == "Move HALVORSEN, INGRID"
    dialog.get_by_label("Time").fill("09:45")
    page.keyboard.press("Enter")
    expect(cell(page, 9).locator(".when")).to_contain_text("09:45")
    assert page.evaluate("document.activeElement.closest('.card').id") == f"step-{step_of(console).key}"


def test_arrows_go_from_card_to_card_and_letters_say_how_far_it_is(page: Page, console: Console) -> None:
    console.order("A1")
    console.order("A2", "OKONKWO^CHIDI", "00041009")
    later = step_of(console, "A2")
    console.house.step_changer.reschedule(Seen(later.key, later.version, "user:maria"), "", "2026-03-02 17:00")
    open_board(page, console)
    card(page, console, "A1").locator(".open").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('.card').id") == f"step-{later.key}"
    page.keyboard.press("a")
    expect(card(page, console, "A2").locator(".state")).to_have_text("arrived")
    expect(page.locator("#told")).to_contain_text("OKONKWO, CHIDI: arrived")
    page.keyboard.press("s")
    expect(card(page, console, "A2").locator(".state")).to_have_text("started")
    assert step_of(console, "A2").status == StepStatus.STARTED


def test_a_lost_race_is_said_and_the_board_shows_what_is_so(page: Page, console: Console) -> None:
    console.order()
    open_board(page, console)
    seen = step_of(console)
    page.route("**/today/live*", lambda route: route.abort())
    console.house.step_changer.mark(Seen(seen.key, seen.version, "user:jonas"), StepStatus.ARRIVED)
    card(page, console).locator(".open").focus()
    page.keyboard.press("s")
    expect(page.get_by_role("alert")).to_contain_text("omebody changed this exam meanwhile")
    assert step_of(console).status == StepStatus.ARRIVED


def test_a_board_shows_a_new_order_and_a_start_by_itself_and_says_so(page: Page, console: Console) -> None:
    console.order("A1")
    open_board(page, console, Role.VIEWER)
    console.order("A2", "OKONKWO^CHIDI", "00041009")
    look(page)
    expect(card(page, console, "A2").locator(".who")).to_have_text("OKONKWO, CHIDI")
    expect(page.locator("#heard")).to_contain_text("New: OKONKWO, CHIDI")
    step = step_of(console, "A1")
    attributes = cast_mpps("A1")
    with console.store.read() as tx:
        uid = orders.get(tx, step.order_key).study_instance_uid
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = uid
    attributes.ScheduledStepAttributesSequence[0].ScheduledProcedureStepID = step.scheduled_procedure_step_id
    console.house.performed_steps.create("2.25.7", sent(attributes), "CT1")
    look(page)
    expect(card(page, console, "A1").locator(".state")).to_have_text("started")


def test_what_has_the_focus_stays_where_it_is_until_it_is_let_go(page: Page, console: Console) -> None:
    console.order("A1")
    console.order("A2", "OKONKWO^CHIDI", "00041009")
    open_board(page, console)
    card(page, console, "A1").locator(".open").focus()
    held = step_of(console, "A1")
    console.house.step_changer.reschedule(Seen(held.key, held.version, "user:jonas"), "", "2026-03-02 09:00")
    console.order("A3", "BRANDT^EVA", "00041010")
    look(page)
    expect(card(page, console, "A3")).to_be_visible()
    assert cell(page, 16).locator(f"#step-{held.key}").count() == 1
    assert page.evaluate("document.activeElement.closest('.card').id") == f"step-{held.key}"
    page.evaluate("document.activeElement.blur()")
    expect(cell(page, 9).locator(f"#step-{held.key}")).to_be_visible()


def test_a_board_without_an_answer_says_since_when_it_is_not_current(page: Page, console: Console) -> None:
    console.order()
    open_board(page, console, Role.VIEWER)
    page.route("**/today/live*", lambda route: route.abort())
    look(page)
    expect(page.locator("#current")).to_contain_text("not current since 15:00:00")
    page.unroute("**/today/live*")
    look(page)
    expect(page.locator("#current")).to_have_text("as of 15:00")


def test_a_step_is_moved_and_marked_without_scripts(browser: object, address: str, console: Console) -> None:
    console.order()
    context = browser.new_context(base_url=address, java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    open_board(page, console)
    page.locator(".card .open").click()
    page.get_by_label("Time").fill("09:45")
    page.get_by_label("Why").last.fill("the patient asked")
    page.get_by_role("button", name="Move").click()
    assert "HALVORSEN, INGRID" in page.locator("#told").inner_text()
    assert step_of(console).scheduled_start_local == "20260302094500"
    page.get_by_role("button", name="Undo").click()
    assert step_of(console).scheduled_start_local == "20260302160000"
    page.locator(".card .open").click()
    page.get_by_role("button", name="Arrived").click()
    assert page.locator(".card .state").inner_text() == "arrived"
    context.close()


def test_a_phone_in_the_scanner_room_has_the_next_patient_on_top_and_large_buttons(
    page: Page, console: Console
) -> None:
    console.order("A1", "VANDERMEULEN-KONSTANTINOPOLSKAYA^ALEXANDRA MARGUERITE", "00041001")
    console.order("A2", "OKONKWO^CHIDI", "00041009")
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    open_board(page, console, path="/today?device=CT1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    following = page.locator("section.next")
    assert "VANDERMEULEN" in following.inner_text()
    button = following.get_by_role("button", name="Start")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    button.click()
    expect(page.locator("section.now .state")).to_have_text("started")
    page.locator("section.now").get_by_role("button", name="Done").click()
    expect(page.locator("section.over .state")).to_have_text("done")
    assert "OKONKWO" in page.locator("section.next").inner_text()
    assert re.search(r"device=CT1", page.url)


def test_on_a_phone_an_hour_is_listed_by_the_minute_whichever_device_it_is(page: Page, console: Console) -> None:
    for number, name, patient, station, time in (
        ("A1", "HALVORSEN^INGRID", "00041001", "CT1", "16:40"),
        ("A2", "OKONKWO^CHIDI", "00041009", "MR1", "16:05"),
        ("A3", "BRANDT^WALTER", "00041010", "CT1", "16:15"),
    ):
        console.order(number, name, patient)
        step = step_of(console, number)
        seen = Seen(step.key, step.version, "user:maria")
        console.house.step_changer.reschedule(seen, station, f"2026-03-02 {time}")
    page.set_viewport_size({"width": 360, "height": 740})
    open_board(page, console)
    seen_from_above = sorted(page.locator(".card").all(), key=lambda one: one.bounding_box()["y"])
    assert [one.get_attribute("data-time") for one in seen_from_above] == ["16:05", "16:15", "16:40"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_viewer_s_cards_cannot_be_dragged_or_marked(page: Page, console: Console) -> None:
    console.order()
    open_board(page, console, Role.VIEWER)
    assert page.locator(".card[draggable=true]").count() == 0
    card(page, console).locator(".open").focus()
    page.keyboard.press("a")
    assert step_of(console).status == StepStatus.SCHEDULED
