"""Authorizations over the API and on the billing desk: written down, answered, linked, filtered, and shown as they stand."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.flows.notice_news import Audience, NewsWatch
from bridge.flows.take_authorization_news import Taking, take_authorization_news
from tests.cast import PLAIN
from tests.fakes.console import Console
from tests.flows.asking import typed_authorization

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WHO = {"patient_id": "00041001", "issuer_of_patient_id": "RIVERSIDE"}
LINE = {
    "code": "71260",
    "modifiers": ["26"],
    "requested_units": 2,
    "approved_units": "1",
    "rendering_npi": "1234567893",
}
BODY: dict[str, Any] = {
    "number": "X-1 1",
    "payer": "60054",
    "payer_name": "ACME",
    "patient": WHO,
    "accession_number": "A1",
    "member_id": "W1-01",
    "status": "approved",
    "urgency": "expedited",
    "effective_on": "2026-03-01",
    "expires_on": "2026-04-30",
    "lines": [LINE],
}


def api_of(console: Console) -> FlaskClient:
    console.order()
    return console.machine(Role.BILLING)


def look(console: Console) -> None:
    house = console.house
    watch = NewsWatch(house.store, house.clock, timedelta(0), Audience(), owner="test", rules=house.rules)
    while watch.work():
        pass


def test_what_is_written_down_is_shown_whole(console: Console) -> None:
    api = api_of(console)
    made = api.post("/api/authorizations", json=BODY)
    assert made.status_code == 201, made.text
    shown = api.get(f"/api/authorizations/{made.json['id']}").json
    assert (shown["number"], shown["status"], shown["decision"]) == ("X-1 1", "approved", "A1")
    assert (shown["effective_on"], shown["expires_on"], shown["urgency"]) == ("2026-03-01", "2026-04-30", "expedited")
    (line,) = shown["lines"]
    assert (line["code"], line["modifiers"], line["requested_units"], line["approved_units"]) == (
        "71260",
        ["26"],
        "2",
        "1",
    )
    assert [(one["accession_number"], one["rule"]) for one in shown["orders"]] == [("A1", "number")]
    assert [(one["kind"], one["decision"]) for one in shown["history"]] == [("answered", "A1")]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"status": "fine"}, "status"),
        ({"urgency": "soon"}, "urgency"),
        ({"expires_on": "tomorrow"}, "expires_on"),
        ({"number": ""}, "number"),
        ({"payer": ""}, "payer"),
        ({"lines": [{"code": "71260", "rendering_npi": "1234567890"}]}, "lines[0].rendering_npi"),
        ({"lines": [{"code": "71260", "approved_units": "-1"}]}, "lines[0].approved_units"),
        (
            {"lines": [{"code": "71260", "service_from": "2026-03-02", "service_to": "2026-03-01"}]},
            "lines[0].service_to",
        ),
        ({"lines": [{"code": "71260", "sequence": "one"}]}, "lines[0].sequence"),
        ({"lines": [{"code": "71260", "modifiers": "LT"}]}, "lines[0].modifiers"),
        ({"lines": "71260"}, "lines"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_not_as_wanted_is_named_by_its_field(console: Console, wrong: dict[str, Any], where: str) -> None:
    refused = api_of(console).post("/api/authorizations", json=BODY | wrong)
    assert (refused.status_code, refused.json["where"]) == (422, where)


def test_trap_20_the_same_number_with_other_spaces_is_known(console: Console) -> None:
    api = api_of(console)
    assert api.post("/api/authorizations", json=BODY).status_code == 201
    again = api.post("/api/authorizations", json=BODY | {"number": "x11"})
    assert (again.status_code, again.json["code"]) == (409, "duplicate")
    assert len(api.get("/api/authorizations", query_string={"q": "x 1-1"}).json["authorizations"]) == 1


def test_a_request_has_a_clock_and_an_answer_ends_it(console: Console) -> None:
    api = api_of(console)
    asked = {**BODY, "number": "", "trace": "T1", "status": "submitted", "received_at": "2026-03-02T08:00"}
    made = api.post("/api/authorizations", json=asked).json
    assert (made["status"], made["clock"]["due_at"][:16]) == ("submitted", "2026-03-05T08:00")
    assert [one["id"] for one in api.get("/api/authorizations?due=9999").json["authorizations"]] == [made["id"]]
    answered = api.post(f"/api/authorizations/{made['id']}/answers", json={"number": "PA7", "status": "denied"})
    assert answered.status_code == 201
    assert (answered.json["status"], answered.json["clock"], answered.json["number"]) == ("denied", None, "PA7")
    assert [one["kind"] for one in answered.json["history"]] == ["requested", "answered"]
    assert api.get("/api/authorizations?due=9999").json["authorizations"] == []


def test_filters_find_by_payer_status_and_gap(console: Console) -> None:
    api = api_of(console)
    made = api.post("/api/authorizations", json=BODY | {"lines": [{"code": "72148"}]}).json["id"]
    look(console)

    def found(**asked: str) -> list[int]:
        return [one["id"] for one in api.get("/api/authorizations", query_string=asked).json["authorizations"]]

    assert made in found()
    assert found(payer="acme") == found(payer="60054", status="approved") == [made]
    assert found(gap="any") == found(gap="code_not_covered", q="X11") == [made]
    assert found(gap="denied") == found(status="denied") == found(payer="other") == []
    for wrong in ("status=fine", "gap=none", "due=soon"):
        assert api.get(f"/api/authorizations?{wrong}").status_code == 400


def test_a_warning_stands_on_the_exam_and_on_the_desk(console: Console) -> None:
    api = api_of(console)
    made = api.post("/api/authorizations", json=BODY | {"lines": [{"code": "72148", "description": "MR spine"}]}).json[
        "id"
    ]
    look(console)
    sentence = "The exam is 71260; authorized is 72148."
    (of_exam,) = [one for one in api.get("/api/exams/A1").json["authorizations"] if one["id"] == made]
    assert of_exam["warnings"] == [{"kind": "code_not_covered", "sentence": sentence}]
    browser = console.browser(Role.ADMIN)
    pages = ["/authorizations", "/authorizations?gap=any", f"/authorizations/{made}", "/exams/A1"]
    for page in pages:
        text = browser.get(page, follow_redirects=True).text
        assert sentence in text, page
    assert "approved" in browser.get(f"/authorizations/{made}").text


def test_an_order_is_linked_and_taken_off_by_hand(console: Console) -> None:
    api = api_of(console)
    plain = {name: BODY[name] for name in ("number", "payer", "patient", "status", "lines")}
    made = api.post("/api/authorizations", json=plain).json["id"]
    place = f"/api/authorizations/{made}/orders"
    linked = api.post(place, json={"accession_number": "A1"}).json["orders"]
    assert [(one["accession_number"], one["rule"]) for one in linked] == [("A1", "by-hand")]
    assert api.post(place, json={"accession_number": "NONE"}).status_code == 409
    undo = f"{place}/{linked[0]['id']}/undo"
    assert api.post(undo, json={"reason": ""}).status_code == 422
    assert api.post(undo, json={"reason": "another exam"}).json["orders"] == []
    assert api.post(undo, json={"reason": "again"}).status_code == 409
    look(console)
    assert api.get(f"/api/authorizations/{made}").json["orders"] == []


def test_news_of_nobody_wait_until_a_person_says_whose_they_are(console: Console) -> None:
    api = api_of(console)
    house = console.house
    with house.store.write() as tx:
        said = typed_authorization("PA9", PLAIN, patient_numbers=())
        take_authorization_news(tx, said, Taking(house.rules, house.clock.now(), "x12"))
    (waiting,) = api.get("/api/authorizations/news").json["news"]
    assert waiting["waits"] == "nothing in it says for certain whose it is"
    assert "nothing in it says" in console.browser(Role.BILLING).get("/authorizations").text
    place = f"/api/authorizations/news/{waiting['id']}/assign"
    assert api.post(place, json={"patient": {"patient_id": "nobody"}}).status_code == 409
    assigned = api.post(place, json={"patient": WHO})
    assert (assigned.status_code, assigned.json["number"]) == (200, "PA9")
    assert api.get("/api/authorizations/news").json["news"] == []
    assert api.post(place, json={"patient": WHO}).status_code == 409


def test_the_form_says_what_the_payer_said(console: Console) -> None:
    console.order()
    browser = console.browser(Role.BILLING)
    form = {"number": "F1", "payer": "60054", "patient_id": "00041001", "codes": "71260, 74177", "status": "denied"}
    form["csrf_token"] = console.form_token(browser, "/authorizations/new")
    answer = browser.post("/authorizations/new", data=form)
    assert answer.status_code == 303, answer.text
    shown = browser.get(answer.headers["Location"]).text
    assert "denied" in shown
    assert "74177" in shown
    again = browser.post("/authorizations/new", data=form)
    assert again.status_code == 422
    assert "known already" in again.text


def test_the_desk_says_what_became_of_each_row(console: Console) -> None:
    console.order()
    browser = console.browser(Role.BILLING)
    token = console.form_token(browser, "/authorizations/import")

    def post(text: str) -> tuple[int, str]:
        form = {"csrf_token": token, "file": (io.BytesIO(text.encode()), "list.csv")}
        answer = browser.post("/authorizations/import", data=form, content_type="multipart/form-data")
        return answer.status_code, answer.text

    status, text = post(
        "Auth Number,Payer,MRN,Status,CPT,Remarks\nPA-1,60054,00041001,approved,71260,x\nPA-1,60054,00041001,approved,74177,x\nPA-3,60054,1,fine,71260,x\n"
    )
    assert status == 200
    assert "2 taken in. 1 left out." in text.replace("\n", "")
    assert "Remarks" in text
    assert '<td class="first">4</td>' in text
    assert post("nothing")[0] == 422
