"""Colour, frames, planes, size and form of a picture; and the reasons for none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from bridge.errors import Incomplete, Malformed, Unsupported
from bridge.pictures.colours import unfold_segments
from bridge.pictures.wish import Wish
from tests.fakes.drawn import drawn, image, shades, shown

COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [128, 128, 128]]], dtype=np.uint8)
YBR = np.array([[[76, 85, 255], [150, 44, 21]], [[29, 255, 107], [128, 128, 128]]], dtype=np.uint8)


def near(found: object, wanted: np.ndarray, by: int = 2) -> bool:
    return bool(np.all(np.abs(np.asarray(found, dtype=int) - wanted.astype(int)) <= by))


def test_red_green_and_blue_are_shown_as_they_are() -> None:
    assert shown(image(COLOURS, "RGB")) == COLOURS.tolist()


def test_planes_of_colour_are_put_together() -> None:
    planes = np.moveaxis(COLOURS, -1, 0)
    made = image(COLOURS, "RGB", PlanarConfiguration=1, PixelData=planes.tobytes())
    assert shown(made) == COLOURS.tolist()


def test_luminance_and_chrominance_become_colours() -> None:
    assert near(shown(image(YBR, "YBR_FULL")), COLOURS)


def test_chrominance_of_every_second_pixel_becomes_colours() -> None:
    pairs = bytes([76, 76, 85, 255, 29, 29, 255, 107])
    made = image(COLOURS, "YBR_FULL_422", PixelData=pairs)
    assert near(shown(made), np.array([[[255, 0, 0]] * 2, [[0, 0, 255]] * 2]))


def test_colours_of_sixteen_bits_are_shown_by_their_upper_half() -> None:
    assert shown(image(COLOURS.astype(np.uint16) << 8, "RGB")) == COLOURS.tolist()


def test_a_palette_gives_each_index_its_colour() -> None:
    made = _palette(np.array([[0, 1, 2]], dtype=np.uint8))
    assert shown(made) == [[[0, 0, 255], [10, 0, 245], [255, 255, 0]]]


def test_a_segmented_palette_is_unfolded() -> None:
    # A discrete segment of two, a line of three up to 8, and both once more.
    words = [0, 2, 0, 2, 1, 3, 8, 2, 2, 0, 0]
    found = unfold_segments(np.array(words, dtype=np.uint16), 10)
    assert found.tolist() == [0, 2, 4, 6, 8, 0, 2, 4, 6, 8]


@pytest.mark.parametrize("words", [[2, 65535, 0, 0] * 70_000, [9, 9, 9, 9]])
def test_a_segmented_palette_that_makes_no_sense_ends(words: list[int]) -> None:
    with pytest.raises(Malformed):
        unfold_segments(np.array(words, dtype=np.uint16), 65536)


def test_single_bits_are_black_and_white_in_every_frame() -> None:
    frames = np.array([[[1, 0, 1]], [[0, 1, 0]], [[1, 1, 0]]], dtype=np.uint8)
    made = image(frames, NumberOfFrames=3, BitsAllocated=1, BitsStored=1, HighBit=0)
    made.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes() + b"\0" * 0
    made.PixelData += b"\0" * (len(made.PixelData) % 2)
    for frame in (1, 2, 3):
        assert shown(made, Wish(frame=frame)) == (frames[frame - 1] * 255).tolist()


def test_the_middle_frame_stands_for_all_unless_the_header_names_one() -> None:
    frames = np.zeros((5, 2, 2), dtype=np.uint8)
    made = image(frames, NumberOfFrames=5)
    assert (drawn(made).frame, drawn(made).frames) == (3, 5)
    made.RepresentativeFrameNumber = 5
    assert drawn(made).frame == 5


def test_a_frame_that_is_not_there_is_an_error_of_the_wish() -> None:
    with pytest.raises(Incomplete) as found:
        drawn(image(COLOURS, "RGB"), Wish(frame=2))
    assert found.value.code == "no_such_frame"


def test_an_overlay_plane_is_drawn_in_white() -> None:
    made = image(np.zeros((2, 4), dtype=np.uint8))
    made.add_new(0x60000010, "US", 1)
    made.add_new(0x60000011, "US", 2)
    made.add_new(0x60000050, "SS", [2, 3])
    made.add_new(0x60000100, "US", 1)
    made.add_new(0x60000102, "US", 0)
    made.add_new(0x60003000, "OW", b"\3\0")
    assert shown(made) == [[0, 0, 0, 0], [0, 0, 255, 255]]


def test_an_overlay_plane_that_claims_more_than_it_holds_is_left_out() -> None:
    made = image(np.zeros((2, 2), dtype=np.uint8))
    made.add_new(0x60000010, "US", 60000)
    made.add_new(0x60000011, "US", 60000)
    made.add_new(0x60003000, "OW", b"\3\0")
    assert shown(made) == [[0, 0], [0, 0]]


def test_pixels_that_are_not_square_are_made_so() -> None:
    made = image(np.zeros((10, 10), dtype=np.uint8), PixelAspectRatio=[2, 1])
    assert (drawn(made).width, drawn(made).height) == (10, 20)
    made = image(np.zeros((10, 10), dtype=np.uint8), PixelSpacing=[0.5, 1.0])
    assert (drawn(made).width, drawn(made).height) == (20, 10)


@pytest.mark.parametrize(("enlarge", "size"), [(False, (100, 50)), (True, (200, 100))])
def test_a_picture_fits_into_its_box_and_grows_only_if_asked(enlarge: bool, size: tuple[int, int]) -> None:
    made = image(np.zeros((50, 100), dtype=np.uint8))
    picture = drawn(made, Wish(width=200, height=200, enlarge=enlarge))
    assert (picture.width, picture.height) == size
    picture = drawn(made, Wish(width=20, height=20))
    assert (picture.width, picture.height) == (20, 10)


def test_a_picture_comes_as_jpeg_when_asked() -> None:
    picture = drawn(image(COLOURS, "RGB"), Wish(kind="image/jpeg", quality=50))
    assert Image.open(io.BytesIO(picture.content)).format == "JPEG"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_uncompressed_form_gives_the_same_picture(syntax: str) -> None:
    pixels = np.arange(0, 60000, 1000, dtype=np.uint16).reshape(6, 10)
    made = image(pixels.astype(">u2") if syntax == ExplicitVRBigEndian else pixels)
    assert shades(drawn(made, syntax=syntax)).tolist() == shown(image(pixels))


def test_a_jpeg_stored_as_colour_is_not_taken_for_luminance() -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), (200, 30, 30), dtype=np.uint8)).save(out, "JPEG", quality=95)
    made = image(np.zeros((16, 16, 3), dtype=np.uint8), "YBR_FULL_422", PixelData=encapsulate([out.getvalue()]))
    found = shades(drawn(made, syntax="1.2.840.10008.1.2.4.50"))
    assert near(found[8, 8], np.array([200, 30, 30]), 6)


def no_picture(dataset: Dataset, syntax: str = "1.2.840.10008.1.2.1") -> Unsupported:
    with pytest.raises(Unsupported) as found:
        drawn(dataset, syntax=syntax)
    return found.value


def test_a_report_has_no_picture_and_says_what_it_is() -> None:
    made = image(COLOURS, "RGB", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.22")
    del made.PixelData
    assert no_picture(made).detail == "no picture: a structured report"


def test_a_video_has_no_still() -> None:
    made = image(COLOURS, "RGB", PixelData=encapsulate([b"\0\0\1\xb3"]))
    assert no_picture(made, "1.2.840.10008.1.2.4.102").code == "video"


def test_an_encoding_without_decoder_is_named() -> None:
    made = image(COLOURS, "RGB", PixelData=encapsulate([b"\0\0\1\xb3"]))
    assert no_picture(made, "1.2.840.10008.1.2.4.95").code == "unsupported_syntax"


def test_too_few_pixels_are_damage() -> None:
    assert no_picture(image(COLOURS, "RGB", Rows=3)).code == "damaged_pixels"


def test_a_frame_that_would_fill_the_memory_is_refused_by_its_header() -> None:
    assert no_picture(image(COLOURS, "RGB", Rows=65535, Columns=65535)).code == "too_large"


def _palette(indices: np.ndarray) -> Dataset:
    made = image(indices, "PALETTE COLOR")
    tables = {"Red": [0, 10, 255], "Green": [0, 0, 255], "Blue": [255, 245, 0]}
    for colour, entries in tables.items():
        made.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [3, 0, 16])
        wide = np.array(entries, dtype=np.uint16) * 257
        made.add_new(f"{colour}PaletteColorLookupTableData", "OW", wide.tobytes())
    return made
