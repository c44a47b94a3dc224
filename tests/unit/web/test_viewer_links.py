"""Links that open images once and soon: made with permission, opened once, revocable, about one study or one patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.flows import manage_users
from bridge.store import audit, users
from bridge.web import launch_pages
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, adt, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.unit.web.studied import row_of, studied

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

STUDY = {"study_instance_uid": study_uid("A1"), "for": "dr.jones"}
PATIENT = {"patient": {"id": PLAIN.patient_id, "issuer": "RIVERSIDE"}, "for": "dr.jones"}


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return studied(make_house)


def made(machine: FlaskClient, said: dict[str, Any]) -> dict[str, Any]:
    answer = machine.post("/api/viewer-links", json=said)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    assert answer.json is not None
    found: dict[str, Any] = answer.json
    return found


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def test_a_link_opens_its_study_alone_once_and_its_address_tells_nothing(console: Console) -> None:
    machine, browser = console.machine(Role.SYSTEM, "links"), console.app.test_client()
    link = made(machine, STUDY)
    for told in (PLAIN.patient_id, study_uid("A1"), "HALVORSEN", "jones", "A1"):
        assert told not in link["url"]
    opened = browser.get(path_of(link["url"]))
    assert opened.status_code == 303
    place = urlsplit(opened.headers["Location"]).path
    page = browser.get(place, follow_redirects=True).get_data(as_text=True)
    assert "HALVORSEN, INGRID" in page
    assert "dr.jones (by link)" in page
    assert browser.get(f"{place}studies/{row_of(console, 'A2')}").status_code == 404
    again = console.app.test_client().get(path_of(link["url"]))
    assert again.status_code == 403
    assert "INGRID" not in again.get_data(as_text=True)
    with console.store.read() as tx:
        rows = {(row.action, row.actor, row.outcome) for row in audit.recent(tx, limit=30)}
    assert ("viewer_link_made", "token:a-system", "") in rows
    assert {("view_opened", "link:dr.jones", ""), ("view_opened", "link:dr.jones", "refused")} <= rows


def test_a_link_for_a_patient_opens_all_of_their_bound_studies_and_nobody_elses(console: Console) -> None:
    browser = console.app.test_client()
    link = made(console.machine(Role.SYSTEM), PATIENT)
    page = browser.get(path_of(link["url"]), follow_redirects=True).get_data(as_text=True)
    assert "2 studies" in page
    assert "INGEBORG" not in page


def test_trap_12_a_link_runs_out(console: Console) -> None:
    machine = console.machine(Role.SYSTEM)
    link = made(machine, STUDY | {"minutes": 2})
    console.clock.at += timedelta(minutes=2)
    assert console.app.test_client().get(path_of(link["url"])).status_code == 403


def test_a_revoked_link_opens_nothing_and_closes_what_it_opened(console: Console) -> None:
    machine, browser = console.machine(Role.SYSTEM), console.app.test_client()
    first, second = made(machine, STUDY), made(machine, STUDY)
    place = urlsplit(browser.get(path_of(first["url"])).headers["Location"]).path
    for link in (first, second):
        said = machine.delete(f"/api/viewer-links/{link['id']}").json
        assert said is not None
        assert said["revoked_at"]
    assert browser.get(place).status_code == 401
    assert browser.get(path_of(second["url"])).status_code == 403
    stands = machine.get(f"/api/viewer-links/{first['id']}").json
    assert stands is not None
    assert stands["opened_at"]
    assert "url" not in stands


def test_a_link_ends_with_the_token_that_made_it(console: Console) -> None:
    link = made(console.machine(Role.SYSTEM), STUDY)
    with console.store.read() as tx:
        key = users.every_token(tx)[0].key
    manage_users.revoke_token(console.store, console.clock, key, "system")
    assert console.app.test_client().get(path_of(link["url"])).status_code == 403


def test_a_study_that_is_questioned_meanwhile_is_not_shown(console: Console) -> None:
    browser = console.app.test_client()
    place = urlsplit(browser.get(path_of(made(console.machine(), STUDY)["url"])).headers["Location"]).path
    console.services.flows.decide_study(
        study_instance_uid=study_uid("A1"),
        action="unbind",
        accession_number=None,
        patient=None,
        reason="wrong patient",
        actor="user:maria",
    )
    page = browser.get(place)
    assert page.status_code == 200
    assert "No images" in page.get_data(as_text=True)
    assert browser.get(f"{place}studies/{row_of(console, 'A1')}").status_code == 404


def test_what_cannot_be_linked_to_is_refused(console: Console) -> None:
    machine = console.machine(Role.SYSTEM)
    said: list[tuple[dict[str, Any], int]] = [
        ({"study_instance_uid": "2.25.77", "for": "x"}, 404),
        ({"study_instance_uid": "1.2.3", "for": "x"}, 404),
        ({"patient": {"id": "99"}, "for": "x"}, 404),
        (STUDY | {"patient": {"id": NEAR_TWIN.patient_id}}, 404),
        (STUDY | {"patient": {"id": PLAIN.patient_id}}, 201),
        ({"for": "x"}, 422),
        ({"study_instance_uid": study_uid("A1")}, 422),
        (STUDY | {"for": "a:b"}, 400),
        (STUDY | {"minutes": 61}, 422),
        (STUDY | {"minutes": 0}, 400),
        (STUDY | {"minutes": True}, 400),
        (PATIENT | {"patient": "00041001"}, 400),
        (STUDY | {"forever": True}, 400),
    ]
    for body, status in said:
        assert machine.post("/api/viewer-links", json=body).status_code == status, body


def test_only_who_may_make_links_makes_them(console: Console) -> None:
    for machine in (console.machine(Role.VIEWER), console.machine(Role.SYSTEM, "fhir"), console.machine(Role.IT)):
        assert machine.post("/api/viewer-links", json=STUDY).status_code == 403
    narrow = console.machine(Role.SYSTEM, f"patient/{PLAIN.patient_id}|RIVERSIDE")
    assert narrow.post("/api/viewer-links", json=PATIENT).status_code == 403


def test_an_invented_link_opens_nothing(console: Console) -> None:
    for link in ("", "x", "x" * 5000):
        assert console.app.test_client().get("/open", query_string={"link": link}).status_code == 403


def test_trying_an_address_uses_no_link_up(console: Console) -> None:
    place = path_of(made(console.machine(), STUDY)["url"])
    browser = console.app.test_client()
    assert browser.head(place).status_code == 200
    for name in ("Sec-Purpose", "Purpose"):
        assert browser.get(place, headers={name: "prefetch;prerender"}).status_code == 503
    assert browser.get(place).status_code == 303


def test_guesses_from_an_address_hold_up_no_link_that_was_made(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_pages, "_FREE_TRIES", {"pair": 2, "account": 2, "address": 2})
    browser = console.app.test_client()
    assert "that makes a new one. If it stands in a document, ask" in browser.get("/open?link=x").text
    assert [browser.get(f"/open?link=x{one}").status_code for one in range(3)] == [403, 429, 429]
    assert browser.get(path_of(made(console.machine(), STUDY)["url"])).status_code == 303


def test_a_link_is_forgotten_a_week_after_it_ran_out_and_the_trail_stays(console: Console) -> None:
    link = made(console.machine(), STUDY)
    assert console.app.test_client().get(path_of(link["url"])).status_code == 303
    console.clock.at += timedelta(days=6)
    manage_users.forget_ended_sessions(console.store, console.clock, timedelta(minutes=15))
    assert console.machine().get(f"/api/viewer-links/{link['id']}").status_code == 200
    console.clock.at += timedelta(days=2)
    manage_users.forget_ended_sessions(console.store, console.clock, timedelta(minutes=15))
    assert console.machine().get(f"/api/viewer-links/{link['id']}").status_code == 404
    with console.store.read() as tx:
        assert {"viewer_link_made", "view_opened"} <= {row.action for row in audit.recent(tx, limit=50)}


def test_nobody_is_shown_while_it_is_in_question_who_the_patient_is(console: Console) -> None:
    before, meanwhile = made(console.machine(), PATIENT), console.app.test_client()
    place = meanwhile.get(path_of(before["url"])).headers["Location"]
    unopened = made(console.machine(), PATIENT)
    say(console.house, adt(replace(PLAIN, name="SOMEONE^ELSE", birth_date="19900101")))
    for answer in (meanwhile.get(place), console.app.test_client().get(path_of(unopened["url"]))):
        page = answer.get_data(as_text=True)
        assert (answer.status_code, "patient_in_question" in page) == (409, True)
        assert "SOMEONE" not in page
        assert "1990" not in page
    assert console.machine().post("/api/viewer-links", json=PATIENT).status_code == 409


def test_no_link_is_made_to_a_study_that_is_in_no_chart(console: Console) -> None:
    admin = console.machine(Role.ADMIN)
    withdrawn = admin.post(f"/api/studies/{study_uid('A1')}/withdraw", json={"reason": "a test of the scanner"})
    assert withdrawn.status_code == 200
    assert admin.post("/api/viewer-links", json=STUDY).status_code == 404
