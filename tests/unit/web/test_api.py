"""The shapes of REST that scripts rely on, and its bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.performed import PerformedDraft, PerformedStatus, ScheduledReference
from bridge.domain.study import StudyState
from bridge.outbox.enqueue import ARCHIVE, IMAGING_STUDY
from bridge.store import performed, studies
from bridge.web.api.messages import status_of
from bridge.web.api.openapi import QUERIES, describe
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console

UID = "1.2.840.99.1"
STATUSES = ("registered", "available", "cancelled", "entered-in-error")


def test_an_ordered_exam_is_found_by_every_number_and_by_name(console: Console) -> None:
    assert b"|AA|" in console.order()
    api = console.machine(Role.VIEWER)
    for text in ("A1", "PA1", "FA1", "RPA1", "00041001", "CA1", "halvorsen", "Halvorsen, Ing", "Ingrid Halvorsen"):
        found = api.get("/api/exams", query_string={"q": text}).json
        assert [row["accession_number"] for row in found["exams"]] == ["A1"], text
    row = found["exams"][0]
    assert row["patient"]["name"] == "HALVORSEN^INGRID"
    assert row["patient"]["birth_date"] == "1958-03-12"
    assert row["station"] == "scheduled"
    assert row["scheduled"] == "2026-03-02T16:00:00"
    assert api.get("/api/exams", query_string={"q": "nobody at all"}).json == {
        "exams": [],
        "next": None,
        "recognised": "",
    }


def test_an_exam_has_its_timeline_and_names_the_others(console: Console) -> None:
    console.order()
    api = console.machine(Role.VIEWER)
    exam = api.get("/api/exams/A1").json
    assert {"at", "station", "what", "by", "source"} <= set(exam["timeline"][0])
    assert exam["timeline"][0]["station"] == "order"
    assert exam["timeline"][0]["source"].startswith("/api/messages/")
    assert [one["station"] for one in exam["stations"]][:2] == ["order", "scheduled"]
    assert exam["others"] == []
    assert api.get(f"/api/exams/{exam['id']}").json["accession_number"] == "A1"
    again = console.clinic.order(console.clinic.patient("77", "LEE^ANN"), "A1")
    newest = api.get("/api/exams/A1").json
    assert newest["id"] == f"order-{again.key}"
    assert newest["others"] == [exam["id"]]
    assert api.get("/api/exams/none").status_code == 404
    assert api.get("/api/exams/order-99999999999999999999").status_code == 404


def test_lists_page_by_a_cursor_without_gaps_or_repeats(console: Console) -> None:
    patient = console.clinic.patient("1")
    for number in range(7):
        console.clinic.order(patient, f"A{number}")
    api, address, seen = console.machine(Role.VIEWER), "/api/exams?limit=3", []
    while address:
        page = api.get(address).json
        seen += [row["accession_number"] for row in page["exams"]]
        address = page["next"]
    assert seen == [f"A{number}" for number in reversed(range(7))]


@pytest.mark.parametrize(
    ("path", "query", "rows"),
    [
        ("/api/audit", {"patient_id": "00041001"}, "audit"),
        ("/api/authorizations", {"q": "00041001"}, "authorizations"),
        ("/api/messages", {"q": "00041001"}, "messages"),
    ],
)
def test_the_pages_of_a_search_name_nobody_in_their_addresses(
    console: Console, path: str, query: dict[str, str], rows: str
) -> None:
    for number in range(5):
        console.order(f"A{number}")
    console.order("B1", name="OTHER^ONE", patient_id="00041002")
    api = console.machine(Role.ADMIN)
    everything = [row["id"] for row in api.get(path, query_string={**query, "limit": 200}).json[rows]]
    page = api.get(path, query_string={**query, "limit": 2}).json
    seen = [row["id"] for row in page[rows]]
    while page["next"]:
        assert set(parse_qs(urlsplit(page["next"]).query)) == {"limit", "cursor"}
        page = api.get(page["next"]).json
        seen += [row["id"] for row in page[rows]]
    assert len(everything) >= 5
    assert [one for one in seen if one in everything] == everything
    assert len(seen) - len(everything) == (path == "/api/audit")  # the first look is in the trail at the second


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "limit=999999", "cursor=%00", "cursor=abc"])
def test_a_bad_page_is_named(console: Console, query: str) -> None:
    problem = console.machine().get(f"/api/exams?{query}")
    assert problem.status_code == 400
    assert problem.content_type == "application/problem+json"
    assert problem.json["where"] in ("limit", "cursor")


def test_the_worklist_is_by_device_and_explained(console: Console) -> None:
    console.order()
    api = console.machine(Role.IT)
    assert [row["accession_number"] for row in api.get("/api/worklist?as=CT1").json["items"]] == ["A1"]
    assert api.get("/api/worklist?as=MR1").json == {"items": [], "next": None}
    shown = api.get("/api/worklist/explain?accession_number=A1&as=CT1").json
    assert shown["shown"] is True
    other = api.get("/api/worklist/explain?accession_number=A1&as=MR1").json
    assert other["shown"] is False
    assert "It is scheduled for CT1, not for MR1." in other["reasons"]
    unknown = api.get("/api/worklist/explain?accession_number=A9&as=CT1").json
    assert unknown["shown"] is False
    assert unknown["reasons"][0] == "No order with this accession number or patient id has arrived."
    assert api.get("/api/worklist/explain").status_code == 422


def test_an_unbound_study_is_seen_by_those_who_decide_only(console: Console) -> None:
    console.images(UID)
    path = f"/api/studies/{UID}"
    whole = console.machine(Role.INTAKE).get(path).json
    assert whole["state"] in ("review", "quarantine")
    assert (whole["patient"], whole["accession_number"]) == (None, None)
    assert whole["instances"] == 6
    assert {"evidence", "differences", "candidates", "published"} <= set(whole)
    for role in (Role.VIEWER, Role.BILLING):
        assert console.machine(role).get(path).status_code == 403
        assert console.machine(role).get("/api/exams", query_string={"q": UID}).json["exams"] == []
    counts = console.machine(Role.IT).get(path).json
    assert (counts["patient"], counts["accession_number"], counts["instances"]) == (None, None, 6)
    assert "candidates" not in counts
    assert console.machine(Role.INTAKE).get("/api/studies/9.9").status_code == 404


def test_a_mismatch_is_bound_unbound_and_rejected(console: Console) -> None:
    console.order()
    console.images(UID)
    api = console.machine(Role.INTAKE)
    case = api.get("/api/mismatches").json["mismatches"][0]
    assert case["study_instance_uid"] == UID
    decide = f"/api/mismatches/{case['id']}/decision"
    assert api.post(decide, json={"action": "bind", "accession_number": "A1"}).status_code == 422
    bound = api.post(decide, json={"action": "bind", "accession_number": "A1", "reason": "asked"}).json
    assert bound["state"] in ("bound", "bound_with_correction")
    assert bound["patient"]["patient_id"] == "00041001"
    assert bound["accession_number"] == "A1"
    assert api.get("/api/mismatches").json["mismatches"] == []
    undo = f"/api/studies/{UID}/decision"
    held = api.post(undo, json={"action": "unbind", "reason": "wrong"}).json
    assert held["state"] == "review"
    assert held["patient"] is None
    assert held["held_from"]["accession_number"] == "A1"
    closed = api.post(undo, json={"action": "reject", "reason": "a phantom"}).json
    assert (closed["state"], closed["closed"]) == ("quarantine", "a phantom")


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"action": "delete", "reason": "x"}, 400, "action"),
        ({"action": "bind", "reason": "x", "accession_number": 7}, 400, "accession_number"),
        ({"action": "bind", "reason": "x", "patient": "1"}, 400, "patient"),
        ({"action": "bind", "reason": "x", "patient": {}}, 422, "patient_id"),
        ({"action": "bind", "reason": "x", "force": True}, 400, "force"),
        ({"action": "bind"}, 422, "reason"),
    ],
)
def test_a_bad_decision_names_its_field(console: Console, body: dict[str, object], status: int, where: str) -> None:
    console.images(UID)
    problem = console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=body)
    assert (problem.status_code, problem.json["where"]) == (status, where)


def test_messages_are_listed_read_and_replayed(console: Console) -> None:
    console.order()
    api = console.machine(Role.IT)
    row = api.get("/api/messages").json["messages"][0]
    assert (row["control_id"], row["state"], row["answer_code"]) == ("CA1", "applied", "AA")
    for text in ("CA1", "A1", "00041001"):
        assert [m["id"] for m in api.get("/api/messages", query_string={"q": text}).json["messages"]] == [row["id"]]
    whole = api.get(f"/api/messages/{row['id']}").json
    assert whole["raw"].startswith("MSH|^~\\&|RIVEHR")
    assert {"where": "PID-5", "label": "Name", "text": "HALVORSEN^INGRID"} in whole["segments"][1]["fields"]
    assert whole["trace"]
    assert api.post(f"/api/messages/{row['id']}/replay").json["state"] == "applied"
    assert api.post("/api/messages/99/replay").status_code == 404
    assert api.get("/api/messages?state=lost").status_code == 400


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"MSH|^~\\&|\rMSA|AA|1\r", 200),
        (b"MSH|^~\\&|\rMSA|CA|1\r", 200),
        (b"MSH|^~\\&|\rMSA|AE|1\rERR||PID^1^3|101^missing^HL70357|E\r", 422),
        (b"MSH|^~\\&|\rMSA|AR|1\rERR|||103^x^HL70357|E\r", 403),
        (b"MSH|^~\\&|\rMSA|AR|1\rERR|||207^later^HL70357|E\r", 503),
        (b"nonsense", 500),
        (b"", 204),
        (b"MSH|^~\\&\rMSA|AR|1\rERR|^^^207&Application error&HL70357\r", 503),
        (b"MSH#*!?%#\rMSA#AR#1\rERR###207*Application error#E\r", 503),
        (b"BHS|^~\\&\rMSH|^~\\&\rMSA|AA|1\rMSH|^~\\&\rMSA|CA|2\rBTS|2\r", 200),
        (b"BHS|^~\\&\rMSH|^~\\&\rMSA|AR|1\rMSH|^~\\&\rMSA|AE|2\rBTS|2\r", 422),
        (b"BHS|^~\\&\rMSH|^~\\&\rMSA|AA|1\rMSH|^~\\&\rMSA|AR|2\rERR||||207^x\rBTS|2\r", 503),
        (b"BHS|^~\\&\rBTS|0\r", 200),
    ],
)
def test_http_says_what_the_ack_says(answer: bytes, status: int) -> None:
    assert status_of(answer) == status


def test_hl7_over_http_wants_its_content_type(console: Console) -> None:
    machine = console.machine(Role.SYSTEM)
    assert machine.post("/api/hl7", data=b"MSH", content_type="text/plain").status_code == 415
    assert machine.post("/api/hl7", data=b"", content_type="application/hl7-v2").status_code == 400


def test_deliveries_are_listed_by_state(console: Console) -> None:
    study = console.images(UID)
    console.clinic.queue(IMAGING_STUDY, "ehr", study, held_reason="waits for a decision")
    console.clinic.queue(ARCHIVE, "PACS", study)
    api = console.machine(Role.IT)
    held = api.get("/api/deliveries?state=held").json["deliveries"]
    assert [(row["destination"], row["held_reason"]) for row in held] == [("ehr", "waits for a decision")]
    assert len(api.get("/api/deliveries").json["deliveries"]) == 2
    assert api.get(f"/api/deliveries/{held[0]['id']}").json["tried"] == []
    assert api.get("/api/deliveries?state=lost").status_code == 400
    assert held[0]["held_for"] == "identity"
    misspelt = api.get("/api/deliveries?destinaton=PACS")
    assert (misspelt.status_code, "only state, limit, cursor" in misspelt.text) == (400, True)


def bind(console: Console, uid: str = UID) -> None:
    console.images(uid)
    decision = {"action": "bind", "accession_number": "A1", "reason": "asked"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{uid}/decision", json=decision).status_code == 200


def test_an_authorization_takes_a_bound_study_of_its_patient(console: Console) -> None:
    console.order()
    bind(console)
    api = console.machine(Role.BILLING)
    row = api.get("/api/authorizations", query_string={"q": "PAA1"}).json["authorizations"][0]
    assert (row["number"], row["accession_number"]) == ("PAA1", "A1")
    place = f"/api/authorizations/{row['id']}/attachments"
    attached = api.post(place, json={"study_instance_uid": UID, "as": ["claim"]})
    assert attached.status_code == 201
    assert attached.json["attachments"][0]["as"] == "claim"
    assert [one["study_instance_uid"] for one in api.get(place).json["attachments"]] == [UID]
    assert api.post(place, json={"study_instance_uid": "9.9"}).status_code == 404
    assert api.post(place, json={"study_instance_uid": UID, "as": ["fax"]}).status_code == 400
    console.images("1.2.840.99.2")
    assert api.post(place, json={"study_instance_uid": "1.2.840.99.2"}).status_code in (409, 422)


def test_an_authorization_is_entered_by_hand(console: Console) -> None:
    console.order()
    api = console.machine(Role.BILLING)
    body = {
        "number": "X1",
        "payer": "Acme",
        "patient": {"patient_id": "00041001", "issuer_of_patient_id": "RIVERSIDE"},
        "accession_number": "A1",
        "lines": [{"code": "71260"}],
    }
    row = api.post("/api/authorizations", json=body)
    assert row.status_code == 201
    assert (row.json["number"], row.json["lines"][0]["code"]) == ("X1", "71260")
    assert api.post("/api/authorizations", json={**body, "patient": None}).status_code == 422


def test_an_order_comes_without_hl7(console: Console) -> None:
    body = {
        "patient": {"patient_id": "7", "name": "LEE^ANN", "birth_date": "1990-05-06", "sex": "F"},
        "procedure": {"code": "76700", "scheme": "C4", "meaning": "US abdomen"},
        "modality": "US",
        "station_ae_title": "US1",
        "scheduled": "2026-03-02T09:30",
    }
    answer = console.machine(Role.SYSTEM).post("/api/orders", json=body)
    assert answer.status_code == 201
    exam = console.machine(Role.VIEWER).get(f"/api/exams/{answer.json['accession_number']}").json
    assert (exam["procedure"], exam["scheduled"]) == ("US abdomen", "2026-03-02T09:30:00")
    refused = console.machine(Role.SYSTEM).post("/api/orders", json={**body, "scheduled": "tomorrow"})
    assert (refused.status_code, refused.json["where"]) == (422, "scheduled")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a": NaN}', 400),
        (b"[]", 400),
        (b"null", 400),
        (b'"x"', 400),
        (b"\xff\xfe", 400),
        (b'{"reason": "' + b"x" * (2 << 20) + b'"}', 400),
        (b'{"note": "[[[[[[[[", "x": 1}', 400),
    ],
)
def test_bad_json_is_the_callers_to_mend(console: Console, raw: bytes, status: int) -> None:
    answer = console.machine().post("/api/orders", data=raw, content_type="application/json")
    assert answer.status_code == status


@pytest.mark.parametrize("kind", ["application/fhir+xml", "text/xml", "multipart/form-data; boundary=x", "text/plain"])
def test_other_kinds_of_bodies_are_415(console: Console, kind: str) -> None:
    assert console.machine().post("/api/orders", data=b"{}", content_type=kind).status_code == 415


def test_a_compressed_body_is_415(console: Console) -> None:
    headers = {"Content-Encoding": "gzip"}
    answer = console.machine().post("/api/orders", data=b"{}", content_type="application/json", headers=headers)
    assert answer.status_code == 415


def test_audit_says_who_saw_a_patient(console: Console) -> None:
    console.order()
    console.machine(Role.VIEWER).get("/api/exams/A1")
    rows = console.machine().get("/api/audit", query_string={"patient_id": "00041001"}).json["audit"]
    assert ("token:a-viewer", "exam_viewed") in [(row["user"], row["what"]) for row in rows]
    assert console.machine().get("/api/audit", query_string={"patient_id": "nobody"}).json["audit"] == []
    assert console.machine().get("/api/audit?since=2027-01-01").json["audit"] == []
    assert console.machine().get("/api/audit?since=whenever").status_code == 400


def test_openapi_describes_every_route_and_no_other(console: Console) -> None:
    document = describe(console.app, "1")
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    served = {
        (
            rule.rule.removeprefix("/api")
            .replace("<int:", "{")
            .replace("<path:", "{")
            .replace("<", "{")
            .replace(">", "}"),
            method,
        )
        for rule in console.app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == served
    assert set(QUERIES) <= {path for path, _ in described}
    assert all(o["summary"] for methods in document["paths"].values() for o in methods.values())


def test_metrics_hold_counts_and_no_patient(console: Console) -> None:
    console.order()
    bind(console)
    text = console.machine(Role.IT).get("/metrics").get_data(as_text=True)
    assert 'bridge_messages{state="applied"} 1.0' in text
    assert 'route="/api/studies/<study_instance_uid>/decision"' in text
    assert "HALVORSEN" not in text.upper()
    assert UID not in text
    assert "00041001" not in text


def test_fhir_serves_bound_studies_only(console: Console) -> None:
    console.order()
    bind(console)
    console.images("1.2.840.99.2")
    console.clock.at += timedelta(minutes=1)
    api = console.machine(Role.SYSTEM)
    for release, version in (("r4", "4.0.1"), ("r5", "5.0.0")):
        assert console.app.test_client().get(f"/fhir/{release}/metadata").json["fhirVersion"] == version
        every = api.get(f"/fhir/{release}/ImagingStudy").json
        assert every["total"] == 1
        study = every["entry"][0]["resource"]
        assert {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"} in study["identifier"]
        patient = api.get(f"/fhir/{release}/{study['subject']['reference']}").json
        assert patient["birthDate"] == "1958-03-12"
        (way,) = study["endpoint"]
        assert api.get(f"/fhir/{release}/{way['reference']}").json["address"].endswith("/dicom-web")
        for query in (
            {"identifier": f"urn:dicom:uid|urn:oid:{UID}"},
            {"identifier": "A1"},
            {"patient": study["subject"]["reference"]},
            {"_id": study["id"]},
        ):
            assert api.get(f"/fhir/{release}/ImagingStudy", query_string=query).json["total"] == 1, query
        assert api.get(f"/fhir/{release}/ImagingStudy?identifier=1.2.840.99.2").json["total"] == 0
    held = api.get("/fhir/r4/ImagingStudy/2")
    assert (held.status_code, held.json["resourceType"]) == (404, "OperationOutcome")
    assert api.get("/fhir/r4/Patient?identifier=00041001").json["total"] == 1
    strict = api.get("/fhir/r4/ImagingStudy?colour=red", headers={"Prefer": "handling=strict"})
    assert strict.status_code == 400


def test_fhir_serves_no_study_before_it_is_complete(console: Console) -> None:
    console.order()
    bind(console)
    api = console.machine(Role.SYSTEM)

    def served() -> tuple[int, int]:
        total: int = api.get(f"/fhir/r4/ImagingStudy?identifier={UID}").json["total"]
        return total, api.get("/fhir/r5/ImagingStudy/1").status_code

    assert served() == (0, 404)
    console.clock.at += timedelta(seconds=console.services.settings.publish.study_quiet_secs)
    assert served() == (1, 200)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_study_that_comes_in_is_read_as_registered_without_its_images(make_house: Callable[..., House]) -> None:
    console = Console(make_house(FixedClock(AT), publish={"announce": True}))
    console.order()
    bind(console)
    api = console.machine(Role.SYSTEM)

    def served() -> tuple[str, int, list[str]]:
        study = api.get("/fhir/r5/ImagingStudy/1").json
        about = f"/fhir/r4/ImagingStudy?identifier={UID}"
        assert api.get(about).json["total"] == 1
        found = [one for one in STATUSES if api.get(f"{about}&status={one}").json["total"]]
        return study["status"], int(study["meta"]["versionId"]), found

    assert served() == ("registered", 1, ["registered"])
    begun = api.get("/fhir/r4/ImagingStudy/1").json
    assert not {"series", "numberOfSeries", "numberOfInstances", "endpoint"} & set(begun)
    assert begun["basedOn"][0]["reference"] == "ServiceRequest/order-1"
    console.clock.at += timedelta(seconds=console.services.settings.publish.study_quiet_secs)
    assert served() == ("available", 1, ["available"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_people_find_the_viewer_beside_the_images_where_our_address_is_known(make_house: Callable[..., House]) -> None:
    console = Console(make_house(FixedClock(AT), http={"public_url": "https://bridge.example.org"}))
    console.order()
    bind(console)
    console.clock.at += timedelta(minutes=1)
    api = console.machine(Role.SYSTEM)
    for release in ("r4", "r5"):
        about = api.get(f"/fhir/{release}/ImagingStudy?endpoint=Endpoint/viewer&_include=ImagingStudy:endpoint").json
        study, *ways = [one["resource"] for one in about["entry"]]
        assert [one["reference"] for one in study["endpoint"]] == ["Endpoint/dicomweb", "Endpoint/viewer"]
        found = {one["id"]: one["address"] for one in ways}
        assert found["viewer"] == "https://bridge.example.org/IHEInvokeImageDisplay"
        assert api.get(f"/fhir/{release}/Endpoint/viewer").json["address"] == found["viewer"]
        (invoked,) = api.get(f"/fhir/{release}/Endpoint?connection-type=ihe-iid").json["entry"]
        assert invoked["resource"]["id"] == "viewer"
        assert api.get(f"/fhir/{release}/Endpoint").json["total"] == 2
    assert console.browser().get(f"{found['viewer'][26:]}?requestType=STUDY&studyUID={UID}").status_code == 303


def test_what_the_modality_says_is_all_of_it_is_served_at_once(console: Console) -> None:
    console.order()
    bind(console)
    here = tuple(f"{UID}.{series}.{number}" for series in (1, 2) for number in (1, 2, 3))
    draft = PerformedDraft(scheduled=(ScheduledReference(study_instance_uid=UID),))
    with console.store.write() as tx:
        step = performed.add(tx, "2.25.1", draft, (), console.clock.now())
    api = console.machine(Role.SYSTEM)
    answers = []
    for named in ((*here, f"{UID}.3.1"), here):
        done = PerformedDraft(referenced_instances=named)
        with console.store.write() as tx:
            performed.save(tx, step, PerformedStatus.COMPLETED, done, console.clock.now())
        answers.append(api.get("/fhir/r4/ImagingStudy/1").status_code)
    assert answers == [404, 200]


def test_dicomweb_finds_bound_studies_with_the_records_identity(console: Console) -> None:
    console.order(name="HALVORSEN^INGRID^MARIE")
    bind(console)
    console.images("1.2.840.99.2")
    api = console.machine(Role.SYSTEM)
    found = api.get("/dicom-web/studies").json
    assert [one["0020000D"]["Value"] for one in found] == [[UID]]
    assert api.get("/dicom-web/studies?PatientID=00041001").json
    assert api.get("/dicom-web/studies?PatientID=9").status_code == 204
    assert len(api.get(f"/dicom-web/studies/{UID}/series").json) == 2
    assert len(api.get(f"/dicom-web/studies/{UID}/instances").json) == 6
    assert api.get("/dicom-web/studies/1.2.840.99.2/metadata").status_code == 404
    for query in ("limit=-1", "offset=x", "NoSuchThing=1", "StudyDate=99999999-", "PatientID=%00"):
        assert api.get(f"/dicom-web/studies?{query}").status_code == 400, query


def test_a_fault_of_ours_is_numbered_and_says_nothing(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("HALVORSEN^INGRID")

    monkeypatch.setattr(studies, "by_uid", broken)
    answer = console.machine().get(f"/api/studies/{UID}")
    assert answer.status_code == 500
    assert answer.json["incident"]
    assert "HALVORSEN" not in answer.get_data(as_text=True)


def test_nothing_is_shown_when_the_look_cannot_be_audited(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.errors import Unavailable
    from bridge.store import audit

    console.order()
    machine = console.machine(Role.VIEWER)

    def full(*_: object, **__: object) -> None:
        raise Unavailable("the disk is full", code="disk_full")

    monkeypatch.setattr(audit, "add", full)
    answer = machine.get("/api/exams/A1")
    assert answer.status_code == 503
    assert "HALVORSEN" not in answer.get_data(as_text=True)


def test_a_study_in_the_middle_of_the_day_shows_where_it_waits(console: Console) -> None:
    console.order()
    study = console.images(UID)
    with console.store.write() as tx:
        found = studies.get(tx, study.key)
        studies.save(tx, replace(found, state=StudyState.REVIEW))
    assert console.machine(Role.INTAKE).get("/api/exams", query_string={"q": UID}).json["exams"]


def test_fhir_s_next_page_names_no_identifier(console: Console) -> None:
    console.order()
    for uid in (UID, "1.2.840.99.2", "1.2.840.99.3"):
        bind(console, uid)
    console.clock.at += timedelta(minutes=1)
    api = console.machine(Role.SYSTEM)
    address, seen = "/fhir/r4/ImagingStudy?identifier=A1&_count=1", []
    while address:
        page = api.get(address).json
        assert page["total"] == 3
        seen += [one["resource"]["id"] for one in page["entry"]]
        links = {link["relation"]: link["url"] for link in page["link"]}
        following = urlsplit(links.get("next", ""))
        assert "identifier" not in following.query
        address = f"{following.path}?{following.query}" if following.path else ""
    assert seen == ["3", "2", "1"]


def test_messages_are_found_by_each_parameter_and_none_of_a_patient_s_stands_in_an_address(console: Console) -> None:
    for number in ("A1", "A2", "A3"):
        console.order(number)
    api = console.machine(Role.IT)
    for query in (
        {"patient_id": "00041001^^^RIVERSIDE"},
        {"type": "OMG"},
        {"site": "riverside", "state": "applied", "test": "false"},
        {"since": "2026-01-01", "until": "2027-01-01T00:00:00+01:00"},
    ):
        page = api.get("/api/messages", query_string=query | {"limit": "2"}).json
        assert [row["control_id"] for row in page["messages"]] == ["CA3", "CA2"]
        assert "00041001" not in page["next"]
        assert [row["control_id"] for row in api.get(page["next"]).json["messages"]] == ["CA1"]
    assert api.get("/api/messages", query_string={"accession_number": "A2"}).json["messages"][0]["control_id"] == "CA2"
    assert api.get("/api/messages", query_string={"error": "missing"}).json["messages"] == []
    for wrong in ("test=maybe", "since=yesterday", "state=lost"):
        problem = api.get(f"/api/messages?{wrong}")
        assert (problem.status_code, problem.json["where"]) == (400, wrong.partition("=")[0])


def test_a_replay_of_many_is_asked_for_watched_and_stopped(console: Console) -> None:
    console.order("A1")
    api = console.machine(Role.IT)
    answer = api.post("/api/messages/replay", json={"filter": {"type": "OMG", "test": False}, "dry_run": True})
    assert (answer.status_code, answer.json["state"], answer.json["total"]) == (202, "waiting", 1)
    assert console.house.replays.work()
    done = api.get(f"/api/replays/{answer.json['id']}").json
    assert (done["state"], done["done"], done["applied"], done["changed"]) == ("done", 1, 1, 0)
    other = api.post("/api/messages/replay", json={"filter": {"q": "A1"}}).json
    assert api.post(f"/api/replays/{other['id']}/cancel").json["state"] == "cancelled"
    assert api.post(f"/api/replays/{other['id']}/cancel").status_code == 409
    assert [one["id"] for one in api.get("/api/replays").json["replays"]] == [other["id"], done["id"]]
    assert api.get("/api/replays/99").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({}, 400, "filter"),
        ({"filter": {}}, 422, "filter"),
        ({"filter": {"state": "lost"}}, 400, "state"),
        ({"filter": {"colour": "red"}}, 400, "filter.colour"),
        ({"filter": {"type": 1}}, 400, "filter"),
        ({"filter": {"type": "ADT"}, "dry_run": "yes"}, 400, "dry_run"),
        ({"filter": {"type": "ADT"}, "now": True}, 400, "now"),
    ],
)
def test_a_replay_that_cannot_be_meant_is_refused(
    console: Console, body: dict[str, object], status: int, where: str
) -> None:
    problem = console.machine(Role.IT).post("/api/messages/replay", json=body)
    assert (problem.status_code, problem.json["where"]) == (status, where)


def test_only_those_who_run_it_replay(console: Console) -> None:
    for role in (Role.VIEWER, Role.INTAKE, Role.BILLING, Role.SYSTEM):
        assert console.machine(role).post("/api/messages/replay", json={"filter": {"type": "ADT"}}).status_code == 403
