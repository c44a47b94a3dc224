"""What an ImagingStudy says, in both versions; fhir.resources is the judge of form."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import fhir.resources
import fhir.resources.R4B
import pytest

from bridge.codecs.fhir import imaging_study as codec
from bridge.codecs.fhir import patient, r4, r5, server
from bridge.codecs.fhir.elements import date_time, display_name
from bridge.codecs.fhir.imaging_study import House, build, laid_over, withdrawn
from bridge.codecs.fhir.references import Links
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Order, StepStatus
from bridge.domain.patient import Patient
from bridge.domain.study import Instance, Series, Study, StudyContents, StudyState
from tests.fakes.clinic import CT_STORAGE, EXPLICIT_LITTLE, header_of

Json = dict[str, Any]

NEW_YORK = ZoneInfo("America/New_York")
UID = "2.25.77"
LINKS = Links("Patient/7", "ServiceRequest/9", ("Endpoint/3",), "2.25.5")
MODELS = {"R4": fhir.resources.R4B, "R5": fhir.resources}
CODECS = {"R4": r4, "R5": r5}


def system_of(issuer: str) -> str:
    return f"urn:example:{issuer}"


HOUSE = House(NEW_YORK, system_of)
ORDER = Order(
    key=1,
    patient_key=1,
    accession_number="A1",
    issuer_of_accession_number="RIS",
    placer_order_number=EntityIdentifier("P1", "EHR"),
    filler_order_number=EntityIdentifier("F1", "RIS"),
    requested_procedure_id="R1",
    study_instance_uid=UID,
    status=StepStatus.COMPLETED,
    requested_procedure_description="CT CHEST",
    referring_physician_name="BRANDT^EVA^MARIE^DR",
)


def contents(series: int = 1, instances: int = 2, **changes: Any) -> StudyContents:
    """A study; *changes* go into each of its series."""
    study = Study(1, UID, StudyState.BOUND, header_of(UID, 1, 1), "CT1", False, patient_key=1)
    rows, groups = [], {}
    for number in range(1, series + 1):
        said = {"modality": "CT", "series_number": number, "series_description": "Axial", "series_date": "20260302"}
        rows.append(Series(number, 1, f"{UID}.{number}", **(said | changes)))
        groups[number] = tuple(
            Instance(
                key=number * 10_000 + each,
                study_key=1,
                series_key=number,
                sop_instance_uid=f"{UID}.{number}.{each}",
                sop_class_uid=CT_STORAGE,
                transfer_syntax_uid=EXPLICIT_LITTLE,
                blob="",
                digest="",
                size_bytes=1,
                instance_number=each,
            )
            for each in range(1, instances + 1)
        )
    return StudyContents(study, tuple(rows), groups)


def written(version: str, found: StudyContents, order: Order | None = ORDER, links: Links = LINKS) -> Json:
    """Return the resource, judged."""
    resource: Json = CODECS[version].imaging_study(build(found, order, links, HOUSE))
    judge(version, resource)
    return resource


def judge(version: str, resource: Json) -> None:
    MODELS[version].get_fhir_model_class(resource["resourceType"]).model_validate(resource)


VERSIONS = pytest.mark.parametrize("version", ["R4", "R5"])


@VERSIONS
def test_a_whole_study_is_valid_and_says_everything(version: str) -> None:
    said = written(version, contents(2, 3, body_part_examined="CHEST", laterality="L", series_time="101500"))
    assert said["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}
    assert said["identifier"][1]["value"] == "A1"
    assert (said["numberOfSeries"], said["numberOfInstances"]) == (2, 6)
    assert said["referrer"] == {"type": "Practitioner", "display": "DR EVA MARIE BRANDT"}
    first = said["series"][0]
    assert (first["uid"], first["number"], first["numberOfInstances"]) == (f"{UID}.1", 1, 3)
    assert first["started"] == "2026-03-02T10:15:00-05:00"
    assert first["instance"][0]["sopClass"]["code"] == f"urn:oid:{CT_STORAGE}"


def test_r4_has_codings_where_r5_has_concepts() -> None:
    found = contents(1, 1, body_part_examined="KNEE", laterality="R")
    old, new = written("R4", found)["series"][0], written("R5", found)["series"][0]
    assert old["modality"]["code"] == "CT"
    assert new["modality"]["coding"][0]["code"] == "CT"
    assert old["bodySite"]["code"] == "72696002"
    assert new["bodySite"]["concept"]["coding"][0]["code"] == "72696002"
    assert new["laterality"]["coding"] == [old["laterality"]]


@VERSIONS
def test_a_bare_study_leaves_out_what_it_does_not_know(version: str) -> None:
    found = contents(1, 1, modality="", series_number=None, series_description="", series_date="")
    bare = replace(
        found.study.received, study_date="", study_time="", study_description="", referring_physician_name=""
    )
    said = written(version, replace(found, study=replace(found.study, received=bare)), None, Links("Patient/7"))
    assert set(said) == {
        "resourceType", "identifier", "status", "subject", "numberOfSeries", "numberOfInstances", "modality", "series"
    }  # fmt: skip
    assert set(said["series"][0]) == {"uid", "numberOfInstances", "instance", "modality"}


def test_what_a_person_corrected_is_said_as_the_objects_leave() -> None:
    corrected = {"StudyDescription": "CT CHEST", "ReferringPhysicianName": "ODA^KENJI"}
    said = CODECS["R4"].imaging_study(build(contents(), ORDER, LINKS, HOUSE, corrected))
    assert (said["description"], said["referrer"]["display"]) == ("CT CHEST", "KENJI ODA")
    erased = CODECS["R4"].imaging_study(build(contents(), None, LINKS, HOUSE, dict.fromkeys(corrected, "")))
    assert {"description", "referrer"} & set(erased) == set()


def test_the_accession_number_is_the_orders_and_never_the_headers() -> None:
    assert [one["value"] for one in written("R4", contents(), None)["identifier"]] == [f"urn:oid:{UID}", "2.25.5"]


@VERSIONS
def test_an_order_without_a_resource_is_named_by_its_number(version: str) -> None:
    (reference,) = written(version, contents(), ORDER, Links("Patient/7"))["basedOn"]
    assert "reference" not in reference
    assert reference["identifier"]["value"] == "A1"


@pytest.mark.parametrize("number", [-1, 2**31, 2**40])
def test_a_number_that_fhir_cannot_hold_is_left_out(number: int) -> None:
    assert "number" not in written("R4", contents(1, 1, series_number=number))["series"][0]


def test_a_series_without_objects_is_not_listed() -> None:
    found = contents(2, 2)
    said = written("R4", replace(found, instances={1: found.instances[1], 2: ()}))
    assert (said["numberOfSeries"], len(said["series"])) == (1, 1)


def test_a_study_of_thousands_is_told_by_its_counts() -> None:
    said = written("R4", contents(2, codec.MAX_LISTED_INSTANCES))
    assert said["numberOfInstances"] == 2 * codec.MAX_LISTED_INSTANCES
    assert all("instance" not in one for one in said["series"])


@pytest.mark.parametrize(
    ("date", "time", "said"),
    [
        ("20260302", "101530.123", "2026-03-02T10:15:30-05:00"),
        ("20260302", "1015", "2026-03-02T10:15:00-05:00"),
        ("20260702", "101530", "2026-07-02T10:15:30-04:00"),
        ("20260302", "", "2026-03-02"),
        ("20260302", "10", "2026-03-02"),
        ("20260302", "256199", "2026-03-02"),
        ("20260302", "101560", "2026-03-02T10:15:59-05:00"),
        ("20260230", "101530", ""),
        ("", "101530", ""),
    ],
)
def test_a_time_is_said_with_its_zone_and_never_made_up(date: str, time: str, said: str) -> None:
    assert date_time(date, time, NEW_YORK) == said


@pytest.mark.parametrize(
    ("offset", "ending"), [("+0100", "+01:00"), ("-0330", "-03:30"), ("", "-05:00"), ("x", "-05:00")]
)
def test_the_devices_own_offset_goes_before_the_houses_zone(offset: str, ending: str) -> None:
    found = contents()
    received = replace(found.study.received, timezone_offset_from_utc=offset)
    said = written("R4", replace(found, study=replace(found.study, received=received)))
    assert said["started"].endswith(ending)


@pytest.mark.parametrize(
    ("term", "code"),
    [
        ("CHEST", "816094009"),
        ("Thorax", "816094009"),
        ("torax", "816094009"),
        ("C_SPINE", "122494005"),
        ("cervical spine", "122494005"),
        ("Abd_Pel", "818982008"),
        ("whole body", "38266002"),
        ("LIVER", "10200004"),
    ],
)
def test_a_body_part_is_found_however_it_is_written(term: str, code: str) -> None:
    assert written("R4", contents(1, 1, body_part_examined=term))["series"][0]["bodySite"]["code"] == code


@VERSIONS
def test_an_unknown_body_part_keeps_its_words_without_a_code(version: str) -> None:
    site = written(version, contents(1, 1, body_part_examined="LEFT FOO"))["series"][0]["bodySite"]
    assert site == ({"display": "LEFT FOO"} if version == "R4" else {"concept": {"text": "LEFT FOO"}})


@pytest.mark.parametrize(("retired", "now"), [("EC", "US"), ("DF", "RF"), ("", "OT"), ("ct", "CT"), ("SEG", "SEG")])
def test_a_retired_modality_becomes_the_one_that_took_its_place(retired: str, now: str) -> None:
    assert written("R4", contents(1, 1, modality=retired))["modality"][0]["code"] == now


def test_each_modality_is_named_once() -> None:
    assert len(written("R4", contents(3, 1))["modality"]) == 1


def test_control_characters_do_not_leave() -> None:
    assert written("R4", contents(1, 1, series_description=" a\x00b\x1b "))["series"][0]["description"] == "a b"


@pytest.mark.parametrize(
    ("name", "said"),
    [("BRANDT^EVA^^DR", "DR EVA BRANDT"), ("=山田^太郎", "太郎 山田"), ("BRANDT", "BRANDT"), ("^^^^", ""), ("", "")],
)
def test_a_name_is_shown_as_it_is_said(name: str, said: str) -> None:
    assert display_name(name) == said


@VERSIONS
def test_what_others_wrote_stays_and_what_was_ours_goes(version: str) -> None:
    ours = written(version, contents())
    standing = ours | {
        "id": "5",
        "meta": {"versionId": "3", "tag": [{"code": "x"}]},
        "note": [{"text": "seen"}],
        "description": "old",
        "identifier": [
            *ours["identifier"],
            {"system": "urn:ehr", "value": "77"},
            {"type": {"coding": [{"code": "ACSN"}]}, "system": "urn:old", "value": "A0"},
        ],
    }
    said = laid_over(standing, ours)
    judge(version, said)
    assert said["note"] == [{"text": "seen"}]
    assert said["meta"] == {"tag": [{"code": "x"}]}
    assert said["description"] == "CT chest"
    assert [one["value"] for one in said["identifier"]] == [f"urn:oid:{UID}", "A1", "2.25.5", "77"]


@VERSIONS
def test_the_placement_that_a_resource_was_made_with_stays_when_none_is_given(version: str) -> None:
    standing = written(version, contents()) | {"id": "5"}
    said = laid_over(standing, written(version, contents(), ORDER, Links("Patient/7")))
    assert "2.25.5" in [one["value"] for one in said["identifier"]]


@VERSIONS
def test_a_withdrawn_study_keeps_its_subject_and_loses_its_endpoints(version: str) -> None:
    standing = written(version, contents()) | {"id": "5"}
    standing["series"][0]["endpoint"] = [{"reference": "Endpoint/3"}]
    said = withdrawn(standing)
    judge(version, said)
    assert (said["status"], said["subject"]) == ("entered-in-error", {"reference": "Patient/7"})
    assert "endpoint" not in said
    assert not {"series", "numberOfSeries", "numberOfInstances", "description"} & said.keys()


@VERSIONS
def test_a_patient_with_three_spellings_is_valid(version: str) -> None:
    record = Patient(
        1,
        (PatientIdentifier("00041003", "RIVERSIDE", "MR"),),
        patient_name="YAMADA^TARO=山田^太郎=やまだ^たろう",
        patient_birth_date="19660221",
        patient_sex="M",
    )
    said = patient.patient(record, system_of)
    judge(version, said)
    assert [one["family"] for one in said["name"]] == ["YAMADA", "山田", "やまだ"]
    assert (said["gender"], said["birthDate"]) == ("male", "1966-02-21")


@VERSIONS
def test_a_servers_own_answers_are_valid(version: str) -> None:
    software = server.Software("Imaging Bridge", "0.1.0", datetime(2026, 3, 2, tzinfo=UTC).date().isoformat())
    base_url = "https://bridge.example.org/fhir/r4"
    offer = server.Offer("ImagingStudy", ("read", "search-type"), {"identifier": "token"})
    judge(version, server.capability_statement(version, base_url, software, [offer]))
    judge(version, server.operation_outcome("not-found", "no such study"))
    study = written(version, contents()) | {"id": "5"}
    links = {"self": f"{base_url}/ImagingStudy"}
    judge(version, server.searchset(base_url, [study], 1, links))
    judge(version, server.searchset(base_url, [], 0, links))
