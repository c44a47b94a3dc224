"""The worklist's pages: why or why not, what devices asked, a test as a device; who may see them, and what is audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.store import audit
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.worklist_devices import DICOM, device_asked


@pytest.fixture
def database_url(sqlite_template: Any, tmp_path: Any) -> str:
    """One engine: a page sees no difference."""
    (tmp_path / "bridge.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT), dicom=DICOM))


def explain(console: Console, client: FlaskClient, number: str, title: str) -> str:
    token = console.form_token(client, "/worklist")
    sent = client.post("/worklist/explain", data={"csrf_token": token, "number": number, "as": title})
    assert sent.status_code == 303
    assert number not in sent.location
    return client.get(sent.location).get_data(as_text=True)


def test_an_explanation_is_a_page_of_its_own_without_the_number_in_its_address(console: Console) -> None:
    console.order("A1")
    device_asked(console, modality="MR")
    page = explain(console, console.browser(Role.IT), "A1", "CT1")
    assert "not shown to CT1" in page
    assert "CT1&#39;s query of 15:00 asks for Modality MR; this step is CT." in page
    assert "/worklist/queries/1" in page


def test_an_explanation_by_the_orders_row_is_the_same(console: Console) -> None:
    console.order("A1")
    page = console.browser().get("/worklist/explain/order-1?as=CT1").get_data(as_text=True)
    assert "CT1 is shown it" in page
    assert console.browser().get("/worklist/explain/order-99").status_code == 404


def test_who_is_explained_to_is_in_the_trail(console: Console) -> None:
    console.order("A1")
    explain(console, console.browser(Role.IT), "A1", "CT1")
    with console.store.read() as tx:
        row = audit.recent(tx, limit=1)[0]
    assert (row.action, row.actor, row.patient_key) == ("worklist_explained", "user:some-it", 1)


def test_a_query_shows_every_key_and_leads_to_asking_it_again(console: Console) -> None:
    key = device_asked(console, station="CT1", PatientName="HALVORSEN*")
    client = console.browser(Role.IT)
    listed = client.get("/worklist/queries?as=CT1").get_data(as_text=True)
    assert f"/worklist/queries/{key}" in listed
    page = client.get(f"/worklist/queries/{key}").get_data(as_text=True)
    for word in ("HALVORSEN*", "(0010,0010)", "scheduled step", "10.0.0.5", f"/worklist/test?as=CT1&amp;query={key}"):
        assert word in page
    assert client.get("/worklist/queries/99").status_code == 404


def test_what_a_device_wrote_is_shown_as_text(console: Console) -> None:
    key = device_asked(console, calling="<b>X</b>", PatientName="<script>1</script>")
    page = console.browser().get(f"/worklist/queries/{key}").get_data(as_text=True)
    assert "<script>1" not in page
    assert "<b>X</b>" not in page


def test_a_test_as_a_device_shows_what_it_gets_and_takes_other_values(console: Console) -> None:
    console.order("A1")
    console.order("A2", name="OKAFOR^CHIDI", patient_id="00041005")
    client = console.browser(Role.IT)
    page = client.get("/worklist/test?as=CT1").get_data(as_text=True)
    assert "It gets 2 items" in page
    assert "(0010,0010)" in page
    form = {"csrf_token": console.form_token(client, "/worklist/test?as=CT1"), "as": "CT1", "PatientName": "OKA*"}
    changed = client.post("/worklist/test", data=form)
    assert changed.status_code == 200
    assert "It gets 1 item " in changed.get_data(as_text=True)
    bad = client.post("/worklist/test", data=form | {"ScheduledProcedureStepStartDate": "soon"})
    assert bad.status_code == 422
    assert "an error and no list" in bad.get_data(as_text=True)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.INTAKE, Role.BILLING])
def test_what_devices_asked_is_for_those_who_run_it(console: Console, role: Role) -> None:
    client = console.browser(role)
    for path in ("/worklist/queries", "/worklist/test?as=CT1", "/worklist/explain/order-1"):
        assert client.get(path).status_code == 403
    assert "Explain" not in client.get("/worklist").get_data(as_text=True)
    for path in ("/api/worklist/queries", "/api/worklist/explain?accession_number=A1"):
        assert console.machine(role).get(path).status_code == 403


def test_an_exam_that_is_kept_off_a_list_says_so_on_top(console: Console) -> None:
    console.order("A1")
    console.house.devices.choose("CT1", {"window": {"days_ahead": 0, "days_back": 0}}, 0, "user:ada")
    assert "Kept off" not in console.browser().get("/exams/order-1").get_data(as_text=True)
    console.clock.at = AT.replace(day=1)
    page = console.browser().get("/exams/order-1").get_data(as_text=True)
    assert "Kept off CT1&#39;s worklist. It starts at" in page
    assert "/worklist/explain/order-1?as=CT1" in page
    assert "/worklist/explain" not in console.browser(Role.VIEWER).get("/exams/order-1").get_data(as_text=True)


class TestRest:
    def test_queries_come_page_by_page_with_their_keys(self, console: Console) -> None:
        for number in range(3):
            device_asked(console, station="CT1", AccessionNumber=f"A{number}")
        device_asked(console, "MR1")
        api = console.machine(Role.IT)
        first = api.get("/api/worklist/queries?as=CT1&limit=2").json
        assert [one["id"] for one in first["queries"]] == [3, 2]
        rest = api.get(first["next"]).json
        assert ([one["id"] for one in rest["queries"]], rest["next"]) == ([1], None)
        one = rest["queries"][0]
        assert (one["as"], one["outcome"], one["status"], one["times"]) == ("CT1", "answered", "0000", 2)
        asks = {key["keyword"]: key["value"] for key in one["keys"] if key["value"]}
        assert asks == {"ScheduledStationAETitle": "CT1", "AccessionNumber": "A0"}
        assert api.get("/api/worklist/queries/1").json == one
        assert api.get("/api/worklist/queries/77").status_code == 404

    def test_an_explanation_names_steps_queries_and_keys(self, console: Console) -> None:
        console.order("A1")
        key = device_asked(console, modality="MR")
        found = console.machine(Role.IT).get("/api/worklist/explain?accession_number=A1&as=CT1").json
        assert (found["shown"], found["recognised"]) == (False, "accession number")
        assert found["reasons"] == ["CT1's query of 15:00 asks for Modality MR; this step is CT."]
        assert found["details"][0] == {
            "code": "key:Modality",
            "sentence": found["reasons"][0],
            "query": key,
            "message": None,
            "exam": "order-1",
        }
        assert found["steps"][0]["looks"][0]["hidden_by"] == [{"keyword": "Modality", "asked": "MR", "stored": "CT"}]
        by_patient = console.machine(Role.IT).get("/api/worklist/explain?patient_id=00041001&as=CT1").json
        assert by_patient["recognised"] == "patient id"

    def test_a_devices_list_goes_by_its_profile(self, console: Console) -> None:
        console.order("A1")
        api = console.machine(Role.VIEWER)
        assert [one["accession_number"] for one in api.get("/api/worklist?as=CT1").json["items"]] == ["A1"]
        console.house.devices.choose("CT1", {"window": {"hours_ahead": 0}}, 0, "user:ada")
        assert api.get("/api/worklist?as=CT1").json == {"items": [], "next": None}
        assert len(api.get("/api/worklist").json["items"]) == 1
