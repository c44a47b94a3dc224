"""Versions of what is served, and `$validate`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.codecs.fhir.imaging_study import ENTERED_IN_ERROR, withdrawn
from bridge.domain.accounts import Role
from bridge.domain.chart import OWN, Cause, Whose, Why
from bridge.store import chart_versions, chart_withdrawals
from bridge.store.chart_versions import Standing
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
    keep(served, withdrawn(first, ENTERED_IN_ERROR))

    bundle = api.get("/fhir/r4/ImagingStudy/1/_history").json
    assert [one["response"]["etag"] for one in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert [one["request"]["method"] for one in bundle["entry"]] == ["PUT", "PUT", "POST"]
    now = api.get("/fhir/r4/ImagingStudy/1")
    assert (now.headers["ETag"], now.json["status"]) == ('W/"3"', "entered-in-error")
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
