"""Marked images as an ImagingSelection: what is said, and what no longer is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.codecs.fhir import imaging_selection
from bridge.codecs.fhir.elements import DCM
from bridge.domain.code import Code
from bridge.domain.key_images import KeySelection, SelectedImage
from tests.fakes.fhir_samples import HOUSE, KEY_IMAGES, LINKS, ORDER

MR = "1.2.840.10008.5.1.4.1.1.4.1"


def made(selection: KeySelection) -> dict[str, Any]:
    return imaging_selection.r5(selection, "ImagingStudy/5", ORDER, LINKS, HOUSE)


def test_the_images_of_one_series_are_told_with_it_their_study_order_and_frames() -> None:
    said = made(KEY_IMAGES)
    assert (said["status"], said["subject"]) == ("available", {"reference": "Patient/7"})
    assert (said["studyUid"], said["seriesUid"]) == ("2.25.77", "2.25.77.1")
    assert said["identifier"] == [{"system": "urn:dicom:uid", "value": "urn:oid:2.25.77.9.1"}]
    uid = {"system": "urn:dicom:uid", "value": "urn:oid:2.25.77"}
    assert said["derivedFrom"] == [{"reference": "ImagingStudy/5", "type": "ImagingStudy", "identifier": uid}]
    assert said["basedOn"][0]["reference"] == "ServiceRequest/9"
    assert said["code"]["coding"][0]["code"] == "113000"
    assert said["issued"] == "2026-03-02T10:15:30-05:00"
    assert said["endpoint"] == [{"reference": "Endpoint/3"}]
    first, second = said["instance"]
    assert (first["uid"], "subset" in first, second["subset"]) == ("2.25.77.1.1", False, ["1", "3"])
    assert second["sopClass"] == {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{MR}"}


def test_images_of_two_series_name_neither() -> None:
    other = SelectedImage("2.25.77.2", "2.25.77.2.1", MR)
    said = made(replace(KEY_IMAGES, images=(*KEY_IMAGES.images, other)))
    assert "seriesUid" not in said
    assert [one["uid"] for one in said["instance"]] == ["2.25.77.1.1", "2.25.77.1.2", "2.25.77.2.1"]


@pytest.mark.parametrize("gone", [{"withheld": "113001"}, {"images": ()}])
def test_what_was_rejected_is_an_error_without_its_images(gone: dict[str, Any]) -> None:
    said = made(replace(KEY_IMAGES, **gone))
    assert said["status"] == "entered-in-error"
    assert {"instance", "seriesUid", "endpoint"}.isdisjoint(said)


@pytest.mark.parametrize(
    ("title", "code"),
    [
        (Code(), {"coding": [{"system": DCM, "code": "113000", "display": "Of Interest"}]}),
        (Code("KEY", "99RIV", "Wichtig"), {"coding": [{"code": "KEY", "display": "Wichtig"}], "text": "Wichtig"}),
    ],
)
def test_a_title_that_is_missing_or_local_makes_nothing_up(title: Code, code: dict[str, Any]) -> None:
    said = made(replace(KEY_IMAGES, title=title))["code"]
    assert {name: said[name] for name in code} == code


@pytest.mark.parametrize("made_local", ["", "20260302", "2026"])
def test_without_a_time_of_day_there_is_no_instant(made_local: str) -> None:
    assert "issued" not in made(replace(KEY_IMAGES, made_local=made_local))
