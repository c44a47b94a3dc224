"""What the console and the API show of rejections, splits and incidents, and what people do there."""

from __future__ import annotations

import re

from bridge.domain.accounts import Role
from tests.cast import PLAIN, STRANGER, adt, image, order, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say, study_of
from tests.flows.test_images import receive
from tests.flows.test_incidents import bind, leave
from tests.flows.test_rejections import note
from tests.flows.test_splits import strange


def test_a_rejection_is_shown_and_taken_back_from_the_study_s_page(console: Console) -> None:
    house = console.house
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    one, two = image(PLAIN, "A1", 1), image(PLAIN, "A1", 2)
    receive(house, one, two, note("113001", one))
    address = f"/studies/{study_of(house, 'A1').key}"
    desk = console.browser(Role.INTAKE)
    assert "1 image for quality" in desk.get(address).text
    assert "Take it back" not in console.browser(Role.VIEWER).get(address).text
    api = console.machine(Role.INTAKE)
    (row,) = api.get(f"/api/studies/{study_uid('A1')}").json["rejections"]
    assert (row["reason"], row["state"], row["instances"]) == ("113001", "applied", 1)
    data = {"action": "undo", "reason": "sharp", "csrf_token": console.form_token(desk, address)}
    assert desk.post(f"{address}/rejections/{row['id']}", data=data).status_code == 303
    said = api.post(f"/api/rejections/{row['id']}/decision", json={"action": "apply", "reason": "blurred"}).json
    assert (said["state"], said["why"]) == ("applied", "blurred")
    assert api.get(f"/api/studies/{study_uid('A1')}").json["instances"] == 1


def test_a_study_is_split_by_a_form_and_by_the_api_and_joined_again(console: Console) -> None:
    house = console.house
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    receive(house, image(PLAIN, "A1", 1), strange(1), strange(2, series=3))
    desk, api = console.browser(Role.INTAKE), console.machine(Role.INTAKE)
    address = f"/studies/{study_of(house, 'A1').key}/split"
    assert "Split the study" in desk.get(f"/mismatches/study/{study_of(house, 'A1').key}").text
    token = console.form_token(desk, address)
    assert desk.post(address, data={"reason": "two people", "csrf_token": token}).status_code == 422
    data = {"series": f"{study_uid('A1')}.2", "reason": "two people", "csrf_token": token}
    assert desk.post(address, data=data).status_code == 303
    assert "was split off" in desk.get(address).text
    body = {
        "action": "split",
        "instances": [f"{study_uid('A1')}.3.2"],
        "patient": {"patient_id": PLAIN.patient_id},
        "reason": "hers",
    }
    said = api.post(f"/api/studies/{study_uid('A1')}/decision", json=body).json
    assert api.get(f"/api/studies/{said['split_into']}").json["patient"]["patient_id"] == PLAIN.patient_id
    first, second = (one["id"] for one in said["splits"])
    assert api.post(f"/api/splits/{second}/join", json={"reason": "no"}).json["joined"] is True
    assert desk.post(f"/splits/{first}/join", data={"reason": "no", "csrf_token": token}).status_code == 303
    assert api.get(f"/api/studies/{study_uid('A1')}").json["instances"] == 3
    assert (
        api.post(f"/api/studies/{study_uid('A1')}/decision", json={"action": "split", "reason": "x"}).status_code == 422
    )


def test_who_splits_sees_whom_each_series_names_and_what_became_of_the_rest(console: Console) -> None:
    house = console.house
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    # One series is of two people, the other of one.
    receive(house, image(PLAIN, "A1", 1), strange(2, series=1), strange(1))
    desk, whole = console.browser(Role.INTAKE), study_of(house, "A1").key
    address = f"/studies/{whole}/split"
    first, second = desk.get(address).text.split('name="series"')[1:]
    assert "names several" in first
    assert PLAIN.patient_id in first
    assert "names several" not in second
    assert STRANGER.patient_id in second
    theirs = f"{study_uid('A1')}.1.2"
    assert f'name="instances" value="{theirs}"' in first
    chosen = {"series": f"{study_uid('A1')}.2", "instances": [theirs, ""], "reason": "two people"}
    done = desk.post(address, data={**chosen, "csrf_token": console.form_token(desk, address)})
    assert done.status_code == 303
    part = desk.get(done.location).text
    assert f'split off <a href="/mismatches/study/{whole}">' in part
    assert "<b>The rest</b> is HALVORSEN, INGRID’s" in " ".join(part.split())
    assert "was split off these" in desk.get(f"/mismatches/study/{whole}").text
    assert "It is OKAFOR, CHIDI’s" in " ".join(desk.get(address).text.replace("\n", " ").split())


def test_an_incident_and_its_task_are_listed_and_the_task_is_done(console: Console) -> None:
    house = console.house
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "A2"))
    receive(house, image(PLAIN, "A1", 1))
    leave(house, study_of(house, "A1"))
    bind(house, "A2")
    desk, api = console.browser(Role.INTAKE), console.machine(Role.INTAKE)
    page = desk.get("/incidents").text
    assert "Chart entry" in page
    assert PLAIN.patient_id in page
    (row,) = api.get("/api/incidents").json["incidents"]
    assert row["left_as"]["patient_id"] == PLAIN.patient_id
    assert {one["kind"] for one in row["disclosures"]} == {"chart", "copy", "look"}
    (task,) = api.get("/api/incidents/tasks").json["tasks"]
    data = {"reason": "moved", "csrf_token": console.form_token(desk, "/incidents")}
    assert desk.post(f"/incidents/tasks/{task['id']}", data=data).status_code == 303
    assert api.post(f"/api/incidents/tasks/{task['id']}/done", json={"reason": "moved"}).status_code == 404
    assert "moved" in desk.get("/incidents").text


def test_incidents_and_merged_records_are_pages_of_the_queue_s_desk(console: Console) -> None:
    desk = console.browser(Role.INTAKE)
    for page in ("/mismatches", "/incidents", "/merges"):
        (here,) = re.findall(r'href="([^"]*)" aria-current="page"', desk.get(page).text)
        assert here == "/mismatches"
