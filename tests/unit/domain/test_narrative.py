"""Texts for claims: within the limit of their place or refused, in X12's letters, and never a cut UID."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.narrative import (
    BASIC,
    LETTERS,
    LIMITS,
    Place,
    Says,
    Subject,
    basic_text,
    control_number,
    free_text,
    is_control_number,
    narrative,
)
from bridge.errors import Incomplete

LONGEST_UID = "1.2.826.0.1.3680043.8.498." + "1" * 38
NUMBER = control_number("authorization", 17, "line", 1)
SUBJECT = Subject(NUMBER, ("RA20260302-1", "RA20260302-2"), LONGEST_UID)


@pytest.mark.parametrize(
    ("place", "says", "text"),
    [
        (Place.LINE_NOTE, Says.STUDY_UID, f"DICOM STUDY {LONGEST_UID}"),
        (Place.LINE_NOTE, Says.CONTROL_NUMBER, f"IMAGES {NUMBER}"),
        (Place.CLAIM_NOTE, Says.ACCESSION, "IMG RA20260302-1 RA20260302-2"),
        (Place.LINE_DESCRIPTION, Says.ACCESSION, "IMG RA20260302-1 RA20260302-2"),
        (Place.REFERENCE, Says.CONTROL_NUMBER, NUMBER),
        (Place.EVIDENCE, Says.CONTROL_NUMBER, NUMBER),
        (Place.FORM_ITEM_19, Says.CONTROL_NUMBER, f"PWKRBEL{NUMBER}"),
        (Place.FORM_ITEM_19, Says.STUDY_UID, f"NTEADD{LONGEST_UID}"),
        (Place.FORM_LINE_24, Says.CONTROL_NUMBER, NUMBER),
    ],
)
def test_each_place_has_its_text(place: Place, says: Says, text: str) -> None:
    assert narrative(place, says, SUBJECT) == text
    assert len(text) <= LIMITS[place]


@pytest.mark.parametrize("place", [Place.REFERENCE, Place.EVIDENCE, Place.FORM_LINE_24])
def test_trap_13_a_uid_is_never_written_where_it_would_be_cut(place: Place) -> None:
    with pytest.raises(Incomplete) as caught:
        narrative(place, Says.STUDY_UID, SUBJECT)
    assert (caught.value.code, caught.value.where) == ("narrative_form", place)


@pytest.mark.parametrize("uid", ["", "1.2.x", "1..2", "1.2." + "3" * 61, "1.2.3 "])
def test_what_is_no_uid_is_not_written(uid: str) -> None:
    with pytest.raises(Incomplete):
        narrative(Place.LINE_NOTE, Says.STUDY_UID, Subject(study_instance_uid=uid))


def test_more_accessions_than_fit_are_refused_and_none_is_left_out() -> None:
    many = Subject(accession_numbers=tuple(f"RA2026030200{number}" for number in range(7)))
    with pytest.raises(Incomplete) as caught:
        narrative(Place.CLAIM_NOTE, Says.ACCESSION, many)
    assert caught.value.code == "too_long"


def test_a_number_that_holds_a_delimiter_in_use_is_refused() -> None:
    for text, delimiters in [("RA*1", "*^:~"), ("RA-1", "*^:-"), ("RÄ1", "*^:~")]:
        with pytest.raises(Incomplete) as caught:
            narrative(Place.REFERENCE, Says.ACCESSION, Subject(accession_numbers=(text,)), delimiters)
        assert caught.value.code == "character"


def test_typed_text_is_said_in_letters_that_x12_has() -> None:
    assert free_text("Señora’s  knie: größer – 2\nweeks*", Place.LINE_NOTE) == "SENORA'S KNIE GROSSER - 2 WEEKS"
    assert basic_text("Łódź Ærø") == "LODZ AERO"
    for text, code in [("李", "character"), ("a_b", "character"), (" * ", "empty"), ("x" * 81, "too_long")]:
        with pytest.raises(Incomplete) as caught:
            free_text(text, Place.LINE_NOTE)
        assert caught.value.code == code


def test_an_error_never_repeats_the_text() -> None:
    with pytest.raises(Incomplete) as caught:
        free_text("Halvorsen 李", Place.LINE_NOTE)
    assert "HALVORSEN" not in f"{caught.value} {caught.value.where}".upper()


@given(st.text(max_size=120), st.sampled_from(Place), st.sampled_from(["*^:~", "|>!\n", "+'-?"]))
def test_any_text_is_written_within_its_limit_or_refused(text: str, place: Place, delimiters: str) -> None:
    try:
        said = free_text(text, place, delimiters)
    except Incomplete:
        return
    assert 0 < len(said) <= LIMITS[place]
    assert BASIC.difference(delimiters).issuperset(said)
    assert said == free_text(said, place, delimiters)


UIDS = st.lists(st.integers(0, 10**9), min_size=1, max_size=9).map(lambda parts: ".".join(map(str, parts)))


@settings(max_examples=40)
@given(UIDS, st.sampled_from(Place))
def test_a_uid_is_written_whole_or_not_at_all(uid: str, place: Place) -> None:
    try:
        said = narrative(place, Says.STUDY_UID, Subject(study_instance_uid=uid))
    except Incomplete:
        return
    assert said.endswith(uid)
    assert len(said) <= LIMITS[place]


@given(st.lists(st.one_of(st.text(max_size=20), st.integers()), min_size=1, max_size=4), st.integers(12, 20))
def test_a_control_number_is_the_same_for_the_same_and_checks_itself(parts: list[str | int], length: int) -> None:
    number = control_number(*parts, length=length)

    assert number == control_number(*parts, length=length)
    assert len(number) == length
    assert set(LETTERS).issuperset(number)
    assert is_control_number(number)


@given(st.integers(0, 10**9), st.integers(0, 15), st.sampled_from(LETTERS))
def test_a_wrong_sign_is_noticed(key: int, place: int, sign: str) -> None:
    number = control_number("authorization", key)
    slipped = number[:place] + sign + number[place + 1 :]

    assert is_control_number(slipped) == (slipped == number)


def test_nearly_every_pair_that_changed_places_is_noticed() -> None:
    numbers = [control_number("authorization", key) for key in range(200)]
    turned = [n[:at] + n[at + 1] + n[at] + n[at + 2 :] for n in numbers for at in range(15) if n[at] != n[at + 1]]

    assert sum(map(is_control_number, turned)) < len(turned) / 200


def test_the_check_character_is_that_of_the_standard() -> None:
    assert is_control_number("A12425GABC1234002M")


def test_numbers_of_different_things_differ() -> None:
    numbers = {control_number("authorization", key, length=12) for key in range(2000)}

    assert len(numbers) == 2000
    assert control_number("1", 1) != control_number(1, "1")
    assert not is_control_number("short")
    assert not is_control_number("IMG-20260302-0001")


@pytest.mark.parametrize("length", [11, 21])
def test_a_control_number_has_twelve_to_twenty_characters(length: int) -> None:
    with pytest.raises(ValueError, match="12 to 20"):
        control_number("a", length=length)
