"""What points to an order or a visit shows it by reference, is found by it, and brings it along."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.domain.performed import PerformedDraft, ScheduledReference
from bridge.store import orders, performed
from tests.cast import PLAIN, order, report
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.test_chart_parts import ON_SQLITE
from tests.unit.web.test_api import UID, bind
from tests.unit.web.test_fhir_search import get, total

BYTES = base64.b64encode(b"%PDF-1.4\n% an invented report\n").decode()
DOCUMENT = f"OBX|3|ED|PDF^Signed report^L||RIS^application^pdf^Base64^{BYTES}||||||F\r"
VISIT = b"PV1|1|O|RAD^R1^1" + b"|" * 16 + b"V77^^^RIVERSIDE^VN"
NUMBER = "urn:imaging-bridge:authority:RIVERSIDE|V77"
KINDS = ("ImagingStudy", "DiagnosticReport", "DocumentReference", "Procedure")


@pytest.fixture
def api(console: Console) -> FlaskClient:
    """An exam under a visit, with its images, report, document and performed step, beside one without a visit."""
    say(console.house, order(PLAIN, "A1").replace(b"PV1|1|O", VISIT))
    console.order("B1", name="LINDQVIST^PER", patient_id="00041002")
    bind(console)
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))
    with console.store.write() as tx:
        (step,) = orders.steps_of(tx, 1)
        scheduled = (ScheduledReference(study_instance_uid=UID),)
        draft = PerformedDraft(scheduled=scheduled, started_local="20260302150000", modality="CT")
        performed.add(tx, "2.25.7", draft, [step.key], console.clock.now())
    console.clock.at += timedelta(minutes=1)
    return console.machine(Role.ADMIN)


def ids(api: FlaskClient, path: str, **query: str) -> list[str]:
    return [
        one["resource"]["id"] for one in get(api, path, **query).get("entry", []) if one["search"]["mode"] == "match"
    ]


@ON_SQLITE
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_of_an_order_is_found_by_it(api: FlaskClient, kind: str) -> None:
    release, name = ("r5", "based-on")
    every = [one["resource"] for one in get(api, f"{release}/{kind}")["entry"]]
    assert len(every) == 1
    (said,) = every[0]["basedOn"]
    assert said["reference"] == "ServiceRequest/order-1"
    token = f"{said['identifier']['system']}|{said['identifier']['value']}"
    assert ids(api, f"{release}/{kind}", **{name: said["reference"]}) == [every[0]["id"]]
    assert ids(api, f"{release}/{kind}", **{f"{name}:identifier": token}) == [every[0]["id"]]
    for query in ({name: "ServiceRequest/order-2"}, {name: "ServiceRequest/7"}, {f"{name}:identifier": "B1"}):
        assert total(api, f"{release}/{kind}", query) == 0, query
    brought = get(api, f"{release}/{kind}", _include=f"{kind}:{name}")["entry"]
    assert [one["resource"]["id"] for one in brought[1:]] == ["order-1"]


@pytest.mark.parametrize("release", ["r4", "r5"])
@pytest.mark.parametrize("kind", ["ServiceRequest", "Task", "ImagingStudy", "DiagnosticReport", "Procedure"])
def test_what_was_under_a_visit_is_found_by_it_and_brings_it(api: FlaskClient, release: str, kind: str) -> None:
    (visit,) = [one["resource"] for one in get(api, f"{release}/Encounter", identifier=NUMBER)["entry"]]
    path, reference = f"{release}/{kind}", f"Encounter/{visit['id']}"
    shown = {one["resource"]["id"]: one["resource"].get("encounter", {}) for one in get(api, path)["entry"]}
    wanted = [key for key, one in shown.items() if one.get("reference") == reference]
    assert len(wanted) == 1
    assert ids(api, path, encounter=reference) == wanted
    assert total(api, path, {"encounter": "Encounter/99"}) == 0
    assert sorted(ids(api, path, encounter__missing="true")) == sorted(set(shown) - set(wanted))
    brought = get(api, path, _include=f"{kind}:encounter")["entry"]
    assert [one["resource"]["id"] for one in brought if one["resource"]["resourceType"] == "Encounter"] == [visit["id"]]


def test_a_document_is_found_by_what_it_is_about_in_each_release(api: FlaskClient) -> None:
    (document,) = [one["resource"] for one in get(api, "r4/DocumentReference")["entry"]]
    related = {one["reference"] for one in document["context"]["related"]}
    assert related == {"ImagingStudy/1", "ServiceRequest/order-1"}
    for one in related:
        assert ids(api, "r4/DocumentReference", related=one) == [document["id"]]
    for one in ("ImagingStudy/2", "ServiceRequest/order-2"):
        assert ids(api, "r4/DocumentReference", related=one) == []
    (said,) = document["context"]["encounter"]
    assert ids(api, "r4/DocumentReference", encounter=said["reference"]) == [document["id"]]
    assert ids(api, "r5/DocumentReference", context=said["reference"]) == [document["id"]]
    assert api.get("/fhir/r4/DocumentReference?related:missing=true").status_code == 400


@ON_SQLITE
def test_a_task_is_found_by_the_number_of_its_order_and_of_its_patient(api: FlaskClient) -> None:
    every = [one["resource"] for one in get(api, "r4/Task")["entry"]]
    for one in every:
        number = one["focus"]["identifier"]
        assert ids(api, "r4/Task", focus__identifier=f"{number['system']}|{number['value']}") == [one["id"]]
    found = [ids(api, "r4/Task", **{"subject.identifier": number}) for number in ("00041001", "00041002", "7")]
    assert [len(one) for one in found] == [1, 1, 0]


@ON_SQLITE
def test_a_report_is_found_by_the_code_that_it_shows(api: FlaskClient) -> None:
    (shown,) = [one["resource"] for one in get(api, "r4/DiagnosticReport")["entry"]]
    (coding,) = shown["code"]["coding"]
    for query in (coding["code"], f"{coding['system']}|{coding['code']}"):
        assert ids(api, "r4/DiagnosticReport", code=query) == [shown["id"]]
    for query in (f"urn:elsewhere|{coding['code']}", f"|{coding['code']}", "1-1"):
        assert ids(api, "r4/DiagnosticReport", code=query) == [], query
