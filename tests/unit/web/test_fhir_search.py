"""The FHIR server's search: every parameter, prefixes, paging, what comes with an answer, and how much of it is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.domain.performed import PerformedDraft, PerformedStatus, ScheduledReference
from bridge.store import audit, orders, performed
from bridge.web.fhir.registry import KINDS
from tests.cast import PLAIN, report
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.unit.web.test_api import UID, bind

OTHER = "1.2.840.99.2"
AUTHORITY = "urn:imaging-bridge:authority:RIVERSIDE"


@pytest.fixture
def day(console: Console) -> Console:
    """A day with two patients: one study bound to the first, one to nobody."""
    console.order()
    console.order("B1", name="LINDQVIST^PER", patient_id="00041002")
    bind(console)
    console.images(OTHER)
    console.clock.at += timedelta(minutes=1)
    return console


@pytest.fixture
def api(day: Console) -> FlaskClient:
    return day.machine(Role.ADMIN)


def get(api: FlaskClient, path: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"/fhir/{path}", query_string={name.replace("__", ":"): one for name, one in query.items()})
    assert answer.status_code == 200, (query, answer.text)
    assert answer.json is not None
    return answer.json


def total(api: FlaskClient, path: str, query: dict[str, str] | str) -> int:
    answer = api.get(f"/fhir/{path}", query_string=query)
    assert answer.status_code == 200, (query, answer.text)
    assert answer.json is not None
    return int(answer.json["total"])


FINDS: list[dict[str, str]] = [
    {"_id": "1"},
    {"_id": "9,1"},
    {"identifier": f"urn:dicom:uid|urn:oid:{UID}"},
    {"identifier": f"urn:dicom:uid|{UID}"},
    {"identifier": UID},
    {"identifier": "A1"},
    {"patient": "1"},
    {"patient": "Patient/1"},
    {"subject:Patient": "1"},
    {"patient.identifier": "00041001"},
    {"patient.identifier": f"{AUTHORITY}|00041001"},
    {"subject:Patient.identifier": f"{AUTHORITY}|00041001"},
    {"patient:identifier": f"{AUTHORITY}|00041001"},
    {"status": "available"},
    {"status": "http://hl7.org/fhir/imagingstudy-status|available,cancelled"},
    {"status:not": "cancelled"},
    {"modality": "CT"},
    {"modality": "http://dicom.nema.org/resources/ontology/DCM|CT"},
    {"modality": "MR,CT"},
    {"started": "2026-03-02"},
    {"started": "2026"},
    {"started": "ge2026-03-01"},
    {"started": "sa2026-03-01"},
    {"started": "gt2026-03-01"},
    {"started": "eb2026-03-03"},
    {"started": "lt2026-03-03"},
    {"started": "le2026-03-02"},
    {"started": "ne2026-03-03"},
    {"basedon": "ServiceRequest/order-1"},
    {"based-on": "order-1"},
    {"basedon:identifier": "A1"},
    {"dicom-class": "urn:oid:1.2.840.10008.5.1.4.1.1.2"},
    {"series": f"{UID}.1"},
    {"series": f"urn:dicom:uid|urn:oid:{UID}.1"},
    {"instance": f"{UID}.1.1"},
    {"endpoint": "Endpoint/dicomweb"},
    {"_lastUpdated": "ge2026-03-01"},
    {"bodysite:missing": "false"},
    {"bodysite": "http://snomed.info/sct|816094009"},
    {"body-site": "816094009"},
    {"encounter:missing": "true"},
    {"_summary": "count"},
]
MISSES: list[dict[str, str]] = [
    {"_id": "2"},
    {"identifier": OTHER},
    {"identifier": f"urn:example|{UID}"},
    {"identifier": "B1"},
    {"patient": "2"},
    {"patient": "Group/1"},
    {"patient.identifier": "00041002"},
    {"patient.identifier": "urn:example|00041001"},
    {"status": "entered-in-error"},
    {"status": "urn:example|available"},
    {"status:not": "available"},
    {"modality": "MR"},
    {"modality": "urn:example|CT"},
    {"started": "2026-03-03"},
    {"started": "gt2026-03-02"},
    {"started": "lt2026-03-02"},
    {"started": "eb2026-03-02"},
    {"started": "sa2026-03-02"},
    {"started": "ne2026-03-02"},
    {"based-on": "order-2"},
    {"dicom-class": "urn:oid:1.2.840.10008.5.1.4.1.1.4"},
    {"series": f"{OTHER}.1"},
    {"instance": f"{OTHER}.1.1"},
    {"endpoint": "Endpoint/other"},
    {"bodysite": "http://snomed.info/sct|12738006"},
    {"body-site:missing": "true"},
    {"encounter": "Encounter/99"},
    {"_lastUpdated": "lt2026-03-01"},
    {"patient": "1", "modality": "MR"},
]


def test_a_study_is_found_by_every_parameter_and_not_by_another_value(api: FlaskClient) -> None:
    for query in FINDS:
        for release in ("r4", "r5"):
            assert total(api, f"{release}/ImagingStudy", query) == 1, (release, query)
    for query in MISSES:
        assert total(api, "r4/ImagingStudy", query) == 0, query
    both = "started=ge2026-03-01&started=lt2026-03-02"
    assert total(api, "r4/ImagingStudy", both) == 0
    assert total(api, "r4/ImagingStudy", both.replace("lt2026-03-02", "lt2026-03-03")) == 1


@pytest.mark.parametrize(
    "query",
    [
        "started=yesterday",
        "started=2026-13-01",
        "started=ge",
        "_count=-1",
        "_count=x",
        "_total=some",
        "_summary=most",
        "status:text=available",
        "patient:Group=1",
        "patient=not%20an%20id",
        "subject:Group.identifier=1",
        "_include=ImagingStudy:nothing",
        "_revinclude=Patient:link",
        "cursor=abc",
        "identifier=%00",
        "modality=" + ",".join(["CT"] * 500),
        "started:missing=perhaps",
    ],
)
def test_a_search_that_cannot_be_read_is_refused_in_words(api: FlaskClient, query: str) -> None:
    answer = api.get(f"/fhir/r4/ImagingStudy?{query}")
    assert (answer.status_code, answer.json["resourceType"]) == (400, "OperationOutcome"), query


def test_what_is_not_served_is_left_out_and_said_or_refused(api: FlaskClient) -> None:
    lenient = get(api, "r4/ImagingStudy", colour="red")
    assert lenient["total"] == 1
    assert [one["search"]["mode"] for one in lenient["entry"]] == ["match", "outcome"]
    assert "colour" not in lenient["link"][0]["url"]
    strict = api.get("/fhir/r4/ImagingStudy?colour=red", headers={"Prefer": "handling=strict"})
    assert (strict.status_code, strict.json["issue"][0]["expression"]) == (400, ["colour"])
    unsorted = get(api, "r4/ImagingStudy", _sort="colour")
    assert [one["search"]["mode"] for one in unsorted["entry"]] == ["match", "outcome"]
    assert "_sort" not in unsorted["link"][0]["url"]
    assert api.get("/fhir/r4/ImagingStudy?_sort=colour", headers={"Prefer": "handling=strict"}).status_code == 400


def test_a_form_searches_without_an_address_that_names_anybody(api: FlaskClient) -> None:
    answer = api.post("/fhir/r4/ImagingStudy/_search", data={"patient.identifier": "00041001"})
    assert (answer.status_code, answer.json["total"]) == (200, 1)
    assert "00041001" not in str(answer.json["link"])
    assert api.post("/fhir/r4/ImagingStudy/_search", json={}).status_code == 415
    self_link = urlsplit(answer.json["link"][0]["url"])
    assert api.get(f"{self_link.path}?{self_link.query}").json["total"] == 1


def test_pages_have_every_study_once_in_either_order(day: Console, api: FlaskClient) -> None:
    for number in range(3, 9):
        bind(day, f"1.2.840.99.{number}")
    day.clock.at += timedelta(minutes=1)
    for sort, newest_first in (
        ("", True),
        ("-started", True),
        ("started", True),
        ("_id", False),
        ("-_lastUpdated", True),
    ):
        address, seen = f"/fhir/r4/ImagingStudy?identifier=A1&_count=2&_sort={sort}", []
        while address:
            page = api.get(address).json
            assert page["total"] == 7
            seen += [one["resource"]["id"] for one in page["entry"]]
            links = {link["relation"]: urlsplit(link["url"]) for link in page["link"]}
            assert all("identifier" not in link.query for link in links.values())
            address = f"{links['next'].path}?{links['next'].query}" if "next" in links else ""
        expected = ["1", *(str(key) for key in range(3, 9))]
        assert sorted(seen) == expected, sort
        if newest_first and sort == "":
            assert seen == expected[::-1]
        if sort == "_id":
            assert seen == expected
    assert "entry" not in get(api, "r4/ImagingStudy", _count="0")
    assert "total" not in get(api, "r4/ImagingStudy", _total="none")


def test_what_belongs_to_a_study_comes_with_it(day: Console, api: FlaskClient) -> None:
    bundle = get(
        api,
        "r4/ImagingStudy",
        _include=["ImagingStudy:patient", "ImagingStudy:endpoint", "ImagingStudy:basedon"],
        _revinclude="Provenance:target",
    )
    modes = [(one["resource"]["resourceType"], one["search"]["mode"]) for one in bundle["entry"]]
    assert modes[0] == ("ImagingStudy", "match")
    assert {name for name, mode in modes if mode == "include"} == {
        "Patient",
        "Endpoint",
        "ServiceRequest",
        "Provenance",
    }
    assert bundle["total"] == 1
    everything = get(api, "r5/ImagingStudy", _include="*")
    assert len(everything["entry"]) == 4


def test_as_much_is_shown_as_was_asked_for(api: FlaskClient) -> None:
    whole = get(api, "r4/ImagingStudy/1")
    assert whole["series"][0]["instance"]
    summary = get(api, "r4/ImagingStudy/1", _summary="true")
    assert "instance" not in summary["series"][0]
    assert summary["meta"]["tag"][0]["code"] == "SUBSETTED"
    few = get(api, "r4/ImagingStudy", _elements="numberOfInstances")["entry"][0]["resource"]
    assert {"id", "status", "subject", "numberOfInstances"} <= set(few)
    assert "series" not in few
    assert few["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_who_has_it_already_is_told_so(api: FlaskClient) -> None:
    read = api.get("/fhir/r4/ImagingStudy/1")
    tag, since = read.headers["ETag"], read.headers["Last-Modified"]
    assert tag == f'W/"{read.json["meta"]["versionId"]}"'
    for headers in ({"If-None-Match": tag}, {"If-Modified-Since": since}):
        again = api.get("/fhir/r4/ImagingStudy/1", headers=headers)
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert api.get("/fhir/r4/ImagingStudy/1", headers={"If-None-Match": 'W/"99"'}).status_code == 200
    head = api.head("/fhir/r4/ImagingStudy/1")
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", tag)


def test_xml_is_not_spoken_and_every_refusal_is_an_outcome(day: Console, api: FlaskClient) -> None:
    for answer, status in (
        (api.get("/fhir/r4/ImagingStudy", headers={"Accept": "application/fhir+xml"}), 406),
        (api.get("/fhir/r4/ImagingStudy?_format=xml"), 406),
        (api.get("/fhir/r4/metadata?_format=xml"), 406),
        (api.put("/fhir/r4/ImagingStudy/1", json={}), 405),
        (api.get("/fhir/r4/ImagingStudy/nobody"), 404),
        (api.get("/fhir/r4/Unheard"), 404),
        (day.app.test_client().get("/fhir/r4/ImagingStudy"), 401),
        (day.machine(Role.IT).get("/fhir/r4/ImagingStudy"), 403),
        (day.machine(Role.VIEWER).get("/fhir/r4/AuditEvent"), 403),
    ):
        assert (answer.status_code, answer.json["resourceType"]) == (status, "OperationOutcome"), status
    assert api.get("/fhir/r4/ImagingStudy?_format=json").status_code == 200
    assert (
        api.get("/fhir/r4/ImagingStudy", headers={"Accept": "application/fhir+json; fhirVersion=4.0"}).status_code
        == 200
    )


def test_patients_are_found_by_what_narrows_and_by_nothing_else(api: FlaskClient) -> None:
    for query in (
        {"identifier": "00041001"},
        {"identifier": f"{AUTHORITY}|00041001"},
        {"name": "halv"},
        {"name": "Halvorsen, Ing"},
        {"family": "HALVORSEN"},
        {"family:exact": "HALVORSEN"},
        {"family": "halv", "given": "ing"},
        {"birthdate": "1958-03-12", "name": "h"},
        {"birthdate": "ge1958", "name": "h", "gender": "female", "active": "true"},
    ):
        assert total(api, "r4/Patient", query) == 1, query
    for query in (
        {"identifier": "urn:example|00041001"},
        {"name": "ingrid"},
        {"family:exact": "HALV"},
        {"birthdate": "1959"},
        {"name": "halv", "gender": "male"},
        {"name": "halv%"},
    ):
        assert total(api, "r4/Patient", query) == 0, query
    for query in ("", "gender=female", "active=true", "given=ingrid"):
        assert api.get(f"/fhir/r4/Patient?{query}").status_code == 400, query


def test_orders_steps_and_authorizations_are_found(api: FlaskClient) -> None:
    for path, query in (
        ("ServiceRequest", {"identifier": "A1"}),
        ("ServiceRequest", {"identifier": "PA1"}),
        ("ServiceRequest", {"_id": "order-1"}),
        ("ServiceRequest", {"patient.identifier": "00041001", "status": "active"}),
        ("ServiceRequest", {"code": "71260", "patient": "1"}),
        ("ServiceRequest", {"occurrence": "2026-03-02", "patient": "1"}),
        ("ServiceRequest", {"occurrence": "ge2026-03-01", "patient": "1", "intent": "order", "priority": "routine"}),
        ("Task", {"focus": "ServiceRequest/order-1"}),
        ("Task", {"patient": "1", "status": "requested,in-progress,received,completed"}),
        ("Claim", {"identifier": "PAA1"}),
        ("Claim", {"patient": "1", "use": "preauthorization", "status": "active"}),
        ("ClaimResponse", {"request": "Claim/1"}),
        ("Provenance", {"target": "ImagingStudy/1"}),
        ("Endpoint", {"status": "active", "connection-type": "dicom-wado-rs"}),
    ):
        for release in ("r4", "r5"):
            assert total(api, f"{release}/{path}", query) == 1, (path, query)
    for path, query in (
        ("ServiceRequest", {"identifier": "C1"}),
        ("ServiceRequest", {"occurrence": "2026-03-09"}),
        ("ServiceRequest", {"intent": "plan"}),
        ("Task", {"status": "cancelled"}),
        ("Claim", {"identifier": "PA9"}),
        ("ClaimResponse", {"outcome": "error"}),
        ("Provenance", {"target": "ImagingStudy/2"}),
        ("Endpoint", {"status": "off"}),
    ):
        assert total(api, f"r4/{path}", query) == 0, (path, query)


def test_a_procedure_is_shown_while_it_is_certainly_its_patients(day: Console, api: FlaskClient) -> None:
    def add(uid: str, **said: Any) -> None:
        with day.store.write() as tx:
            (step,) = orders.steps_of(tx, 1)
            draft = PerformedDraft(started_local="20260302150000", modality="CT", **said)
            performed.add(tx, uid, draft, [step.key], day.clock.now())

    add("2.25.7", scheduled=(ScheduledReference(study_instance_uid=UID),), patient_id="00041001")
    add("2.25.8", patient_id="00041002")
    for key, status in (("1", 200), ("2", 404)):
        assert api.get(f"/fhir/r4/Procedure/{key}").status_code == status
    found = get(api, "r4/Procedure", patient="1")
    assert ([one["resource"]["id"] for one in found["entry"]], found["total"]) == (["1"], 1)
    assert total(api, "r4/Procedure", {"patient": "1", "_summary": "count"}) == 1
    unbound = {"action": "unbind", "reason": "somebody else's"}
    assert day.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=unbound).status_code == 200
    assert api.get("/fhir/r4/Procedure/1").status_code == 404
    found = get(api, "r4/ServiceRequest", _id="order-1", _revinclude="Procedure:based-on")["entry"]
    assert [one["resource"]["resourceType"] for one in found] == ["ServiceRequest"]


def test_reports_documents_and_procedures_are_found(day: Console, api: FlaskClient) -> None:
    say(day.house, report(PLAIN, "A1"))
    with day.store.write() as tx:
        (step,) = orders.steps_of(tx, 1)
        scheduled = (ScheduledReference(study_instance_uid=UID),)
        said = PerformedDraft(scheduled=scheduled, started_local="20260302150000", modality="CT")
        mpps = performed.add(tx, "2.25.7", said, [step.key], day.clock.now())
        done = PerformedDraft(ended_local="20260302153000", referenced_instances=(f"{UID}.1.1",))
        performed.save(tx, mpps, PerformedStatus.COMPLETED, done, day.clock.now())
    for path, query in (
        ("DiagnosticReport", {"identifier": "FA1"}),
        ("DiagnosticReport", {"based-on": "ServiceRequest/order-1", "category": "RAD"}),
        ("DiagnosticReport", {"study": "ImagingStudy/1"}),
        ("DiagnosticReport", {"patient": "1", "status": "final"}),
        ("Procedure", {"identifier": "2.25.7"}),
        ("Procedure", {"patient.identifier": "00041001", "status": "completed"}),
        ("Procedure", {"date": "2026-03-02", "based-on": "order-1"}),
    ):
        assert total(api, f"r5/{path}", query) == 1, (path, query)
    assert total(api, "r4/Procedure", {"date": "2026-03-03"}) == 0
    assert total(api, "r4/DocumentReference", {"patient": "1"}) == 0


def test_each_look_leaves_a_row_for_each_patient(day: Console, api: FlaskClient) -> None:
    get(api, "r4/ImagingStudy", _include="ImagingStudy:patient")
    get(api, "r4/Patient/2")
    with day.store.read() as tx:
        rows = audit.recent(tx, limit=2)
    assert [(row.action, row.patient_key, row.actor) for row in rows] == [
        ("fhir_read", 2, "token:a-admin"),
        ("fhir_searched", 1, "token:a-admin"),
    ]
    assert total(api, "r4/AuditEvent", {"patient": "2", "date": "ge2026-03-01"}) >= 1
    event = get(api, "r4/AuditEvent", patient="2", _count="1")["entry"][0]["resource"]
    assert (event["action"], len(event["agent"]) >= 2) == ("E", True)


def test_everything_that_is_found_is_read_and_every_release_advertises_what_it_searches(api: FlaskClient) -> None:
    for release in ("r4", "r5"):
        statement = get(api, f"{release}/metadata")
        said = {one["type"]: one for one in statement["rest"][0]["resource"]}
        served = {name: kind for name, kind in KINDS.items() if release in kind.releases}
        assert set(served) == set(KINDS) & set(said)
        for name, kind in served.items():
            advertised = {one["name"] for one in said[name]["searchParam"]}
            assert advertised == {one.called(release) for one in kind.parameters if one.called(release)}
            query = {"name": "h"} if name == "Patient" else {}
            found = get(api, f"{release}/{name}", **query).get("entry", [])
            for entry in found[:2]:
                path = entry["fullUrl"].partition("/fhir/")[2]
                assert get(api, path) == entry["resource"], path
    assert "based-on" in str(said["ImagingStudy"])
    assert "basedon" not in str(said["ImagingStudy"]["searchParam"])


def test_a_study_of_another_person_is_another_resource_and_the_first_stays_as_an_error(
    day: Console, api: FlaskClient
) -> None:
    intake = day.machine(Role.INTAKE)
    again = {"action": "bind", "accession_number": "B1", "reason": "it was the other's"}
    assert intake.post(f"/api/studies/{UID}/decision", json={"action": "unbind", "reason": "no"}).status_code == 200
    held = get(api, "r4/ImagingStudy/1")
    assert (held["status"], held["subject"]) == ("entered-in-error", {"reference": "Patient/1"})
    assert intake.post(f"/api/studies/{UID}/decision", json=again).status_code == 200
    day.clock.at += timedelta(minutes=1)
    wrong, right = get(api, "r4/ImagingStudy/1"), get(api, "r4/ImagingStudy/1-2")
    assert (wrong["status"], wrong["subject"]["reference"], "series" in wrong) == (
        "entered-in-error",
        "Patient/1",
        False,
    )
    assert (right["status"], right["subject"]["reference"]) == ("available", "Patient/2")
    assert total(api, "r4/ImagingStudy", {"patient": "1", "status": "entered-in-error"}) == 1
    assert total(api, "r4/ImagingStudy", {"patient": "1", "modality": "CT"}) == 0
    assert total(api, "r4/ImagingStudy", {"identifier": UID}) == 2
    assert total(api, "r4/ImagingStudy", {"patient": "2"}) == 1
    for number, place in (("1", "ImagingStudy/1"), ("2", "ImagingStudy/1-2")):
        rows = get(api, "r4/AuditEvent", patient=number)["entry"]
        told = {what["what"]["reference"] for row in rows for what in row["resource"].get("entity", ())}
        assert {one for one in told if one.startswith("ImagingStudy/")} == {place}


def test_a_scope_says_which_resources_may_be_read_and_which_searched() -> None:
    from bridge.domain.smart_scopes import actions, grant

    assert grant(["system/ImagingStudy.rs"], "ImagingStudy", "s")
    assert grant(["system/*.read"], "Patient", "r")
    assert grant(["system/ImagingStudy.r"], "ImagingStudy", "r")
    assert not grant(["system/ImagingStudy.r"], "ImagingStudy", "s")
    assert not grant(["system/ImagingStudy.rs"], "Patient", "r")
    assert not grant(["system/*.write"], "Patient", "r")
    assert not grant(["fhir", "system/Patient.rs?name=x", "system/Patient.sr"], "Patient", "r")
    assert actions("patient/12") is None
