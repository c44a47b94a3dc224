"""Frames of pixels as they lie in a file. PS3.5 8.1.1, A.4."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from bridge.codecs.dicom.frames import open_pixels
from bridge.errors import Malformed
from tests.cast import PLAIN, image
from tests.fakes.image_store import write

FRAMES = [bytes([number]) * (10 + 2 * number) for number in range(5)]


def frames_of(path: Path) -> list[bytes]:
    with open_pixels(path) as pixels:
        one_by_one = [next(pixels.frames([number])) for number in range(1, pixels.number_of_frames + 1)]
        assert [*pixels.frames()] == one_by_one
        with pytest.raises(LookupError):
            next(pixels.frames([pixels.number_of_frames + 1]))
    return one_by_one


def packed(path: Path, number_of_frames: int, pixels: bytes) -> Dataset:
    dataset = image(PLAIN, "A1")
    dataset.NumberOfFrames = number_of_frames
    dataset.PixelData = pixels
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return dataset


@pytest.mark.parametrize("has_table", [True, False])
def test_fragments_become_frames_with_and_without_a_table(tmp_path: Path, has_table: bool) -> None:
    dataset = packed(tmp_path, 5, encapsulate(FRAMES, has_bot=has_table))
    assert frames_of(write(dataset, tmp_path / "a", JPEG2000Lossless)) == FRAMES


def test_several_fragments_are_one_frame_by_the_table(tmp_path: Path) -> None:
    dataset = packed(tmp_path, 5, encapsulate(FRAMES, fragments_per_frame=2))
    assert frames_of(write(dataset, tmp_path / "a", JPEG2000Lossless)) == FRAMES


def test_an_extended_table_is_followed(tmp_path: Path) -> None:
    pixels, offsets, lengths = encapsulate_extended(FRAMES)
    dataset = packed(tmp_path, 5, pixels)
    dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = offsets, lengths
    assert frames_of(write(dataset, tmp_path / "a", JPEG2000Lossless)) == FRAMES


def test_frames_of_single_bits_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    dataset = image(PLAIN, "A1")
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 1, 3, 3
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    # 101, 011, 110 from the lowest bit on.
    dataset.PixelData, dataset["PixelData"].VR = bytes([0b11110101, 0b0]), "OB"
    assert frames_of(write(dataset, tmp_path / "a")) == [bytes([0b101]), bytes([0b110]), bytes([0b011])]


def test_fewer_pixels_than_the_header_says_are_no_frame(tmp_path: Path) -> None:
    dataset = image(PLAIN, "A1")
    dataset.Rows = 400
    with open_pixels(write(dataset, tmp_path / "a", ExplicitVRLittleEndian)) as pixels, pytest.raises(Malformed):
        next(pixels.frames([1]))


def test_an_object_without_pixels_has_none(tmp_path: Path) -> None:
    dataset = image(PLAIN, "A1")
    del dataset.PixelData
    with pytest.raises(LookupError), open_pixels(write(dataset, tmp_path / "a")):
        pass
