"""Grey: rescale, windows, tables, padding, sense. Expected values are worked out from PS3.3 C.11."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from bridge.pictures.wish import Window, Wish
from tests.fakes.drawn import drawn, image, shown

RAMP = np.array([[0, 50, 100, 150, 200]], dtype=np.uint16)


def table(first: int, bits: int, entries: list[int]) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = entries
    item["LUTData"].VR = "US"
    item.LUTExplanation = "NORMAL"
    return Sequence([item])


def test_a_linear_window_spreads_its_width_over_black_to_white() -> None:
    made = image(RAMP, WindowCenter=100.5, WindowWidth=101)
    assert shown(made) == [[0, 0, 128, 255, 255]]


def test_a_window_of_one_is_a_threshold() -> None:
    made = image(RAMP, WindowCenter=100.5, WindowWidth=1)
    assert shown(made) == [[0, 0, 0, 255, 255]]


def test_an_exact_window_reaches_white_at_its_end() -> None:
    made = image(RAMP, WindowCenter=100, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    assert shown(made) == [[0, 0, 128, 255, 255]]


def test_a_sigmoid_window_never_cuts() -> None:
    made = image(RAMP, WindowCenter=100, WindowWidth=100, VOILUTFunction="SIGMOID")
    low, high = 255 / (1 + np.exp(4.0)), 255 / (1 + np.exp(-4.0))
    assert shown(made) == [[round(low), 30, 128, 225, round(high)]]


def test_a_window_is_in_the_units_that_rescaling_gives() -> None:
    made = image(RAMP, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=-799.5, WindowWidth=101)
    assert shown(made) == [[0, 0, 128, 255, 255]]


def test_monochrome1_is_drawn_light_for_low() -> None:
    made = image(RAMP, "MONOCHROME1", WindowCenter=100.5, WindowWidth=101)
    assert shown(made) == [[255, 255, 128, 0, 0]]


def test_the_window_that_is_asked_for_wins_over_the_header() -> None:
    made = image(RAMP, WindowCenter=100.5, WindowWidth=101)
    picture = drawn(made, Wish(window=Window(0.5, 1)))
    assert picture.window == Window(0.5, 1)
    assert shown(made, Wish(window=Window(0.5, 1))) == [[0, 255, 255, 255, 255]]


def test_the_header_offers_its_windows_by_name() -> None:
    made = image(RAMP, WindowCenter=[100.5, 10], WindowWidth=[101, 1], WindowCenterWidthExplanation=["SOFT", "BONE"])
    picture = drawn(made, Wish(preset=1))
    assert [one.explanation for one in picture.presets] == ["SOFT", "BONE"]
    assert picture.window == Window(10, 1, "LINEAR", "BONE")


def test_a_table_of_interest_says_each_shade() -> None:
    made = image(np.array([[9, 10, 11, 12]], dtype=np.uint16), VOILUTSequence=table(10, 8, [0, 100, 255]))
    assert shown(made) == [[0, 0, 100, 255]]


def test_a_table_of_sixteen_bits_that_holds_twelve_is_not_drawn_black() -> None:
    made = image(np.array([[0, 1, 2]], dtype=np.uint16), VOILUTSequence=table(0, 16, [0, 2048, 4095]))
    assert shown(made) == [[0, 128, 255]]


def test_a_modality_table_comes_before_the_window() -> None:
    made = image(np.array([[0, 1, 2]], dtype=np.uint16), WindowCenter=100.5, WindowWidth=101)
    made.ModalityLUTSequence = table(0, 16, [0, 100, 200])
    assert shown(made) == [[0, 128, 255]]


def test_without_a_window_the_values_that_are_there_make_one_and_padding_does_not() -> None:
    pixels = np.array([[-2000, -2000, 0, 500, 1000]], dtype=np.int16)
    made = image(pixels, PixelPaddingValue=-2000)
    made["PixelPaddingValue"].VR = "SS"
    found = shown(made)
    assert found[0][:2] == [0, 0]
    assert found[0][2] < 5
    assert abs(found[0][3] - 128) <= 1
    assert found[0][4] > 250


def test_a_padding_range_is_black_in_monochrome1_too() -> None:
    pixels = np.array([[0, 1, 2, 1000]], dtype=np.uint16)
    made = image(pixels, "MONOCHROME1", PixelPaddingValue=0, PixelPaddingRangeLimit=2)
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        made[keyword].VR = "US"
    assert shown(made)[0][:3] == [0, 0, 0]


def test_eight_bits_without_a_window_are_shown_as_they_are() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert shown(image(pixels)) == pixels.tolist()


def test_a_frame_of_one_value_has_a_picture() -> None:
    assert drawn(image(np.full((4, 4), 700, dtype=np.uint16))).width == 4


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_a_window_that_spans_nothing_is_passed_over(width: float) -> None:
    made = image(RAMP, WindowCenter=100, WindowWidth=width)
    assert shown(made)[0][0] == 0
    assert shown(made)[0][-1] == 255


def test_bits_beyond_those_stored_are_no_part_of_the_picture() -> None:
    made = image(np.array([[0xF000, 0xF800]], dtype=np.uint16), BitsStored=12, HighBit=11)
    made.WindowCenter, made.WindowWidth = 0.5, 1
    assert shown(made) == [[0, 255]]


def test_signed_pixels_of_twelve_bits_keep_their_sign() -> None:
    made = image(np.array([[0x0FFF, 0x0001]], dtype=np.uint16), BitsStored=12, HighBit=11, PixelRepresentation=1)
    made.WindowCenter, made.WindowWidth = 0.5, 1
    assert shown(made) == [[0, 255]]


def test_thirty_two_bits_and_floats_have_pictures() -> None:
    made = image(np.array([[0, 1 << 20, 1 << 21]], dtype=np.uint32))
    assert shown(made)[0][1] in (127, 128)
    made = image(np.zeros((1, 3), dtype=np.uint16))
    del made.PixelData
    made.BitsAllocated = 32
    made.FloatPixelData = np.array([[0.0, 0.5, 1.0]], dtype=np.float32).tobytes()
    assert shown(made)[0][1] in (127, 128)


def test_the_window_of_its_own_frame_is_drawn() -> None:
    made = image(np.stack([RAMP, RAMP]), NumberOfFrames=2)
    made.PerFrameFunctionalGroupsSequence = Sequence([_group(100.5, 101), _group(0.5, 1)])
    assert drawn(made, Wish(frame=1)).window == Window(100.5, 101)
    assert drawn(made, Wish(frame=2)).window == Window(0.5, 1)


def test_what_all_frames_share_holds_where_a_frame_says_nothing() -> None:
    made = image(np.stack([RAMP, RAMP]), NumberOfFrames=2)
    made.SharedFunctionalGroupsSequence = Sequence([_group(0.5, 1)])
    made.PerFrameFunctionalGroupsSequence = Sequence([Dataset(), Dataset()])
    assert drawn(made, Wish(frame=2)).window == Window(0.5, 1)


def _group(center: float, width: float) -> Dataset:
    window, group = Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = center, width
    group.FrameVOILUTSequence = Sequence([window])
    return group
