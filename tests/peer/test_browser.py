"""The console in a real Chromium: what a coordinator does, by mouse and by keyboard, on a desk and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.message import MessageFilter
from bridge.flows import manage_users
from bridge.flows.receive_message import Received
from bridge.flows.replay_messages import ask_replay
from bridge.sections.http import HttpSection
from bridge.web.server import HttpServer
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import ORDER, PASSWORD, Console
from tests.flows.worklist_devices import device_asked
from tests.peer.page_audit import faults

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page

pytestmark = pytest.mark.peer

UID = "1.2.840.99.1"
HOSTILE = "<img src=x onerror=window.__struck=1>^<script>window.__struck=2</script>"


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: the browser sees no difference."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT)))


@pytest.fixture
def address(console: Console) -> Iterator[str]:
    server = HttpServer(console.app, HttpSection(port=0))
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[object]:
    with playwright_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
        found = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield found
        found.close()


@pytest.fixture
def page(browser: object, address: str) -> Iterator[Page]:
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})  # type: ignore[attr-defined]
    context.set_default_timeout(10_000)
    found = context.new_page()
    found.troubles = []
    found.on("console", lambda m: found.troubles.append(m.text) if "Content Security Policy" in m.text else None)
    found.on("pageerror", lambda error: found.troubles.append(str(error)))
    yield found
    assert not found.troubles
    context.close()


def enter(page: Page, console: Console, role: Role = Role.ADMIN) -> None:
    """Sign in by a link, as somebody does who was sent one."""
    link = manage_users.trusted_sign_in_link(console.store, console.clock, f"some-{role.value}", role)
    page.goto(f"/sign-in/{link}")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def test_the_first_administrator_chooses_a_name_and_a_password(page: Page, console: Console) -> None:
    link = manage_users.first_sign_in_link(console.store, console.clock)
    page.goto(f"/sign-in/{link}")
    page.get_by_label("Your name here").fill("maria")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same once more").fill(PASSWORD)
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/today")
    page.get_by_text("maria").first.click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("User name").fill("maria")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").inner_text() == "User name or password is wrong."
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/today")


def test_the_search_box_goes_straight_to_the_exam_and_hides_what_was_typed(page: Page, console: Console) -> None:
    console.order()
    enter(page, console, Role.VIEWER)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("halvorsen")
    page.keyboard.press("Enter")
    page.wait_for_url("**/exams/order-*")
    assert "halvorsen" not in page.url.lower()
    assert page.locator(".stations li").count() == 7
    assert page.locator(".stations li.done").count() == 2
    assert "Order received" in page.locator(".timeline").inner_text()


def test_rows_are_walked_and_opened_from_the_keyboard(page: Page, console: Console) -> None:
    for number in ("A1", "A2", "A3"):
        console.order(number)
    enter(page, console, Role.VIEWER)
    page.goto("/worklist")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator("tr.chosen").count() == 1
    chosen = page.locator("tr.chosen").get_attribute("data-href")
    page.keyboard.press("k")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{chosen}")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()


def test_a_mismatch_is_bound_and_taken_back(page: Page, console: Console) -> None:
    console.order()
    console.images(UID)
    enter(page, console, Role.INTAKE)
    assert page.url.endswith("/mismatches")
    page.locator("tbody tr").first.click()
    page.get_by_label("Somebody else").fill("A1")
    page.get_by_label("Somebody else").press("Enter")
    page.get_by_role("button", name="Yes, HALVORSEN, INGRID").click()
    assert "say why" in page.get_by_role("alert").inner_text().lower()
    page.get_by_label("Asked the technologist").check()
    page.get_by_role("button", name="Yes, HALVORSEN, INGRID").click()
    page.wait_for_url("**/decided")
    assert "HALVORSEN, INGRID" in page.locator("main").inner_text()
    page.get_by_role("link", name="The exam").click()
    assert page.locator(".stations li.done").count() >= 4
    page.go_back()
    page.get_by_label("Why").fill("it was her sister")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url("**/decided")
    assert "taken back" in page.locator("main").inner_text()


def confirmed(console: Console) -> None:
    """Let a CT arrive and be bound to its order."""
    console.order()
    console.images(UID)
    decide = {"action": "bind", "accession_number": "A1", "reason": "asked"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=decide).status_code == 200


def find(page: Page, text: str) -> None:
    page.get_by_placeholder("Number, accession or patient").fill(text)
    page.get_by_placeholder("Number, accession or patient").press("Enter")
    page.wait_for_url("**/authorizations/search/*")


def test_a_study_is_attached_to_its_authorization_in_two_clicks(page: Page, console: Console) -> None:
    confirmed(console)
    enter(page, console, Role.BILLING)
    find(page, "PAA1")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Choose").click()
    assert "Its order is under this authorization" in page.locator("main").inner_text()
    page.get_by_role("button", name="Attach").click()
    page.wait_for_url("**#attached")
    shown = page.locator("main").inner_text()
    assert "Reference on the claim" in shown
    assert "Images attached to authorization PAA1" in shown


def test_an_exam_is_attached_to_an_authorization_in_two_clicks(page: Page, console: Console) -> None:
    confirmed(console)
    enter(page, console, Role.ADMIN)
    page.locator("#q").fill("A1")
    page.locator("#q").press("Enter")
    page.wait_for_url("**/exams/*")
    page.get_by_role("link", name="Attach to PAA1").click()
    page.get_by_role("button", name="Attach").click()
    page.wait_for_url("**#attached")
    page.goto("/exams/A1")
    assert "Images attached to authorization PAA1" in page.locator(".timeline").inner_text()


def test_a_name_that_is_markup_stays_text(page: Page, console: Console) -> None:
    assert b"|AA|" in console.order(name=HOSTILE)
    enter(page, console)
    for path in ("/today?day=2026-03-02", "/today?device=CT1", "/worklist", "/exams/order-1", "/messages/1"):
        page.goto(path)
        assert "onerror" in page.locator("main").inner_text(), path
        assert page.evaluate("window.__struck") is None, path
        assert page.locator("main img, main script").count() == 0, path


def test_a_message_is_read_beside_its_raw_form(page: Page, console: Console) -> None:
    console.order()
    enter(page, console, Role.IT)
    page.locator("tbody tr").first.click()
    assert page.locator("pre.raw").first.inner_text().startswith("MSH|^~\\&|RIVEHR")
    assert "Patient numbers" in page.locator("main").inner_text()


def test_a_refused_message_is_found_edited_and_sent_as_a_new_one(page: Page, console: Console) -> None:
    text = ORDER.format(number="A1", name="HALVORSEN^INGRID", patient_id="00041001", control_id="CA1")
    console.house.receiver.receive([Received(text.replace("ORC|NW", "ORC|ZZ").encode(), "127.0.0.1")])
    enter(page, console, Role.IT)
    page.get_by_label("Number").fill("00041001")
    page.keyboard.press("Enter")
    page.wait_for_url("**/messages/search/1*")
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/messages/1")
    assert "none of the tables" in page.locator(".outcome").inner_text()
    page.get_by_role("link", name="Edit…").click()
    page.get_by_label("The message, one segment a line").fill(text.replace("\r", "\n"))
    page.get_by_role("button", name="See what it would do").click()
    page.get_by_role("heading", name="What you changed").wait_for()
    assert "+ ORC|NW" in page.locator(".diff").inner_text()
    page.get_by_role("button", name="Send as a new message").click()
    page.wait_for_url("**/messages/2")
    assert "accepted (AA)" in page.locator(".outcome").inner_text()
    page.get_by_role("link", name="the message that came").click()
    assert "EDIT-1-1" in page.locator("main").inner_text()
    assert "00041001" not in page.url


def test_a_replay_shows_its_progress_without_a_reload(page: Page, console: Console) -> None:
    for number in ("A1", "A2"):
        console.order(number)
    enter(page, console, Role.IT)
    page.get_by_label("Type").select_option("OMG")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Replay these…").click()
    page.get_by_role("button", name="Dry run").click()
    page.wait_for_url("**/messages/replays/1")
    assert "waits for a worker" in page.locator("#progress").inner_text()
    assert console.house.replays.work()
    page.get_by_text("2 of 2 done").wait_for()
    assert page.get_by_role("button", name="Stop it").count() == 0


@pytest.mark.parametrize("width", [360, 1440])
def test_why_a_patient_is_not_on_it_is_asked_and_tried(page: Page, console: Console, width: int) -> None:
    console.order()
    device_asked(console, modality="MR", station="CT1")
    enter(page, console, Role.IT)
    page.set_viewport_size({"width": width, "height": 740})
    page.goto("/worklist?as=CT1")
    page.get_by_label("Why is a patient on it, or not?").fill("A1")
    page.get_by_role("button", name="Explain").click()
    page.wait_for_url("**/worklist/explain/1?as=CT1")
    assert page.get_by_role("heading", level=1).inner_text() == "A1 is not shown to CT1"
    assert "asks for Modality MR; this step is CT." in page.locator(".outcome").inner_text()
    page.locator(".outcome").get_by_role("link", name="the query").click()
    page.get_by_role("link", name="Ask this again as CT1").click()
    assert page.get_by_label("Modality", exact=True).input_value() == "MR"
    assert page.get_by_role("heading", name="It gets 0 items").count() == 1
    page.get_by_label("Modality", exact=True).fill("")
    page.get_by_role("button", name="Ask as CT1").click()
    page.get_by_role("heading", name="It gets 1 item").wait_for()
    page.locator("details.sheet summary").first.click()
    assert "(0010,0010)" in page.locator("details.sheet").first.inner_text()
    assert "A1" not in page.url


PAGES = [
    "/today?day=2026-03-02",
    "/today?day=2026-03-02&device=CT1",
    "/today/steps/1",
    "/worklist",
    "/worklist?as=CT1",
    "/worklist/explain/order-1?as=CT1",
    "/worklist/queries",
    "/worklist/queries/1",
    "/worklist/test?as=CT1",
    "/mismatches",
    "/mismatches/study/1",
    "/merges",
    "/authorizations",
    "/authorizations/1",
    "/authorizations/new",
    "/messages",
    "/messages/1",
    "/messages/1/edit",
    "/messages/try",
    "/messages/replay?state=applied",
    "/messages/replays",
    "/messages/replays/1",
    "/deliveries",
    "/devices",
    "/devices/CT1",
    "/audit",
    "/users",
    "/exams/order-1",
    "/nowhere",
]


WITHOUT_TIME = """2026-03-02 09:14:02 INFO received MSH|^~\\&|OLDRIS|NORTHWING|||20260302||ORM^O01|X1|P|2.3
PID|||00041001^^^RIVERSIDE||HALVORSEN^INGRID||19580312|F
ORC|NW|P1|F1||SC
OBR|1|P1|F1|71260^CT CHEST^C4||||||||||||||ACC1|||||CT
"""


@pytest.mark.parametrize("width", [360, 1440])
def test_every_page_fits_the_screen_and_can_be_read_and_followed(page: Page, console: Console, width: int) -> None:
    console.order(name="VANDERMEULEN-KONSTANTINOPOLSKAYA^ALEXANDRA MARGUERITE^JOSEPHINE")
    console.images(UID)
    device_asked(console, modality="MR", PatientName="VANDERMEULEN-KONSTANTINOPOLSKAYA^ALEXANDRA*")
    ask_replay(console.store, console.clock, MessageFilter(state="applied"), "user:it", dry_run=True)
    enter(page, console)
    page.set_viewport_size({"width": width, "height": 740})
    for path in PAGES:
        page.goto(path)
        assert faults(page) == [], path


@pytest.mark.parametrize("width", [360, 1440])
def test_what_a_message_would_come_to_fits_the_screen(page: Page, console: Console, width: int) -> None:
    enter(page, console, Role.IT)
    page.set_viewport_size({"width": width, "height": 740})
    page.goto("/messages/try")
    page.get_by_label("HL7 messages").fill(WITHOUT_TIME)
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("not sent to devices").wait_for()
    assert faults(page) == []


def test_pages_work_without_scripts(browser: object, address: str, console: Console) -> None:
    console.order()
    context = browser.new_context(base_url=address, java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    enter(page, console, Role.VIEWER)
    page.locator("#q").fill("A1")
    page.locator("#q").press("Enter")
    page.wait_for_url("**/exams/order-*")
    page.locator(".me summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    context.close()


def test_text_can_be_read_in_light_and_dark(page: Page, console: Console) -> None:
    console.order()
    device_asked(console, modality="MR")
    enter(page, console)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in (
            "/today",
            "/today?device=CT1",
            "/today/steps/1",
            "/worklist",
            "/worklist/explain/order-1?as=CT1",
            "/worklist/queries",
            "/worklist/queries/1",
            "/worklist/test?as=CT1",
            "/exams/order-1",
            "/messages",
            "/messages/1",
            "/devices",
            "/devices/CT1",
        ):
            page.goto(path)
            assert faults(page) == [], (scheme, path)


def test_what_a_device_asked_for_stands_on_labels_as_wide_as_their_words(page: Page, console: Console) -> None:
    device_asked(console, modality="MR")
    enter(page, console)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/worklist/queries")
    (label,) = page.locator(".tag.key").all()
    assert label.evaluate("node => node.offsetWidth <= node.parentElement.clientWidth / 2")
    assert label.evaluate("node => node.firstChild.textContent.trim()") == "Modality"
