"""What people are told of images before they rely on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from bridge.domain.code import Code
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.image_warnings import in_words, warnings_of
from bridge.domain.oncology import OncologyRules
from bridge.domain.order import Order, StepStatus
from bridge.domain.study import ENCAPSULATED, Header

CT, US, SC, PDF = (f"1.2.840.10008.5.1.4.1.1.{last}" for last in ("2", "6.1", "7", "104.1"))
SYNTAX = "1.2.840.10008.1.2"
SOUND = Header(
    CT, "1.1", "1", "1.2", f"{SYNTAX}.1", rows=4, columns=4, samples_per_pixel=1, bits_allocated=16, pixel_bytes=32
)
ORDER = Order(
    0, 1, "A1", "", EntityIdentifier("P"), EntityIdentifier("F"), "R", "", StepStatus.SCHEDULED, ordered_at=datetime.min
)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (SOUND, ()),
        (replace(SOUND, lossy_image_compression="01"), ("lossy",)),
        (replace(SOUND, transfer_syntax_uid=f"{SYNTAX}.4.50", pixel_bytes=ENCAPSULATED), ("lossy",)),
        (replace(SOUND, transfer_syntax_uid=f"{SYNTAX}.4.91", pixel_bytes=ENCAPSULATED), ("lossy",)),
        (
            replace(
                SOUND, transfer_syntax_uid=f"{SYNTAX}.4.91", pixel_bytes=ENCAPSULATED, lossy_image_compression="00"
            ),
            (),
        ),
        (replace(SOUND, transfer_syntax_uid=f"{SYNTAX}.4.90", pixel_bytes=ENCAPSULATED), ()),
        (replace(SOUND, burned_in_annotation="YES"), ("burned_in",)),
        (replace(SOUND, sop_class_uid=US), ("may_be_burned_in",)),
        (replace(SOUND, sop_class_uid=SC, burned_in_annotation="NO"), ()),
        (replace(SOUND, pixel_bytes=None), ("no_pixels",)),
        (replace(SOUND, pixel_bytes=30), ("pixels_cut",)),
        (replace(SOUND, number_of_frames=2), ("pixels_cut",)),
        (replace(SOUND, samples_per_pixel=3, bits_allocated=8, pixel_bytes=32), ()),
        (replace(SOUND, rows=None, columns=None, pixel_bytes=None), ()),
        (replace(SOUND, sop_class_uid=PDF, rows=None, pixel_bytes=None), ("document",)),
        (replace(SOUND, faults=("digital_signature",)), ("signed",)),
        (replace(SOUND, transfer_syntax_uid="1.2.276.1"), ("unknown_syntax",)),
    ],
)
def test_an_object_is_flagged_for_what_its_header_says(header: Header, found: tuple[str, ...]) -> None:
    assert warnings_of(header) == found


def test_grave_warnings_come_first_and_say_how_many() -> None:
    said = in_words({"lossy": 1, "burned_in": 3}, 3, is_oncology=False)
    assert [(one.kind, one.is_grave) for one in said] == [("burned_in", True), ("lossy", False)]
    assert said[0].sentence.startswith("All images are marked as carrying text")
    assert said[1].sentence.startswith("1 of 3 images is lossy")


def test_lossy_images_of_an_oncology_exam_get_a_warning_of_their_own() -> None:
    (first, _) = in_words({"lossy": 2}, 5, is_oncology=True)
    assert (first.kind, first.is_grave) == ("lossy_follow_up", True)
    assert "2 of 5" in first.sentence
    assert in_words({}, 5, is_oncology=True) == []


@pytest.mark.parametrize(
    ("order", "follows"),
    [
        (ORDER, False),
        (replace(ORDER, details={"diagnoses_code": (Code("C50.911", "I10", ""),)}), True),
        (replace(ORDER, details={"diagnoses_code": (Code("D49.9", "ICD-10-CM", ""),)}), True),
        (replace(ORDER, details={"diagnoses_code": (Code("D50.0", "I10", "iron"),)}), False),
        (replace(ORDER, details={"diagnoses_code": (Code("C8957", "HCPCS", "infusion"),)}), False),
        (replace(ORDER, details={"admitting_diagnoses_code": (Code("Z85.3", "I10", ""),)}), True),
        (replace(ORDER, reason_for_the_requested_procedure="Restaging, RECIST 1.1"), True),
        (replace(ORDER, requested_procedure_description="CT chest/abdomen - tumour staging"), True),
        (replace(ORDER, reason_for_the_requested_procedure="upstaging the rocket"), False),
    ],
)
def test_codes_and_words_say_that_an_exam_follows_a_tumour(order: Order, follows: bool) -> None:
    assert OncologyRules().says_so(order) is follows
