"""What runs from right to left stands on a page as it is read: joined, in order, broken where it ends."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from io import BytesIO
from itertools import islice, product

import pytest
from pypdf import PdfReader

from bridge.codecs.pdf.direction import base_of, in_visual_order, lines_of, runs_right_to_left
from bridge.codecs.pdf.packet_document import write_packet
from bridge.codecs.pdf.typefaces import width_of
from tests.unit.codecs.pdf.test_packet_document import PACKET, REPORT

ARABIC = "محمد الأحمد"
HEBREW = "יעל כהן"


def forms(text: str) -> list[int]:
    return [ord(one) for one in text]


def test_arabic_letters_are_joined_and_stand_from_right_to_left() -> None:
    # Dal final, meem medial, hah initial, lam-alef with hamza, alef; dal final, meem medial, hah medial, meem initial.
    said = [0xFEAA, 0xFEE4, 0xFEA3, 0xFEF7, 0xFE8D, 0x20, 0xFEAA, 0xFEE4, 0xFEA4, 0xFEE3]
    assert forms(in_visual_order(ARABIC, "R")) == said


def test_hebrew_stands_from_right_to_left_and_numbers_and_brackets_as_they_are_read() -> None:
    assert in_visual_order("(כהן 47) L4", "R") == "L4 (47 ןהכ)"
    assert in_visual_order("«כהן» <לוי> [a(ב)c]", "R") == "[c(ב)a] <יול> «ןהכ»"
    # What stands in brackets behind a name belongs to it (N0).
    assert in_visual_order("seen by כהן (47), twice", "L") == "seen by (47) ןהכ, twice"
    assert in_visual_order("1) כהן (x) 2) ((לוי))", "L") == "1) ןהכ (x) 2) ((יול))"


def test_nothing_steers_the_order_but_the_letters() -> None:
    assert in_visual_order("\u202eכהן\u202c \u2066L4\u2069", "R") == "L4 ןהכ"


def test_what_only_says_where_letters_join_draws_nothing() -> None:
    assert "\u200c" not in in_visual_order("گل\u200cمحمدی", "R")
    assert in_visual_order("گل\u200cمحمدی", "R") != in_visual_order("گلمحمدی", "R")


@pytest.mark.parametrize(
    ("text", "base", "is_any"),
    [
        (ARABIC, "R", True),
        ("1. " + HEBREW, "R", True),
        ("Findings: " + HEBREW, "L", True),
        ("山田", "L", False),
        ("", "L", False),
    ],
)
def test_a_paragraph_runs_as_its_first_letter_does(text: str, base: str, is_any: bool) -> None:
    assert (base_of(text), runs_right_to_left(text)) == (base, is_any)


def test_lines_are_broken_as_they_are_read_not_as_they_are_seen() -> None:
    first, last = lines_of("אחד שתים שלוש ארבע", 9, len)
    assert (first, last) == ("םיתש דחא", "עברא שולש")


def test_what_is_drawn_is_as_wide_as_what_was_measured() -> None:
    shown = in_visual_order(ARABIC, "R")
    assert width_of(shown, 10) == pytest.approx(width_of(shown, 20) / 2)
    assert width_of(shown, 10, is_strong=True) > width_of(shown, 10)
    assert width_of("\U0001f600", 10) == width_of("[U+1F600]", 10)


def test_a_name_and_a_report_print_as_they_are_read() -> None:
    text = f"النتائج: تضيق في القناة عند L4-L5 (صورة 47). {'كلمة ' * 60}\nFindings: {HEBREW} again."
    patient = replace(PACKET.patient, other_names=(ARABIC, HEBREW))
    packet = replace(PACKET, patient=patient, reports=(replace(REPORT, sections=(("الخلاصة", text),)),))
    raw = write_packet(packet, {})
    cover, report = [unicodedata.normalize("NFKC", one.extract_text()) for one in PdfReader(BytesIO(raw)).pages]
    # Who reads a page for its text turns what is seen back into what was written.
    assert ARABIC in cover
    assert HEBREW in cover
    assert re.search(rf"Findings: +{HEBREW} *again\.", report)
    assert report.index("النتائج") < report.index("Findings")
    assert "[U+" not in cover + report


def test_a_long_report_goes_over_pages_and_loses_no_line() -> None:
    words = ["".join(one) for one in islice(product("אבגדהוזחטיכלמנ", repeat=3), 2500)]
    packet = replace(PACKET, reports=(replace(REPORT, sections=(("ממצאים", " ".join(words)),)),))
    reader = PdfReader(BytesIO(write_packet(packet, {})))
    said = " ".join(page.extract_text() for page in reader.pages)
    assert len(reader.pages) > 2
    assert [one for one in words if one not in said] == []
