"""Many cases with one cause, at the desk and over REST; without any script."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from bridge.building.bulk import bulk_queue
from bridge.domain.accounts import Role
from tests.cast import STRANGER, image, spooled, study_uid
from tests.fakes.console import Console

# What a page says does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def waiting(console: Console) -> Console:
    """A console in whose queue two studies wait."""
    for number in ("X1", "X2"):
        console.house.instances.receive(spooled(console.house, image(STRANGER, number)))
    return console


def post(console: Console, browser: FlaskClient, path: str, **said: object) -> str:
    return browser.post(path, data={"csrf_token": console.form_token(browser), **said}, follow_redirects=True).text


def test_cases_are_ticked_in_the_queue_closed_and_taken_back(waiting: Console) -> None:
    browser = waiting.browser(Role.INTAKE)
    assert "choose=1" in browser.get("/mismatches").text
    queue = browser.get("/mismatches?choose=1").text
    ticks = re.findall(r'name="study" value="(\d+)"', queue)
    assert len(ticks) == 2
    # A page that renews itself would lose what is ticked.
    assert 'id="list" hx-get' not in queue
    asked = post(waiting, browser, "/mismatches/bulk/close", study=ticks, because="test", reason="QA week")
    assert "A test or a phantom: QA week" in asked
    assert 'hx-get="/mismatches/bulk/1"' in asked
    assert bulk_queue(waiting.house).work()
    done = browser.get("/mismatches/bulk/1").text
    assert "hx-get" not in done
    assert "2 of 2 studies" in done
    assert "Every study has its patient" in browser.get("/mismatches").text
    post(waiting, browser, "/mismatches/bulk/1/undo", reason="they are real")
    bulk_queue(waiting.house).work()
    assert "taken back" in browser.get("/mismatches/bulk").text
    assert browser.get("/mismatches").text.count('id="case-') == 2


def test_a_device_is_read_otherwise_after_a_trial(waiting: Console) -> None:
    browser = waiting.browser(Role.INTAKE)
    form = "/mismatches/bulk/repair"
    assert "Read a device otherwise" in browser.get(form).text
    said = {"device": "CT1", "since": "2026-03-01T08:00", "until": "2026-03-04T08:00"}
    assert 'name="do" value="clock" checked' not in browser.get(form).text
    assert "Choose what was wrong" in post(waiting, browser, form, **said)
    assert "Choose what was wrong" in post(waiting, browser, form, prefix="000", clock_by="3", **said)
    assert "Say by how much" in post(waiting, browser, form, do="clock", clock_by="x", **said)
    behind = post(waiting, browser, form, do="clock", clock_by="731", clock_unit="days", clock_way="behind", **said)
    assert "its clock goes 731 days behind" in behind
    assert bulk_queue(waiting.house).work()
    post(waiting, browser, "/mismatches/bulk/1/drop")
    # What is filled in says what was wrong, and a day alone counts whole.
    asked = post(
        waiting, browser, form, of="PatientID", prefix="000", device="CT1", since="2026-03-01", until="2026-03-02"
    )
    assert "3 Mar 2026, 00:00" in asked
    assert "patient number without 000" in asked
    assert bulk_queue(waiting.house).work()
    assert "Read 2 studies so" in browser.get("/mismatches/bulk/2").text
    post(waiting, browser, "/mismatches/bulk/2/apply", reason="a wrong label roll")
    bulk_queue(waiting.house).work()
    assert "41005" in browser.get("/mismatches/bulk/2").text
    post(waiting, browser, "/mismatches/bulk/2/undo", reason="it was right")
    bulk_queue(waiting.house).work()
    assert "00041005" in browser.get("/mismatches/bulk/2").text


def test_a_program_tries_and_lets_go(waiting: Console) -> None:
    api = waiting.machine(Role.INTAKE)
    said = {"device": "CT1", "since": "2026-03-01T08:00", "repair": {"do": "clock", "ahead_minutes": 61}}
    asked = api.post("/api/bulks", json=said)
    assert (asked.status_code, asked.json["state"], asked.json["total"]) == (202, "previewing", 2)
    bulk_queue(waiting.house).work()
    path = f"/api/bulks/{asked.json['id']}"
    assert api.get(path).json["state"] == "previewed"
    assert api.post(f"{path}/drop").json["state"] == "dropped"
    assert api.post(f"{path}/apply", json={"reason": "x"}).status_code == 409
    assert api.post("/api/bulks", json={**said, "since": "soon"}).status_code == 400


def test_nothing_chosen_or_no_reason_is_said_so(waiting: Console) -> None:
    browser = waiting.browser(Role.INTAKE)
    assert "choose at least one" in post(waiting, browser, "/mismatches/bulk/close", reason="x").lower()
    assert "say why" in post(waiting, browser, "/mismatches/bulk/close", study="1").lower()
    token = waiting.form_token(browser)
    assert (
        browser.post("/mismatches/bulk/close", data={"csrf_token": token, "study": "x", "reason": "x"}).status_code
        == 400
    )
    assert browser.get("/mismatches/bulk/99").status_code == 404


def test_a_program_closes_many_and_takes_them_back(waiting: Console) -> None:
    api = waiting.machine(Role.INTAKE)
    uids = [study_uid("X1"), study_uid("X2")]
    answer = api.post("/api/bulks", json={"study_instance_uids": uids, "reason": "not ours"})
    assert (answer.status_code, answer.json["state"]) == (202, "applying")
    bulk_queue(waiting.house).work()
    done = api.get(f"/api/bulks/{answer.json['id']}").json
    assert (done["state"], done["changed"]) == ("applied", 2)
    assert [one["study_instance_uid"] for one in done["studies"]] == uids
    assert api.post(f"/api/bulks/{done['id']}/undo", json={"reason": "ours"}).json["state"] == "undoing"
    assert [one["id"] for one in api.get("/api/bulks").json["bulks"]] == [done["id"]]
    assert api.post("/api/bulks", json={"study_instance_uids": ["2.25.9"], "reason": "x"}).status_code == 404
    assert api.post("/api/bulks", json={"study_instance_uids": "2.25.9", "reason": "x"}).status_code == 400
    assert waiting.machine(Role.VIEWER).get("/api/bulks").status_code == 403
