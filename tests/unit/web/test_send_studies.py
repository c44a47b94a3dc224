"""A person sends a bound study somewhere, and sees where it goes and why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.study import Study
from bridge.store import deliveries, studies
from bridge.wiring import House
from tests.fakes.clinic import AT, header_of
from tests.fakes.console import Console

UID = "2.25.9191"
PEERS = [{"ae_title": "PACS", "host": "127.0.0.1", "port": 1, "roles": ["archive"]}]


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT), dicom={"peers": PEERS}))


def study_of(console: Console, *, bound: bool = True) -> Study:
    with console.store.write() as tx:
        study = studies.add(tx, header_of(UID, 1, 1), "CT1", False, console.clock.now())
    console.clinic.instance(study, 1, 1, "0" * 64)
    if bound:
        console.clinic.bind(study, console.clinic.patient("1"))
    return study


def destinations(console: Console, study: Study) -> list[str]:
    with console.store.read() as tx:
        return [one.destination for one in deliveries.of_study(tx, study.key)]


def test_who_may_send_queues_the_study_and_the_trace_says_who_did(console: Console) -> None:
    study = study_of(console)
    place = console.house.places.known[0]
    for role in (Role.INTAKE, Role.IT, Role.ADMIN):
        answer = console.machine(role).post(f"/api/studies/{UID}/send", json={"to": place})
        assert answer.status_code == 200
    assert destinations(console, study) == [place]
    trace = console.machine(Role.IT).get(f"/api/studies/{UID}/routes").get_json()
    (found,) = [one for one in trace["places"] if one["destination"] == place]
    assert any("sent by" in because for because in found["because"])


def test_who_may_not_is_refused(console: Console) -> None:
    study = study_of(console)
    for role in (Role.VIEWER, Role.BILLING):
        assert console.machine(role).post(f"/api/studies/{UID}/send", json={"to": "PACS"}).status_code == 403
    assert destinations(console, study) == []


def test_an_unbound_study_and_an_unknown_place_are_refused(console: Console) -> None:
    study = study_of(console, bound=False)
    place = console.house.places.known[0]
    assert console.machine(Role.IT).post(f"/api/studies/{UID}/send", json={"to": place}).status_code == 409
    unknown = console.machine(Role.IT).post(f"/api/studies/{UID}/send", json={"to": "ELSEWHERE"})
    assert unknown.status_code in (400, 422)
    assert destinations(console, study) == []


def test_the_study_page_sends_and_comes_back(console: Console) -> None:
    study = study_of(console)
    place = console.house.places.known[0]
    browser = console.browser(Role.INTAKE)
    page = browser.get(f"/studies/{study.key}").get_data(as_text=True)
    assert "Send it to" in page
    assert "gets every study" in page or "no archive takes it" in page
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    answer = browser.post(f"/studies/{study.key}/send", data={"to": place, "csrf_token": token})
    assert answer.status_code == 303
    assert f"On its way to {place}" in browser.get(answer.location).get_data(as_text=True)
    assert "On its way" not in browser.get(f"/studies/{study.key}?sent=ELSEWHERE").get_data(as_text=True)
    assert destinations(console, study) == [place]
