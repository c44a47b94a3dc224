from __future__ import annotations

from typing import Any

import pytest

from bridge.codecs.fhir.claim import StudyOnClaim, holds_number, with_study, without_study

Json = dict[str, Any]

STUDY = StudyOnClaim("2.25.1", "ImagingStudy/5", "CT chest", ("71260",))


def claim(**more: Any) -> Json:
    return {"resourceType": "Claim", "id": "1", "use": "preauthorization", "status": "active"} | more


def test_the_claim_that_was_handed_in_is_not_changed() -> None:
    before = claim(supportingInfo=[])
    with_study(before, STUDY)
    assert before == claim(supportingInfo=[])


def test_naming_a_study_twice_changes_nothing() -> None:
    once = with_study(claim(item=[{"sequence": 1}]), STUDY)
    assert with_study(once, STUDY) == once


def test_a_new_resource_of_the_study_keeps_the_entrys_sequence() -> None:
    once = with_study(claim(supportingInfo=[{"sequence": 7, "category": {"text": "x"}}]), STUDY)
    again = with_study(once, StudyOnClaim("2.25.1", "ImagingStudy/6", "CT chest"))
    assert [one["sequence"] for one in again["supportingInfo"]] == [7, 8]
    assert again["supportingInfo"][1]["valueReference"]["reference"] == "ImagingStudy/6"


def test_an_entry_of_somebody_else_for_the_same_resource_is_taken_over() -> None:
    theirs = {"sequence": 2, "category": {"text": "scan"}, "valueReference": {"reference": "ImagingStudy/5"}}
    said = with_study(claim(supportingInfo=[theirs]), STUDY)
    assert [(one["sequence"], one["category"]) for one in said["supportingInfo"]] == [(2, {"text": "scan"})]


def test_without_known_codes_every_line_refers_to_the_study() -> None:
    said = with_study(claim(item=[{"sequence": 1}, {"sequence": 2}]), StudyOnClaim("2.25.1", "ImagingStudy/5", ""))
    assert [item["informationSequence"] for item in said["item"]] == [[1], [1]]


@pytest.mark.parametrize(
    "said",
    [
        {"identifier": [{"system": "urn:x", "value": "PA 778-120"}]},
        {"insurance": [{"preAuthRef": ["other", "pa778120"]}]},
    ],
)
def test_a_number_is_found_however_it_was_typed(said: Json) -> None:
    assert holds_number(claim(**said), "PA-778120")
    assert not holds_number(claim(**said), "PA-778121")


@pytest.mark.parametrize("said", [{"identifier": "PA1"}, {"insurance": [None, {"preAuthRef": None}]}, {}])
def test_a_claim_of_odd_shape_has_no_number(said: Json) -> None:
    assert not holds_number(claim(**said), "PA1")


@pytest.mark.parametrize(
    "before",
    [
        claim(item=[{"sequence": 1}, {"sequence": 2, "productOrService": {"coding": [{"code": "71260"}]}}]),
        claim(
            supportingInfo=[{"sequence": 4, "category": {"text": "notes"}, "valueString": "MRI before"}],
            item=[{"sequence": 1, "productOrService": {"coding": [{"code": "71260"}]}, "informationSequence": [4]}],
        ),
        claim(),
    ],
)
def test_a_study_that_is_taken_off_leaves_the_claim_as_it_was(before: Json) -> None:
    assert without_study(with_study(before, STUDY), StudyOnClaim("2.25.1", "", "")) == before


def test_another_study_stays_on_the_claim() -> None:
    named = with_study(claim(item=[{"sequence": 1}]), StudyOnClaim("2.25.2", "ImagingStudy/6", "MR"))
    assert without_study(named, STUDY) == named
