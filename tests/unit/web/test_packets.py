"""A packet for a payer as billing sees it: looked at on a page, fetched as files, by nobody else and by no other address."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.outbox.worker import Worker
from bridge.store import audit
from bridge.wiring import House
from tests.cast import PLAIN, report
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.unit.web.conftest import AT
from tests.unit.web.test_api import UID, bind

WANTED = {"order": True, "images": True, "report": True, "prior-reports": True, "office-note": False}


AGREED = {
    "payers": [{"name": "Acme Health Plan", "id": "60054", "share_days": 10}],
    "http": {"public_url": "https://bridge.example.org"},
}


@pytest.fixture
def house_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the house is set up with beside the usual."""
    found: dict[str, Any] = getattr(request, "param", {})
    return found


@pytest.fixture
def console(make_house: Callable[..., House], house_settings: dict[str, Any]) -> Console:
    return Console(make_house(FixedClock(AT), **house_settings))


@pytest.fixture
def place(console: Console) -> str:
    """The address of the attachments of an authorization with a reported study on it, as a packet that is made."""
    console.order()
    bind(console)
    say(console.house, report(PLAIN, "A1"))
    api = console.machine(Role.BILLING)
    row = api.get("/api/authorizations", query_string={"q": "PAA1"}).json["authorizations"][0]
    found = f"/api/authorizations/{row['id']}/attachments"
    assert api.post(found, json={"study_instance_uid": UID, "as": ["pdf"]}).status_code == 201
    return found


def work(console: Console) -> None:
    mine = [one for one in publishers(console.house) if one.topic == "packet"]
    Worker(console.store, console.clock, mine, owner="test").run_due()


def row_of(console: Console, place: str) -> dict[str, Any]:
    (row,) = console.machine(Role.BILLING).get(place).json["attachments"]
    found: dict[str, Any] = row
    return found


def actions(console: Console) -> list[str]:
    with console.store.read() as tx:
        return [row.action for row in audit.recent(tx, limit=50)]


def test_the_address_is_told_once_the_packet_is_there_and_serves_the_pdf(console: Console, place: str) -> None:
    before = row_of(console, place)
    early = console.machine(Role.BILLING).get(f"{place}/{before['id']}/packet")
    assert (before["url"], early.status_code, early.json["code"]) == (None, 503, "packet_not_ready")
    work(console)
    answer = console.machine(Role.BILLING).get(row_of(console, place)["url"])
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    assert "No acute finding." in PdfReader(BytesIO(answer.data)).pages[1].extract_text()
    assert actions(console).count("packet_exported") == 1


def test_each_file_of_a_version_has_its_own_address(console: Console, place: str) -> None:
    work(console)
    (made,) = [row_of(console, place)["packet"]]
    api = console.machine(Role.BILLING)
    sizes = {one["kind"]: (one["bytes"], len(api.get(one["url"]).data)) for one in made["files"]}
    assert all(told == got for told, got in sizes.values())
    assert {"document", "manifest"} <= sizes.keys()


def test_only_billing_gets_it_and_only_by_its_own_authorization(console: Console, place: str) -> None:
    work(console)
    address = row_of(console, place)["url"]
    assert console.machine(Role.VIEWER).get(address).status_code == 403
    other = address.replace("/authorizations/1/", "/authorizations/2/")
    assert console.machine(Role.BILLING).get(other).status_code == 404
    assert console.machine(Role.BILLING).get(f"{address}?version=x").status_code == 400
    assert console.machine(Role.BILLING).get(f"{address}?version=9").status_code == 404


def test_a_study_that_goes_into_review_takes_its_packet_along(console: Console, place: str) -> None:
    work(console)
    address = row_of(console, place)["url"]
    decision = {"action": "unbind", "reason": "asked"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=decision).status_code == 200
    assert row_of(console, place)["url"] is None
    assert console.machine(Role.BILLING).get(address).status_code == 409


def test_the_page_shows_what_it_holds_and_what_not_without_taking_it_out(console: Console, place: str) -> None:
    work(console)
    row = row_of(console, place)
    desk = console.browser(Role.BILLING)
    authorization = desk.get(place.removeprefix("/api").removesuffix("/attachments")).get_data(as_text=True)
    assert "Look at the packet" in authorization
    page = desk.get(f"{place.removeprefix('/api')}/{row['id']}/packet").get_data(as_text=True)
    for words in ("Acme Health Plan", "Not in it:", "Open the PDF", "control number"):
        assert words in page
    assert "packet_viewed" in actions(console)
    assert "packet_exported" not in actions(console)


def test_an_authorization_tells_what_its_payer_wants_to_see_and_what_is_missing(console: Console, place: str) -> None:
    told = console.machine(Role.BILLING).get(place.removesuffix("/attachments")).json["gaps"]
    assert {one["need"]: one["met"] for one in told} == WANTED
    page = console.browser(Role.BILLING).get(place.removeprefix("/api").removesuffix("/attachments"))
    assert "What the payer wants to see" in page.get_data(as_text=True)


def test_a_payer_gets_a_link_to_the_whole_study_for_a_reason_only_where_that_was_agreed(
    console: Console, place: str
) -> None:
    work(console)
    api, address = console.machine(Role.BILLING), f"{place}/{row_of(console, place)['id']}/share"
    refused = api.post(address, json={"reason": "asked for by the reviewer"})
    assert (refused.status_code >= 400, refused.json["code"]) == (True, "not_agreed")
    assert api.get(address).json == {"shared_at": None, "reason": None, "links": []}
    assert api.delete(address).status_code == 404
    assert console.machine(Role.VIEWER).get(address).status_code == 403
    assert "Add a link" not in console.browser(Role.BILLING).get(page_of(console, place)).text


@pytest.mark.parametrize("house_settings", [AGREED], indirect=True)
def test_a_link_is_added_and_ended_on_the_packets_page(console: Console, place: str) -> None:
    work(console)
    browser, page = console.browser(Role.BILLING), page_of(console, place)
    token = console.form_token(browser, page)
    assert "for 10 days" in browser.get(page).text
    browser.post(f"{page}/share", data={"reason": "peer review", "csrf_token": token})
    work(console)
    shown = browser.get(page).text
    assert "because: peer review" in shown
    assert "/open?link=" not in shown
    api, address = console.machine(Role.BILLING), f"{place}/{row_of(console, place)['id']}/share"
    assert [one["revoked_at"] for one in api.get(address).json["links"]] == [None]
    browser.post(f"{page}/share", data={"end": "1", "csrf_token": token})
    after = api.get(address).json
    assert (after["reason"], after["links"][0]["revoked_at"] is not None) == (None, True)


def page_of(console: Console, place: str) -> str:
    return f"{place.removeprefix('/api')}/{row_of(console, place)['id']}/packet"
