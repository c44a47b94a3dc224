"""What a payer is asked about an authorization, by the API and on its page: looked at first, then let go, ended, asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.payer_request import RequestState
from bridge.domain.submission import PayerAnswer
from bridge.domain.telling import Telling, TellingState
from bridge.store import payer_requests, submissions, tellings
from bridge.wiring import House
from tests.conftest import ROOT
from tests.fakes.clinic import AT
from tests.fakes.console import Console

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
BODY: dict[str, Any] = {
    "number": "",
    "trace": "T-1",
    "status": "draft",
    "payer": "60054",
    "patient": {"patient_id": "00041001", "issuer_of_patient_id": "RIVERSIDE"},
    "accession_number": "A1",
    "member_id": "W1",
    "lines": [{"code": "71260", "diagnoses": ["R91.1"], "place_of_service": "22"}],
}


@pytest.fixture
def console(make_house: Callable[..., House], tmp_path: Path) -> Console:
    bridge = {"data": tmp_path / "data", "mappings": ROOT / "samples" / "mappings", "npi": "1003000126"}
    payers = [{"name": "acme", "id": "60054", "base_url": "http://127.0.0.1:9/fhir", "kind": ["pas"]}]
    return Console(make_house(FixedClock(AT), bridge=bridge, payers=payers))


def entered(console: Console, **more: Any) -> tuple[FlaskClient, str]:
    """Write down an authorization for an exam that is ordered; return the API, and where its requests are."""
    console.order()
    api = console.machine(Role.BILLING)
    made = api.post("/api/authorizations", json=BODY | more)
    assert made.status_code == 201, made.json
    return api, f"/api/authorizations/{made.json['id']}/requests"


def test_what_would_be_asked_is_seen_before_anything_leaves(console: Console) -> None:
    api, place = entered(console, member_id="", lines=[{"code": "71260"}])
    said = api.get(place).json
    assert said["requests"] == []
    assert (said["proposed"]["as"], said["proposed"]["payer"]) == ("submit", "acme")
    assert {each["where"] for each in said["proposed"]["lacks"] if each["needed"]} == {"member_id", "lines[1].place"}
    refused = api.post(place, json={"as": "request", "reason": "scheduled"})
    assert (refused.status_code, refused.json["code"]) == (422, "missing")


def test_a_request_is_let_go_with_a_reason_and_another_waits_for_its_answer(console: Console) -> None:
    api, place = entered(console)
    assert api.post(place, json={"as": "request"}).status_code == 422
    made = api.post(place, json={"as": "request", "reason": "scheduled"})
    assert (made.status_code, made.json["state"], made.json["as"]) == (201, "waiting", "submit")
    again = api.post(place, json={"as": "request", "reason": "scheduled"})
    assert (again.status_code, again.json["code"]) == (409, "cannot_ask")
    assert api.post(place, json={"as": "cancel", "reason": "declined"}).json["code"] == "not_asked"
    assert api.post(place, json={"as": "appeal", "reason": "no"}).json["code"] == "not_in_table"


def test_what_is_in_question_a_person_settles(console: Console) -> None:
    api, place = entered(console)
    key = api.post(place, json={"as": "request", "reason": "scheduled"}).json["id"]
    settle = {"payer_has_it": True, "reason": "called Acme"}
    assert api.post(f"{place}/{key}/settle", json=settle).json["code"] == "settled"
    with console.store.write() as tx:
        payer_requests.begin(tx, key, AT)
    assert api.post(f"{place}/{key}/settle", json={"payer_has_it": "yes", "reason": "x"}).status_code == 400
    page = console.browser(Role.BILLING).get(f"{place.removeprefix('/api').removesuffix('requests')}payer")
    assert "It has not: send again" in page.text
    assert api.post(f"{place}/{key}/settle", json=settle).json["state"] == RequestState.ANSWERED.value


def test_the_page_shows_what_would_leave_and_lets_it_go(console: Console) -> None:
    _, place = entered(console)
    browser = console.browser(Role.BILLING)
    here = place.removeprefix("/api").removesuffix("requests")
    assert "At the payer" in browser.get(here.rstrip("/")).text
    shown = browser.get(f"{here}payer").text
    assert "Line 1, 71260: asked for" in shown
    assert "Nothing was asked from here" in shown
    token = shown.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert browser.post(f"{here}payer/ask", data={"csrf_token": token}).status_code == 422
    done = browser.post(f"{here}payer/ask", data={"csrf_token": token, "reason": "scheduled"})
    assert done.status_code == 303
    assert "on its way" in browser.get(f"{here}payer").text
    assert browser.post(f"{here}payer/inquire", data={"csrf_token": token}).status_code == 422


def test_an_answer_is_handed_out_as_it_came_to_who_bills(console: Console) -> None:
    api, place = entered(console)
    key = api.post(place, json={"as": "request", "reason": "scheduled"}).json["id"]
    with console.store.write() as tx:
        kept = PayerAnswer(0, None, AT, b'{"resourceType": "Bundle"}', "application/fhir+json", 200, request_key=key)
        number = submissions.add_answer(tx, kept)
    (row,) = api.get(place).json["answers"]
    assert (row["id"], row["request"]) == (number, key)
    file = api.get(f"{place}/answers/{number}")
    assert (file.data, file.content_type) == (b'{"resourceType": "Bundle"}', "application/octet-stream")
    here = place.removeprefix("/api").removesuffix("requests")
    assert "as it came" in console.browser(Role.BILLING).get(f"{here}payer").text
    assert console.browser(Role.BILLING).get(f"{here}payer/answers/{number}").data == file.data
    assert api.get(f"{place}/answers/{number + 1}").status_code == 404


def test_only_who_bills_asks(console: Console) -> None:
    _, place = entered(console)
    assert console.machine(Role.VIEWER).get(place).status_code == 403
    assert console.machine(Role.VIEWER).post(place, json={"as": "inquire"}).status_code == 403


def test_the_page_says_whether_the_payer_tells_by_itself(make_house: Callable[..., House], tmp_path: Path) -> None:
    bridge = {"data": tmp_path / "data", "mappings": ROOT / "samples" / "mappings", "npi": "1003000126"}
    payer = {"name": "acme", "id": "60054", "base_url": "http://127.0.0.1:9/fhir", "kind": ["pas"], "tells": True}
    http = {"public_url": "http://127.0.0.1:8443"}
    console = Console(make_house(FixedClock(AT), bridge=bridge, payers=[payer], http=http))
    _, place = entered(console)
    page = place.replace("/api", "").replace("/requests", "/payer")
    browser = console.browser(Role.BILLING)
    assert "does not yet" in browser.get(page).text
    told = Telling("acme", payer["base_url"], "digest", TellingState.TELLING, made_at=AT)
    with console.store.write() as tx:
        tellings.put(tx, told)
    assert "tells by itself what it decides, since" in browser.get(page).text


def test_where_the_trace_is_not_known_a_person_says_it_and_what_changed_can_be_sent(console: Console) -> None:
    _, place = entered(console, number="PA9", trace="", status="A1")
    page = place.removeprefix("/api").removesuffix("requests") + "payer"
    browser = console.browser(Role.BILLING)
    assert "nobody here knows under which trace" in browser.get(page).text
    form = {"csrf_token": console.form_token(browser, page), "trace": " "}
    assert browser.post(f"{page}/trace", data=form).status_code == 422
    assert browser.post(f"{page}/trace", data=form | {"trace": "1" * 51}).status_code == 422
    assert browser.post(f"{page}/trace", data=form | {"trace": "EPIC-778"}).status_code == 303
    after = browser.get(page).text
    assert ("EPIC-778" in after, "nobody here knows under which trace" in after) == (True, False)


def test_the_trace_can_be_said_by_the_api(console: Console) -> None:
    api, place = entered(console, number="PA9", trace="", status="A1")
    assert "under which trace" in api.get(place).json["proposed"]["why_not"]
    assert api.post(place.replace("requests", "answers"), json={"trace": "EPIC-778"}).status_code == 201
    assert "under which trace" not in (api.get(place).json["proposed"]["why_not"] or "")


@pytest.mark.parametrize("by_api", [True, False])
def test_what_was_denied_is_asked_for_anew_by_a_request_of_its_own(console: Console, by_api: bool) -> None:
    api, place = entered(console, number="PA9", trace="T-OLD", status="denied")
    old, browser = place.removesuffix("/requests"), console.browser(Role.BILLING)
    page = f"{old.removeprefix('/api')}/payer"
    assert "Ask for it anew" in browser.get(page).text
    if by_api:
        assert api.post(f"{old}/anew", json={}).status_code == 422
        made = api.post(f"{old}/anew", json={"reason": "the report is here now"})
        assert made.status_code == 201
        new = f"/api/authorizations/{made.json['id']}"
    else:
        form = {"csrf_token": console.form_token(browser, page), "reason": "the report is here now"}
        said = browser.post(f"{page}/anew", data=form)
        assert said.status_code == 303
        new = f"/api{said.headers['Location'].removesuffix('/payer')}"
    shown = api.get(new).json
    assert (shown["status"], shown["number"], [one["code"] for one in shown["lines"]]) == ("draft", "", ["71260"])
    assert [one["accession_number"] for one in shown["orders"]] == ["A1"]
    assert api.get(old).json["status"] == "denied"
    assert api.get(f"{new}/requests").json["proposed"]["as"] == "submit"
    assert api.post(f"{new}/anew", json={"reason": "again"}).json["code"] == "not_over"
    assert api.post(f"{old}/anew", json={"reason": "a second click"}).json["code"] == "duplicate"


def test_what_was_asked_for_anew_and_decided_by_phone_is_written_down_there(console: Console) -> None:
    api, place = entered(console, number="PA9", trace="T-OLD", status="denied")
    old = place.removesuffix("/requests")
    new = f"/api/authorizations/{api.post(f'{old}/anew', json={'reason': 'by phone'}).json['id']}"
    assert api.post(f"{new}/answers", json={"number": "PA9", "status": "approved"}).status_code == 409
    assert api.post(f"{new}/answers", json={"trace": "T-OLD"}).status_code == 409
    assert api.post(f"{new}/answers", json={"number": "PA10", "status": "approved"}).status_code == 201
    shown = api.get(new).json
    assert (shown["number"], shown["status"]) == ("PA10", "approved")
    assert (api.get(old).json["number"], api.get(old).json["status"]) == ("PA9", "denied")
