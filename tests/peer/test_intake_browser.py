"""The intake desk in a real Chromium: five different cases decided by keyboard alone, on a desk, on a phone, without scripts."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from bridge.building.bulk import bulk_queue
from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.flows.attend_case import attend_case
from bridge.wiring import House, make_role
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, STRANGER, adt, image, order, renamed, write_file
from tests.conftest import dcmtk_tool, house_settings, run_tool
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.peer.page_audit import faults
from tests.peer.test_browser import address, browser, enter, page

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page
expect = playwright_api.expect

pytestmark = pytest.mark.peer
expect.set_options(timeout=15_000)

__all__ = ["address", "browser", "page"]

NOBODY = renamed(STRANGER, "UNHEARD^OF", "19010102")
# What each case's images are, by the rule that holds them.
HELD: dict[str, Dataset] = {
    "V06": image(replace(PLAIN, patient_id=STRANGER.patient_id), "A1"),
    "V08": image(replace(NEAR_TWIN, patient_id=PLAIN.patient_id), "", study="2.25.8"),
    "V04": image(replace(NOBODY, patient_id="777"), "", study="2.25.4"),
    "V07": image(replace(STRANGER, patient_id=""), "", study="2.25.7"),
    "V10": image(renamed(MULTI_BYTE, "Núñez^Petra"), "", study="2.25.10"),
}
# What a newcomer presses: a reason, then an answer.
PRESSED = {
    "V06": ["3", "a", "Enter"],
    "V08": ["1", "b", "Enter"],
    "V04": ["d", "Enter"],
    "V07": ["s", *STRANGER.patient_id, "Enter", "5", "a", "Enter"],
    "V10": ["r", *"her new passport", "Escape", "a", "Enter"],
}


_STATES_OUT_OF_LINE = (
    "[...document.querySelectorAll('.state')].filter((one) => getComputedStyle(one).marginTop !== '0px').length"
)


_TABLES_CUT_OFF = (
    "[...document.querySelectorAll('.table')].filter((one) => one.scrollWidth > one.clientWidth + 1).length"
)


@pytest.fixture(scope="module")
def received(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a house whose doors were open: the EHR spoke by MLLP, the scanner by C-STORE."""
    folder = tmp_path_factory.mktemp("received")
    house = opened(shutil.copy(sqlite_template, folder / "bridge.db").parent)
    doors = [make_role(name, house) for name in ("hl7", "dicom")]
    for door in doors:
        door.start()
    hl7, dicom = (
        int(door.addresses[name].rpartition(":")[2]) for door, name in zip(doors, ("hl7", "dicom"), strict=True)
    )
    tell(
        hl7, *(adt(one) for one in (PLAIN, NEAR_TWIN, MULTI_BYTE, STRANGER)), order(PLAIN, "A1"), order(STRANGER, "A3")
    )
    files = [str(write_file(held, folder / f"{rule}.dcm")) for rule, held in HELD.items()]
    run_tool(dcmtk_tool("storescu"), "-aet", "CT1", "-aec", "BRIDGE", "127.0.0.1", str(dicom), *files)
    for door in doors:
        door.stop()
    house.pictures.close()
    house.store.dispose()
    return folder


@pytest.fixture
def console(received: Path, tmp_path: Path) -> Iterator[Console]:
    """A console over a copy of what was received."""
    found = Console(opened(Path(shutil.copytree(received, tmp_path / "house"))))
    yield found
    found.house.pictures.close()
    found.house.store.dispose()


