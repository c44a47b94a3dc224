"""What is published is looked at before it leaves, as much of it as the site wants."""

from __future__ import annotations

import pytest

from bridge.codecs.fhir.check import faults_of
from bridge.errors import Incomplete
from bridge.publishers.validation import UNSEEN, Validation
from tests.fakes.fhir_samples import everything

STUDY = {
    "resourceType": "ImagingStudy",
    "status": "available",
    "subject": {"reference": "Patient/7"},
    "description": "HALVORSEN",
}
WRONG = STUDY | {"numberOfSeries": -1, "status": "HALVORSEN", "description": ""}
BOTH_VERSIONS = pytest.mark.parametrize("version", ["R4", "R5"])


@BOTH_VERSIONS
def test_what_is_sound_leaves_whatever_the_site_wants(version: str) -> None:
    assert faults_of(version, STUDY) == ()
    assert Validation(strict=True).checked(version, STUDY) is STUDY


@BOTH_VERSIONS
def test_a_strict_site_never_sends_what_is_invalid_and_says_where(version: str) -> None:
    with pytest.raises(Incomplete) as caught:
        Validation(strict=True).checked(version, WRONG)
    assert caught.value.code == "invalid_resource"
    for element in ("numberOfSeries", "status", "description"):
        assert f"ImagingStudy.{element}: " in str(caught.value)
    assert "HALVORSEN" not in str(caught.value)


@BOTH_VERSIONS
def test_a_sample_is_looked_at_and_sent(version: str) -> None:
    assert Validation(share=0.5, chance=lambda: 0.4).checked(version, WRONG) is WRONG
    assert UNSEEN.checked(version, WRONG) is WRONG


def test_what_is_no_kind_of_resource_is_told() -> None:
    assert faults_of("R4", {"resourceType": "Surprise"}) == ("Surprise: no kind of resource",)
    assert faults_of("R5", {}) == ("resourceType: no kind of resource",)


@BOTH_VERSIONS
def test_everything_that_we_write_is_sound(version: str) -> None:
    assert [faults for one in everything(version)[:12] if (faults := faults_of(version, one))] == []
