"""Versions of what is served, and `$validate`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.codecs.fhir.imaging_study import CANCELLED, ENTERED_IN_ERROR, withdrawn
from bridge.domain.accounts import Role
from bridge.domain.chart import OWN, Cause, Whose, Why
from bridge.store import chart_versions, chart_withdrawals, splits
from bridge.store.chart_versions import Standing
from bridge.store.splits import Split
from tests.fakes.console import Console
from tests.unit.web.test_api import UID, bind


@pytest.fixture
def served(console: Console) -> Console:
    console.order()
    bind(console)
    console.clock.at += timedelta(minutes=1)
    return console


@pytest.fixture
def api(served: Console) -> FlaskClient:
    return served.machine(Role.SYSTEM)


def keep(console: Console, said: dict[str, Any]) -> None:
    """Keep what is served of the study now, as the worker does."""
    standing = Standing(OWN, "ImagingStudy/1", {"R4": said, "R5": said})
    with console.store.write() as tx:
        chart_versions.keep(tx, standing, Whose(1, 1), Why(Cause.EVENT, "", "an image came"), console.clock.now())


def test_every_version_is_read_again_as_it_was_served(served: Console, api: FlaskClient) -> None:
    first = api.get("/fhir/r4/ImagingStudy/1").json
    assert first["meta"]["versionId"] == "1"
    alone = api.get("/fhir/r4/ImagingStudy/1/_history").json
    assert [one["resource"]["meta"]["versionId"] for one in alone["entry"]] == ["1"]
    keep(served, first)
    served.clock.at += timedelta(minutes=1)
    keep(served, first | {"description": "another"})
    served.clock.at += timedelta(minutes=1)
    keep(served, withdrawn(first, CANCELLED))

    bundle = api.get("/fhir/r4/ImagingStudy/1/_history").json
    assert [one["response"]["etag"] for one in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert [one["request"]["method"] for one in bundle["entry"]] == ["PUT", "PUT", "POST"]
    now = api.get("/fhir/r4/ImagingStudy/1")
    assert (now.headers["ETag"], now.json["status"]) == ('W/"3"', "cancelled")
    assert now.json["subject"] == first["subject"]
    second = api.get("/fhir/r4/ImagingStudy/1/_history/2")
    assert (second.json["description"], second.headers["ETag"]) == ("another", 'W/"2"')
    assert api.get("/fhir/r4/ImagingStudy/1/_history/1").json["status"] == "available"
    for missing in ("1/_history/9", "1/_history/x", "7/_history", "7/_history/1"):
        assert api.get(f"/fhir/r4/ImagingStudy/{missing}").status_code == 404
    page = api.get("/fhir/r4/ImagingStudy/1/_history?_count=2").json
    following = next(one["url"] for one in page["link"] if one["relation"] == "next")
    rest = api.get(following.partition("localhost")[2].partition("/fhir")[1] + following.partition("/fhir")[2]).json
    assert [one["resource"]["meta"]["versionId"] for one in rest["entry"]] == ["1"]
    newest = api.get(f"/fhir/r4/ImagingStudy/1/_history?_since={served.clock.now():%Y-%m-%dT%H:%M:%SZ}").json
    assert len(newest["entry"]) == 1
    assert api.get("/fhir/r4/ImagingStudy/1/_history?_since=then").status_code == 400


def test_nothing_is_told_again_of_a_study_that_was_in_the_wrong_chart(served: Console, api: FlaskClient) -> None:
    first = api.get("/fhir/r4/ImagingStudy/1").json
    keep(served, first)
    body = {"action": "unbind", "reason": "somebody else's"}
    assert served.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=body).status_code == 200
    now = api.get("/fhir/r4/ImagingStudy/1").json
    assert (now["status"], now["subject"]) == (ENTERED_IN_ERROR, first["subject"])
    bundle = api.get("/fhir/r4/ImagingStudy/1/_history").json
    versions = [now, *(one["resource"] for one in bundle["entry"])]
    versions += [api.get(f"/fhir/r5/ImagingStudy/1/_history/{number}").json for number in ("1", "2")]
    assert [one["status"] for one in versions] == [ENTERED_IN_ERROR] * 2 + ["available", "available", ENTERED_IN_ERROR]
    for one in versions:
        assert set(one) <= {"resourceType", "id", "meta", "status", "subject", "identifier"}
        assert all(each["system"] == "urn:dicom:uid" for each in one.get("identifier", ()))


def test_what_was_split_off_is_named_by_no_version_of_the_rest(served: Console, api: FlaskClient) -> None:
    first = api.get("/fhir/r4/ImagingStudy/1").json
    keep(served, first)
    gone = first["series"][0]["uid"]
    served.clock.at += timedelta(minutes=1)
    part = served.clinic.study("2.25.5", 1, 1)
    with served.store.write() as tx:
        old = [one for one, series, _ in splits.chosen(tx, 1, [gone]) if series.series_instance_uid == gone]
        new = [one for one, _, __ in splits.chosen(tx, part.key, ["2.25.5.1"])]
        split = Split(0, 1, part.key, 1, 0, served.clock.now(), "user:maria", "two people on one list")
        splits.add(tx, split, [(one.key, new[0].key) for one in old])
    for path in ("ImagingStudy/1", "ImagingStudy/1/_history", "ImagingStudy/1/_history/1"):
        said = api.get(f"/fhir/r4/{path}")
        assert said.status_code == 200
        assert gone not in said.text


def test_a_study_that_somebody_took_out_of_every_chart_is_an_error_there(served: Console, api: FlaskClient) -> None:
    with served.store.write() as tx:
        chart_withdrawals.add(tx, 1, "user:maria", "not a diagnostic study", served.clock.now())
    assert api.get("/fhir/r4/ImagingStudy/1").json["status"] == "entered-in-error"
    assert api.get("/fhir/r4/ImagingStudy?status=available").json["total"] == 0
    assert api.get(f"/fhir/r4/ImagingStudy?identifier={UID}").json["total"] == 1


def issues(api: FlaskClient, path: str, body: object) -> list[tuple[str, str]]:
    answer = api.post(f"/fhir/{path}", json=body, content_type="application/fhir+json")
    assert (answer.status_code, answer.json["resourceType"]) == (200, "OperationOutcome"), answer.text
    return [(one["code"], one.get("expression", [""])[0]) for one in answer.json["issue"]]


def test_a_resource_is_judged_and_nothing_is_stored(api: FlaskClient) -> None:
    fine = [("informational", "")]
    for release in ("r4", "r5"):
        study = api.get(f"/fhir/{release}/ImagingStudy/1").json
        assert issues(api, f"{release}/ImagingStudy/$validate", study) == fine
        wrapped = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": study}]}
        assert issues(api, f"{release}/$validate", wrapped) == fine
        bad = {**study, "status": "finished"}
        assert issues(api, f"{release}/ImagingStudy/$validate", bad) == [("code-invalid", "ImagingStudy.status")]
        lacking = {name: value for name, value in study.items() if name != "subject"} | {"colour": "red"}
        assert sorted(issues(api, f"{release}/$validate", lacking)) == [
            ("required", "ImagingStudy.subject"),
            ("structure", "ImagingStudy.colour"),
        ]
    assert issues(api, "r4/$validate", {"resourceType": "Nonsense"}) == [("not-supported", "resourceType")]
    other = api.post("/fhir/r4/Patient/$validate", json={"resourceType": "ImagingStudy"})
    assert (other.status_code, other.json["resourceType"]) == (400, "OperationOutcome")
    assert api.post("/fhir/r4/$validate", json=[]).status_code == 400
    assert api.post("/fhir/r4/$validate", data=b"<x/>", content_type="application/fhir+xml").status_code == 415