def opened(folder: Path) -> House:
    """Return the house of *folder*."""
    peers = [{"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}]
    sections = {"dicom": {"port": 0, "peers": peers}, "hl7": {"port": 0}}
    return House(house_settings(f"sqlite:///{folder / 'bridge.db'}", folder, sections), FixedClock(AT))


def tell(port: int, *messages: bytes) -> None:
    """Send *messages* by MLLP, each once the one before is acknowledged."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        for message in messages:
            wire.sendall(b"\x0b" + message + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += wire.recv(65536)
            assert b"|AA|" in answer


def rule_of(page: Page) -> str:
    """Return which rule holds the case that is shown."""
    found = re.search(r"V\d\d", page.locator(".question").inner_text())
    assert found is not None
    return found[0]


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_newcomer_decides_five_different_cases_by_keyboard_alone(page: Page, console: Console) -> None:
    enter(page, console, Role.INTAKE)
    expect(page.locator("tbody tr")).to_have_count(len(HELD))
    press(page, "j", "Enter")
    done = set()
    for _ in HELD:
        page.wait_for_url(re.compile(r"/mismatches/study/\d+$"))
        rule = rule_of(page)
        *said, last = PRESSED[rule]
        for key in said:
            page.keyboard.press(key)
            if key == "Enter":
                expect(page.locator("#found")).to_contain_text("above")
        assert page.evaluate("document.activeElement.matches('button:focus-visible')"), rule
        page.keyboard.press(last)
        page.wait_for_url("**/decided")
        done.add(rule)
        press(page, "n", "Enter")
    assert done == set(HELD)
    page.wait_for_url(re.compile(r"/mismatches$"))
    expect(page.locator(".empty")).to_contain_text("Every study has its patient")
    page.goto("/mismatches?show=closed")
    expect(page.locator("tbody tr")).to_have_count(len(HELD))
    press(page, "j", "Enter")
    page.wait_for_url(re.compile(r"/mismatches/study/\d+$"))
    press(page, "u", *"it was her sister", "Enter")
    page.wait_for_url("**/decided")
    assert "the case is open again" in page.locator(".sheet").first.inner_text().lower()


def test_enter_in_the_reason_gives_no_answer_and_focus_goes_to_what_is_wrong(page: Page, console: Console) -> None:
    enter(page, console, Role.INTAKE)
    press(page, "j", "Enter")
    page.wait_for_url(re.compile(r"/mismatches/study/\d+$"))
    press(page, "r", *"she said so", "Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("in your own words")).to_have_value("she said so")
    press(page, "?")
    expect(page.get_by_role("dialog")).to_contain_text("choose a reason")


def test_candidates_are_switched_without_scripts_and_a_phone_shows_all_of_it(
    browser: object, address: str, console: Console
) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)  # type: ignore[attr-defined]
    context.set_default_timeout(15_000)
    page = context.new_page()
    enter(page, console, Role.INTAKE)
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("link", name="Order and patient number disagree").click()
    page.locator("tbody a.row").click()
    assert page.locator(".candidate:visible h2").count() == len(page.locator(".switch input").all())
    page.locator("#show-2").check(force=True)
    assert page.locator("#side-1").is_hidden()
    assert page.locator("#side-2").is_visible()
    assert page.locator("#side-none").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_label("Asked the technologist").check(force=True)
    page.locator("#show-1").check(force=True)
    page.locator("#side-1 button").press("Enter")
    page.wait_for_url("**/decided")
    context.close()


def test_cases_are_chosen_with_the_same_keys_as_they_are_opened(page: Page, console: Console) -> None:
    enter(page, console, Role.INTAKE)
    page.goto("/mismatches?choose=1")
    press(page, "j", "j", "Shift+Tab", "Space")
    ticked = [box.is_checked() for box in page.locator("tbody input[type=checkbox]").all()]
    assert [number for number, is_ticked in enumerate(ticked) if is_ticked] == [1]


def test_several_cases_are_closed_and_opened_again_by_keyboard_alone(page: Page, console: Console) -> None:
    enter(page, console, Role.INTAKE)
    press(page, "c", "Enter")
    page.wait_for_url("**choose=1**")
    press(page, "j", "x", "j", "j", "x", "k", "x", "x")
    expect(page.locator("#ticked")).to_have_text("2 chosen.")
    press(page, "r", *"phantoms of the week", "Enter")
    page.wait_for_url("**/mismatches/bulk/1")
    assert bulk_queue(console.house).work()
    expect(page.locator("#progress")).to_contain_text("2 of 2 studies")
    press(page, "u", *"they were patients", "Enter")
    expect(page.locator("#progress")).to_contain_text("being taken back")
    assert bulk_queue(console.house).work()
    expect(page.locator("#progress")).to_contain_text("taken back")
    page.goto("/mismatches")
    expect(page.locator("tbody tr")).to_have_count(len(HELD))


def test_what_is_filled_in_of_a_repair_is_what_was_wrong(page: Page, console: Console) -> None:
    enter(page, console, Role.INTAKE)
    page.goto("/mismatches/bulk/repair")
    page.get_by_label("Device").fill("CT1")
    page.locator("#prefix").press_sequentially("77")
    expect(page.get_by_role("radio", name="A prefix or suffix")).to_be_checked()
    page.locator("#prefix").press("Enter")
    page.wait_for_url("**/mismatches/bulk/1")
    expect(page.locator(".head")).to_contain_text("patient number without 77")


def test_the_desk_can_be_read_in_light_and_dark(page: Page, console: Console) -> None:
    enter(page, console, Role.INTAKE)
    first = str(page.locator("tr[data-href]").first.get_attribute("data-href"))
    attend_case(console.store, console.clock, int(first.rsplit("/", 1)[1]), "user:ann")
    for width in (1440, 360):
        page.set_viewport_size({"width": width, "height": 900})
        for path in (
            "/mismatches?reason=V06&sort=oldest",
            "/mismatches?choose=1",
            "/mismatches/bulk/repair",
            "/figures",
            first,
        ):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate(_STATES_OUT_OF_LINE) == 0, path
            assert page.evaluate(_TABLES_CUT_OFF) == 0, path
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                assert faults(page) == [], (scheme, path)
    assert "ann has this case open" in page.locator("#presence").inner_text()


def test_a_live_queue_does_not_move_what_is_in_hand(page: Page, console: Console) -> None:
    enter(page, console, Role.INTAKE)
    row = page.locator("tbody a.row").first
    row.focus()
    attend_case(console.store, console.clock, 1, "user:ann")
    with page.expect_response(re.compile("seen=")):
        page.evaluate("htmx.trigger(document.getElementById('list'), 'now')")
    expect(row).to_be_focused()
    row.blur()
    page.mouse.move(2, 2)
    with page.expect_response(re.compile("seen=")):
        page.evaluate("htmx.trigger(document.getElementById('list'), 'now')")
    expect(page.locator("tbody")).to_contain_text("ann has it open")
