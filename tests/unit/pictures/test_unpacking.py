"""Compressed frames become exactly the pixels that were compressed."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from openjpeg.utils import PhotometricInterpretation, encode_array
from PIL import Image
from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.pixels import pixel_array

from bridge.codecs.dicom.frames import PixelForm
from bridge.codecs.dicom.unpacked import UNPACKABLE, UnpackedFrame, unpacked_pieces
from bridge.errors import Malformed, Unsupported
from bridge.pictures import decoding
from bridge.pictures.pool import DecoderPool
from bridge.pictures.unpacking import unpack
from tests.fakes.drawn import MAX_PIXELS, drawn, image, part10, shades

NOISE = np.random.default_rng(5)
GREY = NOISE.integers(0, 4096, (48, 40), dtype=np.uint16)
SIGNED = NOISE.integers(-2048, 2047, (48, 40), dtype=np.int16)
COLOUR = NOISE.integers(0, 256, (48, 40, 3), dtype=np.uint8)
FRAMES = NOISE.integers(0, 256, (3, 33, 35), dtype=np.uint8)
CASES = {
    "grey of 12 bits": (image(GREY, BitsStored=12, HighBit=11), GREY),
    "signed": (image(SIGNED, BitsStored=12, HighBit=11), SIGNED),
    "colour": (image(COLOUR, "RGB"), COLOUR),
    "odd frames": (image(FRAMES, NumberOfFrames=3), FRAMES),
}

# (61 x + 7 y²) mod 4096 in 12 rows and 16 columns of 16 bits, by OpenJPH: nothing that is installed here writes HTJ2K.
HIGH_THROUGHPUT = b64decode(
    "/0//UQApQAAAAAAQAAAADAAAAAAAAAAAAAACAAAAAgAAAAAAAAAAAAABDwEB/1AACAACAAAAC/9SAAwAAgABAAIEBEAB/1wACiCQ"
    "mJiYkJCY/2QAFwABT3BlbkpQSCBWZXIgMC4xNC4wLv+QAAoAAAAAAJQAAf+TwAAW8CEAQf85/LP6o/hx+xJ9UT6AP0Mfgy+wP3NC"
    "QDM3AMAACpgAAWkAEBAQoGIxgnYA977vvfcKKUSIkAAAD3MkMbgAwAAVkAAF1oA4juM4/ueKenCCdwDtbtu2bdu2u23btm3bQNJA"
    "0kDSQNJA0kDSQNJA8gQgAghCADH9ev1l8xsxsAH/2Q=="
)


def here(codestream: bytes, form: PixelForm) -> UnpackedFrame:
    return unpack(codestream, form, MAX_PIXELS)


def packed(dataset: Dataset, syntax: uid.UID, path: Path) -> Path:
    """Write a compressed copy of *dataset*."""
    copy = dcmread(_file(part10(dataset), path))
    if syntax == uid.RLELossless:
        copy.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    else:
        frames = samples(copy) if "NumberOfFrames" in copy else [samples(copy)]
        photometric = PhotometricInterpretation[copy.PhotometricInterpretation]
        packed = [encode_array(frame, copy.BitsStored, photometric_interpretation=photometric) for frame in frames]
        if photometric == PhotometricInterpretation.RGB:
            copy.PhotometricInterpretation = "YBR_RCT"
        copy.PixelData = encapsulate(packed)
        copy["PixelData"].VR, copy["PixelData"].is_undefined_length = "OB", True
        copy.file_meta.TransferSyntaxUID = syntax
    copy.save_as(path)
    return path


def _file(content: bytes, path: Path) -> Path:
    path.write_bytes(content)
    return path


def unpacked(path: Path) -> Dataset:
    """Return the object at *path*, unpacked in this process."""
    plain = path.with_suffix(".plain")
    plain.write_bytes(b"".join(unpacked_pieces(path, here)))
    return dcmread(plain)


def samples(dataset: Dataset) -> NDArray[Any]:
    return pixel_array(dataset, raw=True)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("name", CASES)
def test_lossless_pixels_come_back_bit_by_bit(name: str, syntax: uid.UID, tmp_path: Path) -> None:
    dataset, pixels = CASES[name]
    found = unpacked(packed(dataset, syntax, tmp_path / "x.dcm"))
    assert found.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert (samples(found) == pixels).all()
    assert len(found.PixelData) == pixels.nbytes + pixels.nbytes % 2
    assert dataset.PhotometricInterpretation == found.PhotometricInterpretation
    assert found.SOPInstanceUID == dataset.SOPInstanceUID


def test_only_the_pixels_and_what_is_said_of_them_change(tmp_path: Path) -> None:
    dataset = image(COLOUR, "RGB", PatientID="RI-1001", ImageComments="as it was ")
    dataset.LossyImageCompression = "00"
    kept = dcmread(packed(dataset, uid.JPEG2000Lossless, tmp_path / "x.dcm"))
    assert kept.PhotometricInterpretation == "YBR_RCT"
    found = unpacked(tmp_path / "x.dcm")
    changed = {element.keyword for element in found if kept.get(element.tag) != element}
    assert changed == {"PhotometricInterpretation", "PixelData"}


def test_offset_tables_and_a_packed_icon_stay_behind(tmp_path: Path) -> None:
    path = packed(image(FRAMES, NumberOfFrames=3), uid.RLELossless, tmp_path / "x.dcm")
    kept = dcmread(path)
    kept.PixelData, kept.ExtendedOffsetTable, kept.ExtendedOffsetTableLengths = encapsulate_extended(
        list(generate_frames(kept.PixelData, number_of_frames=3))
    )
    icon = Dataset()
    icon.Rows = icon.Columns = 2
    icon.PixelData = kept.PixelData
    icon["PixelData"].VR, icon["PixelData"].is_undefined_length = "OB", True
    kept["PixelData"].VR, kept["PixelData"].is_undefined_length = "OB", True
    kept.IconImageSequence = [icon]
    kept.save_as(path)
    found = unpacked(path)
    assert not {"IconImageSequence", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"} & set(found.dir())
    assert (samples(found) == FRAMES).all()


def test_what_was_lossy_is_flagged_although_its_syntax_tells_no_more(tmp_path: Path) -> None:
    dataset = image(COLOUR, "YBR_FULL_422", RequestedProcedureDescription="MAMMO")
    dataset.PixelData = _jpeg()
    path = _file(part10(dataset, uid.JPEGBaseline8Bit), tmp_path / "x.dcm")
    found = unpacked(path)
    assert found.LossyImageCompression == "01"
    assert (found.PhotometricInterpretation, found.PlanarConfiguration) == ("RGB", 0)
    assert [element.tag for element in found] == sorted(element.tag for element in found)


def _jpeg() -> bytes:
    out = BytesIO()
    Image.fromarray(COLOUR).save(out, "JPEG", subsampling="4:2:2")
    return bytes(encapsulate([out.getvalue()]))


def test_a_frame_that_is_missing_or_cut_short_is_never_filled_up(tmp_path: Path) -> None:
    path = packed(image(FRAMES, NumberOfFrames=3), uid.JPEG2000Lossless, tmp_path / "x.dcm")
    kept = dcmread(path)
    kept.NumberOfFrames = 4
    kept.save_as(path)
    with pytest.raises(Malformed):
        unpacked(path)
    form = PixelForm(uid.JPEG2000Lossless, 48, 40, 1, "MONOCHROME2", 16, 12, 11, 0, 0)
    whole = dcmread(packed(CASES["grey of 12 bits"][0], uid.JPEG2000Lossless, tmp_path / "y.dcm")).PixelData
    codestream = whole[whole.index(b"\xff\x4f\xff\x51") : whole.rindex(b"\xff\xd9") + 2]
    assert here(codestream, form).content == GREY.tobytes()
    with pytest.raises(Unsupported, match="cut short"):
        here(codestream[:-100], form)


def test_pixels_in_another_sequence_keep_the_object_as_it_is(tmp_path: Path) -> None:
    path = packed(image(FRAMES, NumberOfFrames=3), uid.RLELossless, tmp_path / "x.dcm")
    kept = dcmread(path)
    inner = Dataset()
    inner.PixelData = kept.PixelData
    inner["PixelData"].VR, inner["PixelData"].is_undefined_length = "OB", True
    kept.add_new(0x00091001, "SQ", [inner])
    kept.save_as(path)
    with pytest.raises(Unsupported):
        unpacked(path)


def test_what_a_decoder_reads_is_what_can_be_unpacked() -> None:
    assert set(decoding._DECODERS) == set(UNPACKABLE)


def test_a_decoder_process_unpacks_and_names_what_it_cannot(tmp_path: Path) -> None:
    path = packed(image(FRAMES, NumberOfFrames=3), uid.JPEG2000Lossless, tmp_path / "x.dcm")
    pool = DecoderPool(1)
    try:
        assert b"".join(unpacked_pieces(path, pool.unpack)) == b"".join(unpacked_pieces(path, here))
        form = PixelForm(uid.JPEG2000Lossless, 33, 35, 1, "MONOCHROME2", 8, 8, 7, 0, 0)
        for codestream, said in ((b"\xff\x4f nonsense \xff\xd9", form), (b"", form)):
            with pytest.raises(Unsupported) as found:
                pool.unpack(codestream, said)
            assert found.value.code == "damaged_pixels"
    finally:
        pool.close()


@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K])
def test_high_throughput_jpeg_2000_becomes_what_another_encoder_compressed(syntax: uid.UID, tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:12, 0:16]
    expected = ((61 * columns + 7 * rows * rows) % 4096).astype(np.uint16)
    dataset = image(expected)
    dataset.PixelData = encapsulate([HIGH_THROUGHPUT])
    path = _file(part10(dataset, syntax), tmp_path / "packed.dcm")
    plain = unpacked(path)
    assert plain.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert samples(plain).tolist() == expected.tolist()
    assert shades(drawn(dcmread(path), syntax=syntax)).shape == expected.shape
