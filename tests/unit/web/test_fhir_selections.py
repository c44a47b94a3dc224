"""ImagingSelection as the FHIR server answers it in R5: what is marked, for whom, and when no more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from bridge.codecs.fhir.check import faults_of
from bridge.domain.accounts import Role
from bridge.flows.export_resources import ExportQueue
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.web.fhir.export_pages import page_maker
from tests.cast import NEAR_TWIN, PLAIN, adt, image, order, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.test_chart_parts import ON_SQLITE
from tests.flows.test_images import receive
from tests.flows.test_rejections import note, slices

Json = dict[str, Any]
HERE = "/fhir/r5/ImagingSelection"
UID = study_uid("A1")


@pytest.fixture
def api(console: Console) -> FlaskClient:
    """A program that reads a house with a bound study of three images, two of them marked."""
    say(console.house, adt(PLAIN), adt(NEAR_TWIN), order(PLAIN, "A1"), order(NEAR_TWIN, "A2"))
    one, _, three = slices()
    receive(console.house, *slices(), note("113000", one, three))
    console.clock.at += timedelta(minutes=1)
    return console.machine(Role.SYSTEM)


def found(api: FlaskClient, **query: Any) -> list[Json]:
    answer = api.get(HERE, query_string=query)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["total"] == len(answer.json.get("entry", []))
    return [entry["resource"] for entry in answer.json.get("entry", [])]


def decide(console: Console, ruling: Ruling) -> None:
    house = console.house
    MismatchResolver(house.store, house.clock, house.rules, house.destinations).resolve(UID, ruling)


@ON_SQLITE
def test_marked_images_are_read_with_their_study(api: FlaskClient) -> None:
    (resource,) = found(api)
    assert faults_of("R5", resource) == ()
    assert [one["uid"] for one in resource["instance"]] == [f"{UID}.1.1", f"{UID}.1.3"]
    read = api.get(f"{HERE}/{resource['id']}")
    assert read.json == resource
    assert api.get(f"{HERE}/{resource['id']}", headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    study = api.get(f"/fhir/r5/{resource['derivedFrom'][0]['reference']}").json
    assert (study["subject"], study["identifier"][0]["value"]) == (resource["subject"], f"urn:oid:{UID}")
    assert api.get(f"/fhir/r5/{resource['endpoint'][0]['reference']}").status_code == 200


def test_they_are_found_by_what_they_say_and_by_nothing_else(console: Console, api: FlaskClient) -> None:
    (resource,) = found(api)
    day = console.clock.now().date()
    study, subject = resource["derivedFrom"][0]["reference"], resource["subject"]["reference"]
    number = resource["identifier"][0]["value"]
    for query in (
        {"_id": resource["id"]},
        {"identifier": f"urn:dicom:uid|{number}"},
        {"patient": subject},
        {"subject": subject},
        {"patient.identifier": PLAIN.patient_id},
        {"derived-from": study},
        {"derived-from.identifier": UID},
        {"study-uid": UID},
        {"study-uid": f"urn:oid:{UID}"},
        {"based-on": resource["basedOn"][0]["reference"]},
        {"code": "113000"},
        {"code": "http://dicom.nema.org/resources/ontology/DCM|113000"},
        {"status": "available"},
        {"_lastUpdated": str(day)},
        {"_sort": "-_lastUpdated"},
    ):
        assert found(api, **query) == [resource], query
    for query in (
        {"_id": f"{resource['id']}-2"},
        {"identifier": UID},
        {"patient": "Patient/99"},
        {"patient.identifier": NEAR_TWIN.patient_id},
        {"derived-from": "ImagingStudy/99"},
        {"study-uid": "1.2.3"},
        {"based-on": "ServiceRequest/order-99"},
        {"code": "113001"},
        {"code": "http://snomed.info/sct|113000"},
        {"status": "entered-in-error"},
        {"status": "unknown"},
        {"_lastUpdated": f"lt{day}"},
    ):
        assert found(api, **query) == [], query


@ON_SQLITE
def test_they_come_with_their_study_and_their_study_with_them(api: FlaskClient) -> None:
    def kinds(path: str) -> list[str]:
        return [one["resource"]["resourceType"] for one in api.get(f"/fhir/r5/{path}").json["entry"]]

    with_all = kinds("ImagingSelection?_include=*")
    assert with_all[0] == "ImagingSelection"
    assert set(with_all[1:]) == {"ImagingStudy", "Patient", "ServiceRequest"}
    assert kinds("ImagingStudy?_revinclude=ImagingSelection:derived-from") == ["ImagingStudy", "ImagingSelection"]


@ON_SQLITE
def test_r4_has_no_such_resource(api: FlaskClient) -> None:
    assert api.get("/fhir/r4/ImagingSelection").status_code == 404
    assert api.get("/fhir/r4/ImagingSelection/1").status_code == 404
    assert api.get("/fhir/r4/ImagingStudy?_revinclude=ImagingSelection:derived-from").status_code == 400
    told = {
        release: [one["type"] for one in api.get(f"/fhir/{release}/metadata").json["rest"][0]["resource"]]
        for release in ("r4", "r5")
    }
    assert ("ImagingSelection" in told["r4"], "ImagingSelection" in told["r5"]) == (False, True)


@ON_SQLITE
def test_a_batch_and_a_scope_read_them(console: Console, api: FlaskClient) -> None:
    asked = {"resourceType": "Bundle", "type": "batch"}
    asked |= {"entry": [{"request": {"method": "GET", "url": "ImagingSelection/1"}}]}
    narrow = console.machine(Role.SYSTEM, "system/ImagingSelection.r")
    (entry,) = narrow.post("/fhir/r5", json=asked).json["entry"]
    assert entry["resource"] == found(api)[0]
    assert narrow.get(HERE).status_code == 403
    assert console.machine(Role.SYSTEM, "system/ImagingStudy.rs").get(f"{HERE}/1").status_code == 403


@ON_SQLITE
def test_a_program_for_one_patient_sees_that_patients_alone(console: Console, api: FlaskClient) -> None:
    assert found(api)
    own, other = (
        console.machine(Role.SYSTEM, "fhir", f"patient/{one.patient_id}|RIVERSIDE") for one in (PLAIN, NEAR_TWIN)
    )
    assert [one["id"] for one in found(own)] == ["1"]
    assert (found(other), other.get(f"{HERE}/1").status_code) == ([], 404)


def test_rejected_images_are_told_no_more_and_the_last_ends_it(console: Console, api: FlaskClient) -> None:
    (before,) = found(api)
    one, _, three = slices()
    receive(console.house, note("113001", one, number=2))
    console.clock.at += timedelta(minutes=1)
    (left,) = found(api)
    assert [each["uid"] for each in left["instance"]] == [f"{UID}.1.3"]
    assert left["meta"]["versionId"] != before["meta"]["versionId"]
    receive(console.house, note("113001", three, number=3))
    console.clock.at += timedelta(minutes=1)
    assert found(api, status="available") == []
    (gone,) = found(api, status="entered-in-error")
    assert (gone["id"], gone["subject"], "instance" in gone) == (before["id"], before["subject"], False)
    assert faults_of("R5", gone) == ()


@ON_SQLITE
def test_a_study_that_is_nobodys_or_still_comes_in_has_none(console: Console, api: FlaskClient) -> None:
    assert found(api)
    decide(console, Ruling("unbind", "not hers", "user:kim"))
    assert (found(api), api.get(f"{HERE}/1").status_code) == ([], 404)
    say(console.house, order(PLAIN, "A3"))
    coming = image(PLAIN, "A3")
    receive(console.house, coming, note("113000", coming))
    assert found(api) == []
    console.clock.at += timedelta(minutes=1)
    assert [one["studyUid"] for one in found(api)] == [study_uid("A3")]


@ON_SQLITE
def test_in_another_persons_chart_it_is_another_resource(console: Console, api: FlaskClient) -> None:
    (before,) = found(api)
    decide(console, Ruling("unbind", "not hers", "user:kim"))
    decide(console, Ruling("bind", "asked the device", "user:kim", accession_number="A2"))
    (after,) = found(api)
    assert (before["id"], after["id"]) == ("1", "1-2")
    assert before["subject"] != after["subject"]
    assert (api.get(f"{HERE}/1").status_code, api.get(f"{HERE}/1-2").json) == (404, after)


@ON_SQLITE
def test_an_export_of_r5_has_them_as_they_are_when_it_is_read(console: Console, api: FlaskClient) -> None:
    wanted = {"Prefer": "respond-async"}
    assert api.get("/fhir/r4/$export?_type=ImagingSelection", headers=wanted).status_code == 400
    place = api.get("/fhir/r5/$export?_type=ImagingSelection", headers=wanted).headers["Content-Location"]
    house = console.house
    queue = ExportQueue(house.store, house.clock, page_maker(house.settings, house.clock), owner="one")
    while queue.work():
        pass
    (file,) = api.get(place).json["output"]
    assert orjson.loads(api.get(file["url"]).data) == found(api)[0]
    decide(console, Ruling("unbind", "not hers", "user:kim"))
    assert api.get(file["url"]).data == b""
