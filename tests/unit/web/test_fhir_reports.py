"""DiagnosticReport and Binary as the FHIR server answers them: what may leave, to whom, and who looked."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.store import audit
from tests.cast import PLAIN, STRANGER, adt, image, order, renamed, report, spooled, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.unit.web.test_api import UID, bind

PDF = b"%PDF-1.4\n% an invented report\n"
DOCUMENT = f"OBX|3|ED|PDF^Signed report^L||RIS^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F\r"
STUDY = f"OBX|4|ST|113014^DICOM Study^DCM||{UID}||||||O\r"


@pytest.fixture
def api(console: Console) -> FlaskClient:
    return console.machine(Role.SYSTEM)


def found(api: FlaskClient, release: str = "r4", **query: Any) -> list[dict[str, Any]]:
    answer = api.get(f"/fhir/{release}/DiagnosticReport", query_string=query)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return [entry["resource"] for entry in answer.json.get("entry", [])]


@pytest.mark.parametrize(("release", "element"), [("r4", "imagingStudy"), ("r5", "study")])
def test_a_filed_report_is_served_with_its_bound_study(
    console: Console, api: FlaskClient, release: str, element: str
) -> None:
    console.order()
    bind(console)
    say(console.house, report(PLAIN, "A1"))
    console.clock.at += timedelta(minutes=1)

    (resource,) = found(api, release)
    assert resource[element] == [{"reference": "ImagingStudy/1"}]
    assert api.get(f"/fhir/{release}/ImagingStudy/1").status_code == 200
    read = api.get(f"/fhir/{release}/DiagnosticReport/{resource['id']}")
    assert read.json == resource
    assert read.headers["ETag"] == f'W/"{resource["meta"]["versionId"]}"'


def test_reports_are_found_by_patient_number_status_and_time(console: Console, api: FlaskClient) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1"))
    (resource,) = found(api)
    day = console.clock.now().date()

    for query in (
        {"_id": resource["id"]},
        {"identifier": "FA1"},
        {"identifier": "A1"},
        {"patient": resource["subject"]["reference"]},
        {"subject": resource["subject"]["reference"]},
        {"patient.identifier": PLAIN.patient_id},
        {"patient.identifier": f"urn:imaging-bridge:authority:RIVERSIDE|{PLAIN.patient_id}"},
        {"status": "final"},
        {"status": "preliminary,final"},
        {"_lastUpdated": f"ge{day}"},
        {"_lastUpdated": str(day)},
        {"_lastUpdated": [f"ge{day}", f"lt{day + timedelta(days=1)}"]},
    ):
        assert found(api, **query) == [resource], query
    for query in (
        {"identifier": "FA2"},
        {"patient": "Patient/99"},
        {"patient.identifier": "00049999"},
        {"status": "preliminary"},
        {"_lastUpdated": f"gt{day}"},
        {"_lastUpdated": f"lt{day}"},
    ):
        assert found(api, **query) == [], query


def test_a_time_that_is_none_is_refused(api: FlaskClient) -> None:
    answer = api.get("/fhir/r4/DiagnosticReport?_lastUpdated=yesterday")

    assert (answer.status_code, answer.json["resourceType"]) == (400, "OperationOutcome")


def test_the_next_page_names_no_number_of_a_patient(console: Console, api: FlaskClient) -> None:
    for number in ("A1", "A2", "A3"):
        console.order(number)
        say(console.house, report(PLAIN, number))
    address, seen = f"/fhir/r4/DiagnosticReport?patient.identifier={PLAIN.patient_id}&_count=1", []
    while address:
        page = api.get(address).json
        seen += [entry["resource"]["identifier"][0]["value"] for entry in page["entry"]]
        links = {link["relation"]: link["url"] for link in page["link"]}
        address = links.get("next", "")
        assert PLAIN.patient_id not in address
    assert seen == ["FA3", "FA2", "FA1"]


def test_a_report_that_waits_is_not_served(console: Console, api: FlaskClient) -> None:
    say(console.house, report(PLAIN, "A1"))

    assert found(api) == []
    assert api.get("/fhir/r4/DiagnosticReport/1").status_code == 404


def test_a_report_on_images_that_nobody_has_bound_is_not_served_until_somebody_does(
    console: Console, api: FlaskClient
) -> None:
    console.order()
    console.images(UID)
    say(console.house, report(PLAIN, "A1", extra=STUDY))
    assert found(api) == []

    decision = {"action": "bind", "accession_number": "A1", "reason": "asked"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=decision).status_code == 200
    assert len(found(api)) == 1


def test_a_report_on_images_that_turned_out_another_patient_s_is_not_served(console: Console, api: FlaskClient) -> None:
    console.order()
    console.order("B1", STRANGER.name, STRANGER.patient_id)
    bind(console)
    say(console.house, report(PLAIN, "A1", extra=STUDY))
    assert len(found(api)) == 1

    other = {"action": "bind", "accession_number": "B1", "reason": "the wrong one was on the table"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=other).status_code == 200
    assert found(api) == []


def test_a_report_that_names_images_alone_follows_whoever_they_are_bound_to(console: Console, api: FlaskClient) -> None:
    console.order()
    console.images(UID)
    say(console.house, report(PLAIN, "", numbered=False, extra=STUDY))
    assert console.machine(Role.VIEWER).get("/api/exams/A1").json["reports"] == []

    desk = console.machine(Role.INTAKE)
    decision = {"action": "bind", "accession_number": "A1", "reason": "asked"}
    assert desk.post(f"/api/studies/{UID}/decision", json=decision).status_code == 200
    (shown,) = console.machine(Role.VIEWER).get("/api/exams/A1").json["reports"]
    assert shown["study_instance_uid"] == UID
    assert len(found(api)) == 1

    assert desk.post(f"/api/studies/{UID}/decision", json={"action": "unbind", "reason": "not sure"}).status_code == 200
    assert console.machine(Role.VIEWER).get("/api/exams/A1").json["reports"] == []
    assert found(api) == []


def test_a_report_of_a_patient_whose_record_is_doubted_is_not_served(console: Console, api: FlaskClient) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1"))
    assert len(found(api)) == 1

    say(console.house, adt(renamed(PLAIN, STRANGER.name, STRANGER.birth_date), "A08", at="20260302160000"))
    assert found(api) == []
    assert api.get("/fhir/r4/DiagnosticReport/1").status_code == 404


def test_a_document_is_a_file_or_a_resource(console: Console, api: FlaskClient) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))
    (resource,) = found(api)
    address = "/fhir" + resource["presentedForm"][1]["url"].partition("/fhir")[2]

    file = api.get(address)
    assert (file.status_code, file.data, file.content_type) == (200, PDF, "application/pdf")
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    whole = api.get(address, headers={"Accept": "application/fhir+json"}).json
    assert base64.b64decode(whole["data"]) == PDF


def test_a_document_of_an_earlier_version_or_of_a_withdrawn_report_is_gone(console: Console, api: FlaskClient) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))
    assert api.get("/fhir/r4/Binary/1").status_code == 200

    say(console.house, report(PLAIN, "A1", "C", at="20260302130000", extra=DOCUMENT))
    assert api.get("/fhir/r4/Binary/1").status_code == 404
    assert api.get("/fhir/r4/Binary/2").status_code == 200

    say(console.house, report(PLAIN, "A1", "W", at="20260302140000", extra=DOCUMENT))
    assert [api.get(f"/fhir/r4/Binary/{key}").status_code for key in (1, 2, 3)] == [404, 404, 404]
    (resource,) = found(api)
    assert resource["status"] == "entered-in-error"


def test_a_token_without_the_scope_for_it_reads_no_document(console: Console) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))
    narrowed = console.machine(Role.SYSTEM, "system/Patient.rs")
    wide = console.machine(Role.SYSTEM, "system/DiagnosticReport.rs", "system/Binary.r")
    assert [api.get("/fhir/r4/Binary/1").status_code for api in (narrowed, wide)] == [403, 200]


def test_a_damaged_document_is_not_served(console: Console, api: FlaskClient) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))
    (kept,) = (path for path in (console.house.blobs.folder / "objects").rglob("*") if path.is_file())
    kept.write_bytes(PDF[:-1])

    assert api.get("/fhir/r4/Binary/1").status_code == 503


def test_every_look_at_a_report_is_written_down(console: Console, api: FlaskClient) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))
    for path in ("DiagnosticReport", "DiagnosticReport/1", "Binary/1"):
        assert api.get(f"/fhir/r4/{path}").status_code == 200

    with console.store.read() as tx:
        rows = [row for row in audit.recent(tx, limit=10) if row.actor.startswith("token:")]
    assert [row.action for row in rows] == ["document_read", "fhir_read", "fhir_searched"]
    assert {row.patient_key for row in rows} == {1}


@pytest.mark.parametrize("path", ["DiagnosticReport", "DiagnosticReport/1", "Binary/1"])
def test_a_report_is_for_whoever_may_read_fhir(console: Console, path: str) -> None:
    assert console.app.test_client().get(f"/fhir/r4/{path}").status_code == 401
    assert console.machine(Role.IT).get(f"/fhir/r4/{path}").status_code == 403


def test_the_capability_statement_names_reports_and_their_documents(console: Console) -> None:
    statement = console.app.test_client().get("/fhir/r5/metadata").json
    served = {one["type"]: one for one in statement["rest"][0]["resource"]}

    assert "search-type" in [one["code"] for one in served["DiagnosticReport"]["interaction"]]
    assert [one["code"] for one in served["Binary"]["interaction"]] == ["read"]


@pytest.mark.parametrize("held_first", [True, False])
def test_of_several_reports_each_follows_the_images_of_its_own_order(
    console: Console, api: FlaskClient, held_first: bool
) -> None:
    say(console.house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "C1"))
    for one in (image(PLAIN, "A1"), image(PLAIN, "C1")):
        console.house.instances.receive(spooled(console.house, one))
    every = [report(PLAIN, "A1"), report(STRANGER, "C1")]
    say(console.house, *(reversed(every) if held_first else every))
    assert [one["identifier"][0]["value"] for one in found(api)] == ["FA1"]
    decision = {"action": "bind", "accession_number": "C1", "reason": "asked"}
    desk = console.machine(Role.INTAKE)
    assert desk.post(f"/api/studies/{study_uid('C1')}/decision", json=decision).status_code == 200
    assert len(found(api)) == 2
