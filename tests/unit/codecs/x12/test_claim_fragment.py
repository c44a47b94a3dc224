"""837P fragments: what they put into a claim, an independent reader of the guide accepts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.codecs.x12.claim_fragment import described, for_claim, for_line
from bridge.codecs.x12.facts import Evidence
from bridge.codecs.x12.segments import Segment
from bridge.domain.narrative import Place, Says, Subject, control_number, narrative
from bridge.errors import Incomplete
from tests.unit.codecs.x12.claims import claim_with
from tests.unit.codecs.x12.judge import complaints
from tests.unit.codecs.x12.payers import FILMS, REPORT, STUDY_UID

SUBJECT = Subject(control_number("authorization", 1), ("RA20260302-1",), STUDY_UID)
TEN = tuple(replace(FILMS, control_number=f"IMG{number:09}") for number in range(10))


def test_the_claim_itself_is_accepted(tmp_path: Path) -> None:
    assert complaints(claim_with(), tmp_path) == []


@pytest.mark.parametrize("says", Says)
def test_a_claim_with_authorization_evidence_and_note_is_accepted(tmp_path: Path, says: Says) -> None:
    claim = for_claim("EP-AUTH 001", (FILMS, REPORT), narrative(Place.CLAIM_NOTE, says, SUBJECT))
    line = for_line([("EP-AUTH-002", ""), ("A3", "EAST02")], (FILMS,), narrative(Place.LINE_NOTE, says, SUBJECT))

    assert complaints(claim_with(claim, line), tmp_path) == []


def test_ten_pieces_of_evidence_and_the_longest_texts_are_accepted(tmp_path: Path) -> None:
    fragments = (for_claim("1" * 50, TEN, "N" * 80), for_line([("2" * 50, "")], TEN, "N" * 80))
    service = described(Segment("SV1*HC:76499*650*UN*1***1"), "D" * 80)

    assert complaints(claim_with(*fragments, service=service), tmp_path) == []


def test_the_reader_would_not_accept_what_we_refuse(tmp_path: Path) -> None:
    eleven = claim_with(for_claim(evidence=TEN), for_claim(evidence=(FILMS,)))
    longer = claim_with(for_claim(note="N" * 80)).replace(b"N" * 80, b"N" * 81)
    described_longer = described(Segment("SV1*HC:76499*650*UN*1***1"), "D" * 80)
    unlisted = claim_with(service=described_longer).replace(b"D" * 80, b"D" * 81)

    assert all(complaints(raw, tmp_path) for raw in (eleven, longer, unlisted))


def test_a_number_stands_on_a_claim_without_blanks_and_hyphens() -> None:
    assert for_claim("EP-AUTH 001").text == "REF*G1*EPAUTH001~"
    assert for_line([("A-3", "EAST02")]).text == "REF*G1*A3**2U:EAST02~"


def test_a_fragment_is_copied_with_one_segment_on_each_line() -> None:
    assert (
        for_line([("A3", "")], (FILMS,), "IMAGES K7").text
        == "PWK*RB*EL***AC*IMG20260302K7QX4~\nREF*G1*A3~\nNTE*ADD*IMAGES K7~"
    )


def test_a_description_leaves_the_rest_of_its_service_as_it_was() -> None:
    service = Segment("SV1*HC:76499:26:TC*650*UN*1***1:2")

    assert described(service, "IMG RA1").text == "SV1*HC:76499:26:TC:::IMG RA1*650*UN*1***1:2"


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (for_claim, "loop 2300"),
        (lambda: for_claim(" - "), "REF02"),
        (lambda: for_claim("X" * 51), "loop 2300, REF02"),
        (lambda: for_claim(note="N" * 81), "loop 2300, NTE02"),
        (lambda: for_claim(evidence=(*TEN, FILMS)), "loop 2300, PWK"),
        (lambda: for_line([("A1", "")] * 6), "loop 2400, REF"),
        (lambda: for_line(evidence=(Evidence("RB", "EL", "C"),)), "loop 2400, PWK06"),
        (lambda: for_line(note="A*B"), "NTE02"),
        (lambda: described(Segment("SV1*HC:76499*650"), "D" * 81), "837p-sv101-7, SV101-7"),
        (lambda: described(Segment("SV2*0320"), "D"), "SV101-7"),
    ],
)
def test_what_a_claim_does_not_take_is_refused_and_never_cut(make: object, where: str) -> None:
    assert callable(make)
    with pytest.raises(Incomplete) as caught:
        make()
    assert caught.value.where == where
