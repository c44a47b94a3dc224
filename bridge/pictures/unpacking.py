"""One compressed frame as the pixels of an uncompressed object. Source: PS3.5 8.1.1, 8.2, PS3.3 C.7.6.3.1.2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.codecs.dicom.frames import PixelForm
from bridge.codecs.dicom.unpacked import UnpackedFrame
from bridge.pictures import colours, decoding, reasons
from bridge.pictures.attributes import Shape, sound

# Here chrominance was thrown away: what is shown is what is meant, and every viewer takes RGB.
_LOSSY_JPEG = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
_RLE = "1.2.840.10008.1.2.5"
# The end of a JPEG, JPEG-LS or JPEG 2000 codestream, and the padding that may follow it.
_END, _TAIL_BYTES = b"\xff\xd9", 64
_YBR = ("YBR_FULL", "YBR_FULL_422")


def unpack(codestream: bytes, form: PixelForm, max_pixels: int) -> UnpackedFrame:
    """
    Return the pixels of *codestream*: those of a lossless one exactly.

    Raises: Unsupported, codes "damaged_pixels", "damaged_header", "too_large", "unsupported_syntax".
    """
    shape = _shape(form)
    decoding.check_size(shape, max_pixels)
    if form.transfer_syntax_uid != _RLE and _END not in codestream[-_TAIL_BYTES:]:
        # Decoders fill up what is missing; a picture may show that, an object may not leave so.
        raise reasons.damaged("a frame is cut short")
    samples, photometric = decoding.read_codestream(codestream, shape, form.transfer_syntax_uid)
    if samples.size != shape.pixels * shape.samples:
        raise reasons.damaged("its pixels are of another size than its header says")
    if photometric in _YBR and form.transfer_syntax_uid in _LOSSY_JPEG and samples.dtype == np.uint8:
        samples, photometric = colours.rgb_of_ybr(samples), "RGB"
    elif photometric == "YBR_FULL_422":
        # A decoder gives every pixel all of its samples.
        photometric = "YBR_FULL"
    return UnpackedFrame(_words(samples, shape), photometric)


def _shape(form: PixelForm) -> Shape:
    shape = Shape(
        rows=form.rows,
        columns=form.columns,
        samples=form.samples,
        photometric=form.photometric.upper() or "MONOCHROME2",
        bits_allocated=form.bits_allocated,
        bits_stored=form.bits_stored,
        high_bit=form.high_bit,
        is_signed=form.representation == 1,
        planar=form.planar == 1,
        frames=1,
    )
    if form.bits_allocated == 1:
        raise reasons.unknown_syntax()
    return sound(shape)


def _words(samples: NDArray[Any], shape: Shape) -> bytes:
    """Return samples as words of BitsAllocated, in the order of rows, pixels, colours."""
    kind = "i" if shape.is_signed else "u"
    wanted = np.dtype(f"<{kind}{shape.bits_allocated // 8}")
    if samples.dtype.itemsize > wanted.itemsize:
        limits = np.iinfo(wanted)
        if samples.size and (int(samples.min()) < limits.min or int(samples.max()) > limits.max):
            raise reasons.damaged("its pixels have more bits than its header says")
    return samples.astype(wanted).tobytes()
