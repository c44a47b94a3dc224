"""The drawn images are sound objects that show something."""

from __future__ import annotations

import struct
from datetime import datetime
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.filewriter import dcmwrite

from samples import make_images
from samples.exams import EXAMS, drawn

AT = datetime(2026, 3, 2, 8, 30)


@pytest.mark.parametrize("name", sorted(EXAMS))
def test_an_object_is_written_and_read_back_whole(name: str) -> None:
    header = make_images.typed("1", "Nobody^Invented", "19700101", "O", AT)
    first = next(iter(make_images.objects(EXAMS[name], header)))
    target = BytesIO()
    dcmwrite(target, first, enforce_file_format=True)

    again = dcmread(BytesIO(target.getvalue()))

    expected = again.Rows * again.Columns * again.SamplesPerPixel * again.BitsAllocated // 8
    assert len(again.PixelData) == expected
    assert again.Modality == EXAMS[name].modality


@pytest.mark.parametrize("name", sorted(EXAMS))
def test_a_picture_shows_more_than_one_shade(name: str) -> None:
    for series in EXAMS[name].series:
        picture = drawn(series)[0]
        kind = "B" if picture.bits == 8 else "h"
        values = struct.unpack(f"<{len(picture.samples) // struct.calcsize(kind)}{kind}", picture.samples)
        assert len(set(values)) > 50
        assert make_images.preview(picture).startswith(b"\x89PNG")


def test_the_ct_has_two_series_of_ordered_slices() -> None:
    found = list(make_images.objects(EXAMS["ct_chest"], make_images.typed("1", "Nobody^Invented", "", "O", AT)))
    places = {image.SeriesInstanceUID: [] for image in found}
    for image in found:
        places[image.SeriesInstanceUID].append(image.SliceLocation)

    assert len(places) == 2
    assert all(one == sorted(one, reverse=True) and len(set(one)) == len(one) for one in places.values())


def test_the_wrong_patients_images_name_the_twin() -> None:
    header = make_images.by_hand("03", AT)

    assert (header.PatientID, header.AccessionNumber) == ("00041004", "R26030203")
