"""A message is found by every number it carries, readable or not."""

from __future__ import annotations

import pytest

from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.numbers import numbers_of, numbers_of_unreadable
from bridge.domain.message import Term, TermKind

ORDER = (
    b"MSH|^~\\&|RIS|MERCYW|||20260302||ORM^O01|1|P|2.5.1\r"
    b"PID|1||00041001^^^RIVERSIDE^MR~77^^^&1.2.3&ISO^PI~88||HALVORSEN^INGRID" + b"|" * 13 + b"V-12\r"
    b"ORC|NW|p1^EHR|a1^RIS\rOBR|1|p1^EHR|a1^RIS" + b"|" * 15 + b"A1\r"
)
MERGE = b"MSH|^~\\&|RIS|MERCYW|||20260302||ADT^A40|1|P|2.5.1\rPID|1||1^^^M\rMRG|2^^^M~3^^^M\r"
BOOKING = b"MSH|^~\\&|RIS|MERCYW|||20260302||SIU^S12|1|P|2.5.1\rSCH|B7|F7\rPV1|1|O" + b"|" * 17 + b"V9\r"


def said(terms: tuple[Term, ...]) -> set[tuple[str, str, str]]:
    return {(term.kind.value, term.value, term.issuer) for term in terms}


@pytest.mark.parametrize("is_readable", [True, False])
def test_an_order_is_found_by_its_patient_its_visit_and_each_order_number_once(is_readable: bool) -> None:
    terms = numbers_of(er7.parse(ORDER), "MERCY") if is_readable else numbers_of_unreadable(ORDER, "MERCY")
    assert said(terms) == {
        ("patient", "00041001", "RIVERSIDE"),
        ("patient", "77", "MERCY"),
        ("patient", "88", "MERCY"),
        ("visit", "V-12", ""),
        ("order", "P1", ""),
        ("accession", "A1", ""),
    }


def test_a_merge_is_found_by_both_sides_and_a_booking_by_its_numbers() -> None:
    assert said(numbers_of(er7.parse(MERGE))) == {("patient", number, "M") for number in "123"}
    assert said(numbers_of(er7.parse(BOOKING))) == {("order", "B7", ""), ("order", "F7", ""), ("visit", "V9", "")}


@pytest.mark.parametrize(
    "raw",
    [
        ORDER.replace(b"INGRID", b"\xff\xfe"),
        ORDER.replace(b"ORC|", b"no segment\rORC|"),
        ORDER.replace(b"\r", b"\n"),
        ORDER + b"MSH|^~\\&|X\r",
    ],
)
def test_what_no_reader_takes_is_found_all_the_same(raw: bytes) -> None:
    assert {("patient", "00041001", "RIVERSIDE"), ("accession", "A1", "")} <= said(numbers_of_unreadable(raw))


@pytest.mark.parametrize("raw", [b"", b"MSH", b"\x00" * 50, b"MSH|^~\\&|\rPID|||" + b"~" * 100_000, b"PID" * 100_000])
def test_junk_has_no_numbers_and_takes_no_time(raw: bytes) -> None:
    assert numbers_of_unreadable(raw) == ()


def test_a_flood_of_numbers_is_cut_and_control_characters_never_reach_the_database() -> None:
    flood = b"MSH|^~\\&|R\rPID|||" + b"~".join(b"N%d^^^M" % n for n in range(5000))
    assert len(numbers_of_unreadable(flood)) == 200
    (term,) = numbers_of_unreadable(b"MSH|^~\\&|R\rPID|||4\x001\x1b2^^^M\r")
    assert term == Term(TermKind.PATIENT, "412", "M")
