"""What an ImagingStudy says beside identifiers, counts and times: persons, codes, places, and that it has only begun."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.codecs.fhir import people, r4, r5
from bridge.codecs.fhir.imaging_study import ImagingStudyContent, announced, begun, build, laid_over
from bridge.codecs.fhir.references import Links
from bridge.domain.code import Code
from bridge.domain.performed import PerformedStatus
from bridge.domain.study import HeaderDetails, StudyContents
from tests.fakes.fhir_samples import ATTRIBUTES, HOUSE, LINKS, MPPS, ORDER
from tests.unit.codecs.fhir.test_imaging_study import VERSIONS, contents, judge

Json = dict[str, Any]
CODECS = {"R4": r4, "R5": r5}
DETAILS = HeaderDetails(
    procedure_code=Code("CTCHEST", "99RIS", "CT Chest"),
    reading_physicians=("ODA^KENJI",),
    department="Radiology",
    anatomic_region=Code("T-D3000", "SRT", "Chest"),
    performing_physicians=("BRANDT^EVA",),
    operators=("RUIZ^ANA",),
    specimens=("S-1",),
)


def detailed(details: HeaderDetails = DETAILS, **changes: Any) -> StudyContents:
    found = contents(1, 2, **({"details": details} | changes))
    received = replace(found.study.received, details=details)
    return replace(found, study=replace(found.study, received=received))


def said(version: str, content: ImagingStudyContent) -> Json:
    resource: Json = CODECS[version].imaging_study(content)
    judge(version, resource)
    return resource


def test_r4_says_all_rows_of_the_mapping() -> None:
    ways = ("Endpoint/3", "Endpoint/8")
    links = replace(LINKS, endpoints=ways, procedures=("Procedure/2",), series_endpoints={"2.25.77.1": "Endpoint/6"})
    study = said("R4", build(detailed(), ORDER, links, HOUSE))
    assert study["encounter"] == {
        "type": "Encounter",
        "identifier": {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "VN"}]},
            "system": "urn:example:EHR",
            "value": "V1",
        },
        "reference": "Encounter/4",
    }
    assert study["interpreter"] == [{"type": "Practitioner", "display": "KENJI ODA"}]
    assert study["endpoint"] == [{"reference": "Endpoint/3"}, {"reference": "Endpoint/8"}]
    assert study["procedureReference"] == {"reference": "Procedure/2"}
    assert study["procedureCode"][0]["coding"] == [{"code": "CTCHEST", "display": "CT Chest"}]
    assert study["location"] == {"type": "Location", "display": "Radiology"}
    assert study["reasonCode"] == [{"text": "cough"}]
    (series,) = study["series"]
    assert series["endpoint"] == [{"reference": "Endpoint/6"}]
    assert series["specimen"] == [{"type": "Specimen", "identifier": {"value": "S-1"}}]
    assert [(one["function"]["coding"][0]["code"], one["actor"]["display"]) for one in series["performer"]] == [
        ("PRF", "EVA BRANDT"),
        ("PRF", "ANA RUIZ"),
    ]


def test_r5_says_the_same_where_it_has_room() -> None:
    links = replace(LINKS, procedures=("Procedure/2", "Procedure/3"))
    study = said("R5", build(detailed(), ORDER, links, HOUSE))
    assert {"interpreter", "procedureCode", "procedureReference", "reasonCode"} & set(study) == set()
    assert study["partOf"] == [{"reference": "Procedure/2"}, {"reference": "Procedure/3"}]
    assert study["procedure"][0]["concept"]["coding"][0]["code"] == "CTCHEST"
    assert study["reason"] == [{"concept": {"text": "cough"}}]


@VERSIONS
def test_what_images_do_not_say_of_the_procedure_the_order_does(version: str) -> None:
    study = said(version, build(detailed(HeaderDetails()), ORDER, LINKS, HOUSE))
    codes = study["procedureCode"] if version == "R4" else [one["concept"] for one in study["procedure"]]
    assert codes[0]["coding"][0]["code"] == "71260"


@VERSIONS
def test_performed_steps_name_who_performed_a_series(version: str) -> None:
    study = said(version, build(detailed(HeaderDetails()), ORDER, LINKS, HOUSE, performed=[ATTRIBUTES]))
    assert [one["actor"]["display"] for one in study["series"][0]["performer"]] == ["KENJI ODA", "ANA RUIZ"]


@pytest.mark.parametrize(
    ("region", "part", "code"),
    [
        (Code("T-D3000", "SRT", "Chest"), "HEAD", "816094009"),
        (Code("T-A0100", "SNM3", "Brain"), "HEAD", "12738006"),
        (Code("12738006", "SCT", "Brain"), "HEAD", "12738006"),
        (Code("X1", "99LOCAL", "Somewhere"), "HEAD", "69536005"),
        (Code("T-NOTHING", "SRT", ""), "HEAD", "69536005"),
    ],
)
def test_a_coded_region_goes_before_a_term(region: Code, part: str, code: str) -> None:
    found = detailed(HeaderDetails(anatomic_region=region), body_part_examined=part)
    assert said("R4", build(found, ORDER, LINKS, HOUSE))["series"][0]["bodySite"]["code"] == code


@pytest.mark.parametrize(("sides", "code"), [(("L", "L"), "7771000"), (("L", "R"), None), (("", ""), None)])
def test_the_side_of_the_images_counts_only_if_all_agree(sides: tuple[str, str], code: str | None) -> None:
    found = contents(1, 2)
    images = tuple(replace(one, image_laterality=side) for one, side in zip(found.instances[1], sides, strict=True))
    (series,) = said("R4", build(replace(found, instances={1: images}), ORDER, LINKS, HOUSE))["series"]
    assert series.get("laterality", {}).get("code") == code


@VERSIONS
def test_a_site_says_from_how_many_on_instances_are_only_counted(version: str) -> None:
    study = said(version, build(contents(2, 2), ORDER, LINKS, replace(HOUSE, listed_max=3)))
    assert study["numberOfInstances"] == 4
    assert all("instance" not in one for one in study["series"])


@VERSIONS
def test_a_study_that_has_begun_says_nothing_that_each_image_would_change(version: str) -> None:
    first = said(version, begun(detailed(), ORDER, LINKS, HOUSE))
    later = said(version, begun(contents(3, 9), ORDER, LINKS, HOUSE))
    assert first["status"] == later["status"] == "registered"
    assert {"series", "numberOfSeries", "numberOfInstances", "endpoint"} & (set(first) | set(later)) == set()
    assert first["modality"] == later["modality"]


@VERSIONS
def test_what_a_modality_has_begun_is_announced_without_any_instance(version: str) -> None:
    step = replace(MPPS, status=PerformedStatus.IN_PROGRESS)
    study = said(version, announced(step, ORDER, LINKS, HOUSE))
    assert (study["status"], study["started"]) == ("registered", "2026-03-02T10:15:00-05:00")
    assert study["identifier"][0]["value"] == "urn:oid:2.25.77"
    assert {"series", "numberOfSeries", "numberOfInstances", "endpoint"} & set(study) == set()
    assert study["description"] == "CT CHEST"


@VERSIONS
def test_a_study_that_becomes_whole_takes_the_place_of_its_announcement(version: str) -> None:
    standing = said(version, announced(MPPS, ORDER, LINKS, HOUSE)) | {"id": "5"}
    whole = said(version, build(detailed(), ORDER, LINKS, HOUSE))
    assert laid_over(standing, whole) == whole | {"id": "5"}


def test_a_visit_that_the_order_no_more_names_is_taken_out() -> None:
    standing = said("R4", build(detailed(), ORDER, LINKS, HOUSE)) | {"id": "5"}
    assert "encounter" not in laid_over(standing, said("R4", build(detailed(), None, Links("Patient/7"), HOUSE)))


NPI = Code("1234567893", "NPI", "BRANDT EVA L DR MD")
NUMBERED = replace(
    ORDER,
    requesting_physician="BRANDT^EVA^L^DR^MD",
    referring_physician_name="",
    details={"requesting_physician_code": (NPI,)},
)


@VERSIONS
def test_who_asked_is_named_by_number_where_it_came_with_the_name(version: str) -> None:
    referrer = said(version, build(detailed(), NUMBERED, LINKS, HOUSE))["referrer"]
    assert (referrer["identifier"]["system"], referrer["identifier"]["value"]) == (people.NPI, "1234567893")
    assert (referrer["type"], referrer["display"]) == ("Practitioner", "DR EVA L BRANDT MD")
    local = replace(NUMBERED, details={"requesting_physician_code": (replace(NPI, coding_scheme_designator="EHR"),)})
    identifier = said(version, build(detailed(), local, LINKS, HOUSE))["referrer"]["identifier"]
    assert identifier == {"system": "urn:example:EHR", "value": "1234567893"}


@pytest.mark.parametrize(
    "change",
    [
        {"requesting_physician": "ODA^KENJI"},
        {"details": {"requesting_physician_code": (replace(NPI, coding_scheme_designator=""),)}},
        {"details": {"requesting_physician_code": (replace(NPI, code_meaning=""),)}},
        {"details": {}},
    ],
)
def test_nobody_is_given_a_number_that_may_be_anothers_or_of_no_known_issuer(change: dict[str, Any]) -> None:
    referrer = said("R4", build(detailed(), replace(NUMBERED, **change), LINKS, HOUSE))["referrer"]
    assert set(referrer) == {"type", "display"}


def test_a_name_that_a_person_corrected_is_told_and_keeps_the_number_only_of_the_same_name() -> None:
    same = said("R4", build(detailed(), NUMBERED, LINKS, HOUSE, {"ReferringPhysicianName": "BRANDT^EVA^L^DR^MD"}))
    other = said("R4", build(detailed(), NUMBERED, LINKS, HOUSE, {"ReferringPhysicianName": "ODA^KENJI"}))
    erased = said("R4", build(detailed(), NUMBERED, LINKS, HOUSE, {"ReferringPhysicianName": ""}))
    assert "identifier" in same["referrer"]
    assert other["referrer"] == {"type": "Practitioner", "display": "KENJI ODA"}
    assert "referrer" not in erased
