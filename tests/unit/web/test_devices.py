"""The desk of devices: what each is shown, what names lose on it, and how people change it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.store import audit
from bridge.web.device_form import read_choices, shown_choices
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console

OLD = {
    "ae_title": "OLD/1",
    "host": "127.0.0.1",
    "port": 1,
    "roles": ["modality"],
    "modality": "CT",
    "worklist": {"preset": "latin1_console"},
}
CT1 = {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT), dicom={"peers": [CT1, OLD]}))


def page(console: Console, path: str, role: Role = Role.IT) -> str:
    answer = console.browser(role).get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def post(console: Console, path: str, fields: dict[str, str], expected: int) -> str:
    browser = console.browser(Role.IT)
    token = console.form_token(browser, "/devices")
    answer = browser.post(path, data={"csrf_token": token, **fields})
    assert answer.status_code == expected
    return answer.get_data(as_text=True)


def test_the_list_has_a_row_for_each_device_and_says_what_names_lose(console: Console) -> None:
    console.order("A1", name="ЩУКИН^ПЁТР")
    console.order("A2", patient_id="00041002")
    shown = page(console, "/devices")
    assert "Old console, Western European letters only" in shown
    assert "1 not whole" in shown
    assert "2 steps" in shown


def test_a_device_s_page_shows_its_profile_in_words_and_each_loss_beside_what_is_kept(console: Console) -> None:
    console.order("A1", name="ЩУКИН^ПЁТР")
    shown = page(console, "/devices/OLD/1")
    assert "1 of today's 1 step does not come whole to OLD/1." in shown
    assert "ЩУКИН^ПЁТР" in shown
    assert "SHCHUKIN^PETR" in shown.upper()
    assert "is spelled with other letters" in shown
    assert "Western European letters (ISO_IR 100)." in shown
    assert "It shows UTF-8 as garbled letters" in shown
    assert "/worklist/test?as=OLD/1" in shown.replace("%2F", "/")


def test_an_exam_says_on_top_how_its_device_shows_the_name(console: Console) -> None:
    console.order("A1", name="ЩУКИН^ПЁТР")
    console.house.devices.choose("CT1", {"charset": "ISO_IR 100"}, 0, "user:ivo")
    shown = page(console, "/exams/A1", Role.VIEWER)
    assert "On CT1, the patient&#39;s name reads SHCHUKIN^PETR: it is spelled with other letters." in shown


def test_looking_at_what_patients_lose_is_audited_for_each_of_them(console: Console) -> None:
    console.order("A1", name="ЩУКИН^ПЁТР")
    page(console, "/devices/OLD/1")
    with console.store.read() as tx:
        looks = [row for row in audit.recent(tx, limit=20) if row.action == "device_viewed"]
    assert [row.patient_key is not None for row in looks] == [True]


def test_a_name_is_previewed_by_the_code_that_answers(console: Console) -> None:
    shown = post(console, "/devices/OLD/1/preview", {"name": "Yamada^Tarou=山田^太郎"}, 200)
    assert "Yamada^Tarou</b>" in shown
    assert "comes without its form in another script" in shown
    assert "it comes whole" in post(console, "/devices/OLD/1/preview", {"name": "Müller^Jörg"}, 200)
    assert "it comes whole" in post(console, "/devices/CT1/preview", {"name": "山田^太郎", "asked": "ISO_IR 100"}, 200)
    assert "A name is wanted." in post(console, "/devices/CT1/preview", {"name": " "}, 422)


def test_a_change_counts_at_once_and_is_named_with_who_made_it(console: Console) -> None:
    fields = {"version": "0", "leaves": "images", "charset": "follow", "required_keys": "PatientID, AccessionNumber"}
    post(console, "/devices/OLD/1", fields, 303)
    shown = page(console, "/devices/OLD/1")
    assert "A step leaves the list when the first image of its exam has arrived." in shown
    assert "What its query asks in" in shown
    assert "PatientID or AccessionNumber; without, it gets an error (C001)." in shown
    assert "by some-it." in shown
    post(console, "/devices/OLD/1", {"version": "1"}, 303)
    assert "Western European letters (ISO_IR 100)." in page(console, "/devices/OLD/1")


def test_a_wrong_change_is_refused_with_what_was_typed(console: Console) -> None:
    shown = post(console, "/devices/CT1", {"version": "0", "required_keys": "PatientIds"}, 422)
    assert "did you mean &#39;PatientID&#39;?" in shown
    assert 'value="PatientIds"' in shown
    assert "Nothing was changed." in shown
    assert "max_results" in post(console, "/devices/CT1", {"version": "0", "max_results": "many"}, 422)


def test_a_lost_race_says_so(console: Console) -> None:
    post(console, "/devices/CT1", {"version": "0", "max_results": "9"}, 303)
    assert "Somebody else has changed this device" in post(console, "/devices/CT1", {"version": "0"}, 409)


def test_programs_read_devices_preview_names_and_choose(console: Console) -> None:
    console.order("A1", name="ЩУКИН^ПЁТР")
    api = console.machine(Role.IT)
    rows = {row["ae_title"]: row for row in api.get("/api/devices").json["devices"]}
    assert (rows["OLD/1"]["not_whole_today"], rows["CT1"]["not_whole_today"]) == (1, 0)
    one = api.get("/api/devices/OLD/1").json
    (text,) = one["losses"][0]["texts"]
    assert (text["keyword"], text["shown"], text["losses"][0]["code"]) == ("PatientName", "SHCHUKIN^PETR", "respelled")
    shown = api.post("/api/devices/OLD/1/preview", json={"name": "Dvořák^Jana"}).json
    assert (shown["charset"], shown["texts"][0]["shown"]) == ("ISO_IR 100", "Dvorák^Jana")
    changed = api.post("/api/devices/OLD/1/choices", json={"choices": {"charset": "ISO_IR 144"}, "version": 0}).json
    assert (changed["charset"], changed["version"], changed["not_whole_today"]) == ("ISO_IR 144", 1, 0)
    refused = api.post("/api/devices/OLD/1/choices", json={"choices": {"leavs": "images"}, "version": 1})
    assert (refused.status_code, refused.json["detail"]) == (400, "leavs: unknown key")
    assert api.post("/api/devices/OLD/1/choices", json={"choices": {}, "version": 0}).status_code == 409
    assert api.get("/api/devices/NOBODY").status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.INTAKE, Role.BILLING])
def test_others_have_no_part_in_it(console: Console, role: Role) -> None:
    assert console.browser(role).get("/devices").status_code == 403
    assert console.browser(role).get("/devices/CT1").status_code == 403


def test_a_device_that_nobody_configured_is_a_404_page(console: Console) -> None:
    assert console.browser(Role.IT).get("/devices/NOBODY").status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"preset": "ge_ct", "modality": "CT", "leaves": "images", "day_ends": "04:00", "max_results": "7"},
        {"stations": "A, B", "required_keys": "PatientID", "sees": "station,unassigned"},
        {"sees": "everybody", "charset": "follow", "hides_confidential": "no", "any_time": "yes"},
        {"hours_back": "4", "days_ahead": "1", "hides_confidential": "yes"},
    ],
)
def test_the_form_shows_what_it_chose(fields: dict[str, str]) -> None:
    assert shown_choices(read_choices(fields)) == fields
