"""Every resource beside ImagingStudy: what it says, and that fhir.resources takes it in both versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fhir.resources
import fhir.resources.R4B
import pytest

from bridge.codecs.fhir import endpoint, people, procedure, provenance
from bridge.codecs.fhir.elements import period
from bridge.domain.performed import PerformedStatus
from tests.fakes.fhir_samples import ATTRIBUTES, HOUSE, LINKS, MPPS, ORDER, everything

Json = dict[str, Any]
MODELS = {"R4": fhir.resources.R4B, "R5": fhir.resources}
SAMPLES = [
    pytest.param(version, resource, id=f"{version}-{number}-{resource['resourceType']}")
    for version in MODELS
    for number, resource in enumerate(everything(version))
]


@pytest.mark.parametrize(("version", "resource"), SAMPLES)
def test_what_is_written_is_valid(version: str, resource: Json) -> None:
    MODELS[version].get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_a_performed_step_says_who_did_what_when() -> None:
    said = procedure.r4(procedure.build(MPPS, ATTRIBUTES, ORDER, LINKS, HOUSE))
    assert said["status"] == "completed"
    assert said["identifier"] == [{"system": "urn:dicom:uid", "value": "urn:oid:2.25.900"}]
    assert said["performedPeriod"] == {"start": "2026-03-02T10:15:00-05:00", "end": "2026-03-02T10:30:00-05:00"}
    assert said["code"] == {"coding": [{"code": "CTCHEST", "display": "CT Chest"}], "text": "CT chest with contrast"}
    assert [one["actor"]["display"] for one in said["performer"]] == ["KENJI ODA", "ANA RUIZ", "CT1"]
    assert said["encounter"]["identifier"]["value"] == "V1"


@pytest.mark.parametrize(
    ("status", "series", "said"),
    [
        (PerformedStatus.IN_PROGRESS, False, "in-progress"),
        (PerformedStatus.COMPLETED, True, "completed"),
        (PerformedStatus.DISCONTINUED, True, "stopped"),
        (PerformedStatus.DISCONTINUED, False, "not-done"),
    ],
)
def test_what_was_stopped_before_anything_was_acquired_was_not_done(
    status: PerformedStatus, series: bool, said: str
) -> None:
    step = replace(MPPS, status=status, referenced_instances=())
    assert procedure.build(step, ATTRIBUTES if series else {}, None, LINKS, HOUSE).status == said


def test_an_end_before_its_start_is_left_out() -> None:
    assert period("2026-03-02T10:00:00-05:00", "2026-03-01") == {"start": "2026-03-02T10:00:00-05:00"}


def test_performers_of_a_series_are_told_by_its_uid() -> None:
    (found,) = people.performers_by_series([ATTRIBUTES], HOUSE.system_of).items()
    assert (found[0], [one["display"] for one in found[1]]) == ("2.25.77.1", ["KENJI ODA", "ANA RUIZ", "ANA RUIZ"])


@pytest.mark.parametrize("hostile", [{"00400340": 3}, {"00400340": {"Value": "x"}}, {"00081032": {"Value": [1, None]}}])
def test_attributes_of_no_form_say_nothing(hostile: Json) -> None:
    assert procedure.build(MPPS, hostile, None, LINKS, HOUSE).code == {"text": "Imaging procedure"}


def test_a_rule_is_no_agent_and_a_person_is() -> None:
    said = next(one for one in everything("R4") if one["resourceType"] == "Provenance")
    assert [one["type"]["coding"][0]["code"] for one in said["agent"]] == ["assembler", "verifier"]
    assert said["agent"][0]["onBehalfOf"]["display"] == "Riverside Imaging"
    assert said["entity"][0]["what"]["identifier"]["value"] == "MSG00001"
    assert said["reason"][0]["coding"][0]["code"] == provenance.Why.SAFETY.value


@pytest.mark.parametrize(
    "address",
    [
        "https://x.example.org/dicom-web/",
        "https://x.example.org/dicom-web/studies",
        "https://x.example.org/dicom-web?a=b",
    ],
)
def test_an_address_of_images_is_their_base_alone(address: str) -> None:
    assert endpoint.build(endpoint.Connection.WADO_RS, address, "x").address == "https://x.example.org/dicom-web"


@pytest.mark.parametrize(("action", "client"), [("fhir_read", "110152"), ("fhir_searched", "110153")])
def test_a_read_goes_to_the_client_and_a_search_comes_from_it(action: str, client: str) -> None:
    row = next(
        one
        for one in everything("R4")
        if one["resourceType"] == "AuditEvent"
        and one["subtype"][0]["code"] == {"fhir_read": "read", "fhir_searched": "search-type"}[action]
    )
    assert row["agent"][1]["type"]["coding"][0]["code"] == client
    assert row["agent"][1]["network"] == {"address": "10.0.0.7", "type": "2"}
    assert [one["requestor"] for one in row["agent"]].count(True) == 1


def test_an_action_without_a_kind_of_its_own_is_still_told() -> None:
    said = next(one for one in everything("R5") if one.get("code", {}).get("coding", [{}])[0].get("code") == "new")
    assert said["resourceType"] == "AuditEvent"
