"""What is copied onto a claim leads to the study, fits its place, and is never cut."""

from __future__ import annotations

import pytest

from bridge.codecs.x12.claim_text import ELECTRONIC, AttachedStudy, claim_text
from bridge.domain.attachment import control_number_of
from bridge.domain.authorization import Authorization, AuthorizationLine, AuthorizationStatus
from bridge.domain.narrative import LIMITS, Place, Says, is_control_number
from bridge.errors import Incomplete

UID = "1.2.840." + "9" * 56
NUMBER = control_number_of(7, UID)
STUDY = AttachedStudy(NUMBER, UID, "A-77120")


def held(number: str = "PA-778 120", *lines: AuthorizationLine, **more: AuthorizationStatus) -> Authorization:
    return Authorization(7, number, "60054", "Acme", 1, lines=lines, **more)


def test_a_line_says_the_control_number_and_the_segments_say_it_too() -> None:
    said = claim_text(held(), STUDY, Says.CONTROL_NUMBER)
    assert is_control_number(NUMBER)
    assert said.text == f"IMAGES {NUMBER}"
    assert said.segments == (f"PWK*RB*AA***AC*{NUMBER}~", "REF*G1*PA778120~", f"NTE*ADD*IMAGES {NUMBER}~")
    assert said.whole_claim_segments == said.segments


def test_evidence_that_we_send_ourselves_is_announced_as_electronic() -> None:
    study = AttachedStudy(NUMBER, UID, transmission=ELECTRONIC)
    assert claim_text(held(), study, Says.CONTROL_NUMBER).segments[0] == f"PWK*RB*EL***AC*{NUMBER}~"


def test_a_line_with_a_number_of_its_own_has_segments_of_its_own() -> None:
    lines = (AuthorizationLine("71260", number="PA-2"), AuthorizationLine("74177"))
    said = claim_text(held("PA-1", *lines), STUDY, Says.CONTROL_NUMBER)
    assert [(code, segments[1]) for code, segments in said.line_segments] == [("71260", "REF*G1*PA2~")]
    assert said.segments[1] == "REF*G1*PA1~"


@pytest.mark.parametrize("status", [AuthorizationStatus.DENIED, AuthorizationStatus.CANCELLED])
def test_a_number_that_grants_nothing_goes_on_no_claim(status: AuthorizationStatus) -> None:
    assert not [one for one in claim_text(held(status=status), STUDY, Says.CONTROL_NUMBER).segments if "REF" in one]


@pytest.mark.parametrize("says", list(Says))
def test_every_place_has_a_text_within_its_limit(says: Says) -> None:
    said = claim_text(held(), STUDY, says)
    assert {one.place for one in said.places} == set(Place)
    assert all(len(one.text) <= one.limit == LIMITS[one.place] for one in said.places)
    assert len(said.text) <= 80
    if says is Says.STUDY_UID:
        assert said.text == f"DICOM STUDY {UID}"
        assert {one.place for one in said.places if UID in one.text} == {
            Place.LINE_NOTE,
            Place.CLAIM_NOTE,
            Place.LINE_DESCRIPTION,
            Place.FORM_ITEM_19,
        }


def test_what_cannot_be_written_is_refused_whole() -> None:
    with pytest.raises(Incomplete):
        claim_text(held(), AttachedStudy(NUMBER, UID, "A" * 78), Says.ACCESSION)
    with pytest.raises(Incomplete):
        claim_text(held(), AttachedStudy(NUMBER, UID), Says.ACCESSION)
