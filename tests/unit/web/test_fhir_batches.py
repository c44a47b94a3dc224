"""Many reads in one Bundle: each answered, judged and written down as if it had been asked alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.store import audit
from bridge.web.fhir.batches import MOST_ENTRIES
from tests.fakes.console import Console
from tests.unit.web.test_api import UID, bind

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Json = dict[str, Any]


@pytest.fixture
def day(console: Console) -> Console:
    console.order()
    bind(console)
    console.clock.at += timedelta(minutes=1)
    return console


def ask(api: FlaskClient, *entries: object, kind: str = "batch", release: str = "r4") -> Any:
    said = [{"request": {"method": "GET", "url": one}} if isinstance(one, str) else one for one in entries]
    return api.post(f"/fhir/{release}", json={"resourceType": "Bundle", "type": kind, "entry": said})


def statuses(answer: Any) -> list[str]:
    assert (answer.status_code, answer.json["type"]) == (200, "batch-response"), answer.text
    return [one["response"]["status"][:3] for one in answer.json["entry"]]


@pytest.mark.parametrize("release", ["r4", "r5"])
def test_each_entry_is_answered_as_if_it_had_been_asked_alone(day: Console, release: str) -> None:
    api = day.machine()
    alone = [
        f"ImagingStudy/{day_key(api)}",
        "Patient/1",
        "Patient?identifier=00041001",
        "metadata",
        "Endpoint/dicomweb",
    ]
    base = api.get(f"/fhir/{release}/metadata").json["implementation"]["url"]
    answer = ask(api, *alone, f"{base}/Patient/1", release=release)
    assert statuses(answer) == ["200"] * 6
    told = [one["resource"] for one in answer.json["entry"]]
    for path, said in zip(alone, told, strict=False):
        one = api.get(f"/fhir/{release}/{path}").json
        # A search that names a person is answered with an address that differs each time.
        assert said.pop("link", []) or said == one
        assert said.get("total") == one.get("total")
    assert told[1] == told[5]
    assert answer.json["entry"][0]["response"]["etag"].startswith('W/"')


def day_key(api: FlaskClient) -> str:
    found = api.get(f"/fhir/r4/ImagingStudy?identifier={UID}").json["entry"]
    return str(found[0]["resource"]["id"])


def test_a_refused_entry_takes_no_neighbour_with_it(day: Console) -> None:
    api = day.machine()
    fresh = api.get("/fhir/r4/Patient/1").headers["ETag"]
    written = {"request": {"method": "POST", "url": "ServiceRequest"}, "resource": {"resourceType": "ServiceRequest"}}
    known = {"request": {"method": "GET", "url": "Patient/1", "ifNoneMatch": fresh}}
    bodyless = {"request": {"method": "HEAD", "url": "Patient/1"}}
    odd = [
        "Patient/999",
        "ImagingStudy?started=yesterday",
        "../../api/exams",
        "/api/exams",
        "https://elsewhere/Patient/1",
    ]
    odd += ["Unheard", "Binary/1", "$export", "Subscription", "%2e%2e/%2e%2e/api/exams", "Patient?_count=%00"]
    answer = ask(api, "Patient/1", written, known, bodyless, 7, {"request": {"method": "GET"}}, *odd)
    refused = ["404", "400", "400", "400", "400", "404", "422", "422", "422", "400", "400"]
    assert statuses(answer) == ["200", "422", "304", "200", "422", "400", *refused]
    for one in answer.json["entry"]:
        is_error = int(one["response"]["status"][:3]) >= 400
        assert is_error == (one["response"].get("outcome", {}).get("resourceType") == "OperationOutcome")
    assert "resource" not in answer.json["entry"][3]


def test_what_is_more_than_a_batch_of_reads_is_refused_whole(day: Console) -> None:
    api = day.machine()
    for answer, status in (
        (ask(api, "Patient/1", kind="transaction"), 422),
        (ask(api, *["Patient/1"] * (MOST_ENTRIES + 1)), 400),
        (ask(day.machine(Role.IT), "Patient/1"), 403),
        (ask(day.machine(Role.SYSTEM, "orders"), "Patient/1"), 403),
        (ask(day.app.test_client(), "Patient/1"), 401),
    ):
        assert (answer.status_code, answer.json["resourceType"]) == (status, "OperationOutcome")


def test_scopes_and_roles_are_asked_for_each_entry(day: Console) -> None:
    narrow = day.machine(Role.SYSTEM, "system/Patient.r")
    assert statuses(ask(narrow, "Patient/1", "Patient?identifier=00041001", "ImagingStudy/1")) == ["200", "403", "403"]
    assert statuses(ask(day.machine(Role.VIEWER), "Patient/1", "AuditEvent")) == ["200", "403"]
    assert statuses(ask(day.machine(), "AuditEvent?_count=1")) == ["200"]


def test_who_may_only_read_sends_no_orders(day: Console) -> None:
    order = {"request": {"method": "POST", "url": "ServiceRequest"}, "resource": {"resourceType": "ServiceRequest"}}
    assert ask(day.machine(Role.VIEWER), order).status_code == 403
    assert ask(day.machine(Role.SYSTEM, "fhir"), order).status_code == 403


def test_each_read_leaves_its_own_row(day: Console) -> None:
    statuses(ask(day.machine(Role.VIEWER), "Patient/1", "Patient?identifier=00041001", "Patient/999"))
    with day.store.read() as tx:
        rows = [one for one in audit.recent(tx, limit=20) if one.actor == "token:a-viewer"]
    assert sorted((one.action, one.patient_key) for one in rows) == [("fhir_read", 1), ("fhir_searched", 1)]
