"""One frame's samples out of received bytes, native or compressed. Source: PS3.5 8, 10, A.4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# isort: off
# Before gdcm, whose wheel brings a zlib of its own: loaded the other way round, the first PNG written frees what it does
# not own (python-gdcm 3.2 beside Pillow 13).
from PIL import Image as _pillow_first  # noqa: F401

# isort: on
import gdcm
import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import decode
from pydicom import encaps, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder

from bridge.codecs.dicom.elements import EXPLICIT_BIG
from bridge.errors import BridgeError
from bridge.pictures import reasons
from bridge.pictures.attributes import Shape
from bridge.pictures.received import DOUBLE_PIXELS, FLOAT_PIXELS, Received

Samples = NDArray[Any]
# JPEG 2000 and High-Throughput JPEG 2000.
_WAVELETS = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
_DECODED_TO_RGB = ("YBR_ICT", "YBR_RCT")


def read_frame(received: Received, shape: Shape, frame: int) -> tuple[Samples, str]:
    """
    Return one frame's samples, rows by columns (by 3), and the photometric interpretation that they are in now.

    frame: from 1. Raises: Unsupported, codes "damaged_pixels" and "unsupported_syntax".
    """
    if received.is_native:
        return _native(received, shape, frame), shape.photometric
    return _compressed(received, shape, frame)


def _native(received: Received, shape: Shape, frame: int) -> Samples:
    order = ">" if received.transfer_syntax_uid == EXPLICIT_BIG else "<"
    if received.pixels_tag in (FLOAT_PIXELS, DOUBLE_PIXELS):
        kind = "f4" if received.pixels_tag == FLOAT_PIXELS else "f8"
        return _whole(received, shape, frame, np.dtype(order + kind)).reshape(shape.rows, shape.columns)
    if shape.bits_allocated == 1:
        return _bits(received, shape, frame)
    if shape.photometric == "YBR_FULL_422" and shape.samples == 3:
        return _subsampled(received, shape, frame)
    samples = _whole(received, shape, frame, np.dtype(f"{order}u{shape.bits_allocated // 8}"))
    if shape.samples == 1:
        return _stored_bits(samples.reshape(shape.rows, shape.columns), shape)
    if shape.planar:
        return np.moveaxis(samples.reshape(shape.samples, shape.rows, shape.columns), 0, -1)[..., :3]
    return samples.reshape(shape.rows, shape.columns, shape.samples)[..., :3]


def _whole(received: Received, shape: Shape, frame: int, dtype: np.dtype[Any]) -> Samples:
    count = shape.pixels * shape.samples
    length = count * dtype.itemsize
    start = (frame - 1) * length
    if dtype.itemsize == 1 and received.transfer_syntax_uid == EXPLICIT_BIG and received.pixels_vr == "OW":
        return _bytes_of_words(received, start, length)
    raw = received.native_bytes(start, length)
    return np.frombuffer(raw, dtype=dtype).astype(dtype.newbyteorder("="))


def _bytes_of_words(received: Received, start: int, length: int) -> Samples:
    """Return bytes that were written as big endian words, two to each. Source: PS3.5 7.3, D.2."""
    first = start - start % 2
    raw = received.native_bytes(first, (start + length + 1 - first) // 2 * 2)
    turned = np.frombuffer(raw, dtype=">u2").astype("<u2").view(np.uint8)
    return turned[start - first :][:length]


def _bits(received: Received, shape: Shape, frame: int) -> Samples:
    """Return a frame of single bits; frames follow each other without a gap. Source: PS3.5 8.1.1, D."""
    start = (frame - 1) * shape.pixels
    first, last = start // 8, (start + shape.pixels + 7) // 8
    raw = np.frombuffer(received.native_bytes(first, last - first), dtype=np.uint8)
    bits = np.unpackbits(raw, bitorder="little")[start - first * 8 :][: shape.pixels]
    return bits.reshape(shape.rows, shape.columns)


def _subsampled(received: Received, shape: Shape, frame: int) -> Samples:
    """Return a frame of Y, Y, Cb, Cr for each pair of pixels as three samples a pixel. Source: PS3.3 C.7.6.3.1.2."""
    length = shape.pixels * 2
    is_full = received.pixels_length >= shape.pixels * 3 * shape.frames
    if shape.bits_allocated != 8 or shape.pixels % 2 or is_full:
        # Some say 422 and write every pixel whole.
        samples = _whole(received, shape, frame, np.dtype("u1"))
        return samples.reshape(shape.rows, shape.columns, 3)
    pairs = np.frombuffer(received.native_bytes((frame - 1) * length, length), dtype=np.uint8).reshape(-1, 4)
    out = np.empty((len(pairs), 2, 3), dtype=np.uint8)
    out[:, :, 0] = pairs[:, :2]
    out[:, :, 1:] = pairs[:, None, 2:]
    return out.reshape(shape.rows, shape.columns, 3)


def _stored_bits(samples: Samples, shape: Shape) -> Samples:
    """Return the bits that are pixels, without what else a word may hold, with their sign. Source: PS3.5 8.1.1."""
    shift = shape.high_bit + 1 - shape.bits_stored if shape.high_bit >= shape.bits_stored - 1 else 0
    kept = samples >> shift if shift and shape.high_bit < shape.bits_allocated else samples
    if shape.bits_stored < shape.bits_allocated:
        kept = kept & np.array((1 << shape.bits_stored) - 1, dtype=kept.dtype)
    return _signed(kept, shape.bits_stored) if shape.is_signed else kept


def _compressed(received: Received, shape: Shape, frame: int) -> tuple[Samples, str]:
    syntax = received.transfer_syntax_uid
    _check_syntax(syntax)
    return read_codestream(received.encapsulated_frame(frame - 1, shape.frames), shape, syntax)


def read_codestream(codestream: bytes, shape: Shape, syntax: str) -> tuple[Samples, str]:
    """Return the samples of one compressed frame, as `read_frame` does. syntax: its transfer syntax."""
    _check_syntax(syntax)
    try:
        return _DECODERS[syntax](codestream, shape, syntax)
    except (MemoryError, BridgeError):
        raise
    except Exception as fault:
        raise reasons.damaged() from fault


def _check_syntax(syntax: str) -> None:
    if syntax in reasons.VIDEO_SYNTAXES:
        raise reasons.video()
    if syntax not in _DECODERS:
        raise reasons.unknown_syntax()


def _by_openjpeg(codestream: bytes, shape: Shape, _syntax: str) -> tuple[Samples, str]:
    """Return the samples of JPEG 2000; its own colour transformation is undone by the decoder. Source: PS3.5 8.2.4."""
    samples = decode(codestream)
    if samples.shape[:2] != (shape.rows, shape.columns):
        raise reasons.damaged("its pixels are of another size than its header says")
    if shape.is_signed and samples.dtype.kind == "u" and samples.ndim == 2:
        # Some write signed values into an unsigned codestream: the header says what they are.
        samples = _signed(samples, shape.bits_stored)
    elif not shape.is_signed and samples.dtype.kind == "i" and samples.ndim == 2:
        unsigned = np.dtype(f"u{samples.dtype.itemsize}")
        samples = samples.view(unsigned) & np.array((1 << shape.bits_stored) - 1, unsigned)
    return samples, "RGB" if shape.photometric in _DECODED_TO_RGB else shape.photometric


def _signed(samples: Samples, bits: int) -> Samples:
    """Return what *bits* of each sample mean as a two's complement."""
    spare = samples.dtype.itemsize * 8 - bits
    signed = samples.view(np.dtype(f"i{samples.dtype.itemsize}"))
    return (signed << spare) >> spare if spare > 0 else signed


def _by_pydicom(codestream: bytes, shape: Shape, syntax: str) -> tuple[Samples, str]:
    """Return the samples of RLE, JPEG of 8 bits, JPEG Lossless and JPEG-LS."""
    samples, described = get_decoder(uid.UID(syntax)).as_array(_single(codestream, shape, syntax), raw=True, index=0)
    return samples, str(described.get("photometric_interpretation", shape.photometric))


def _extended(codestream: bytes, shape: Shape, syntax: str) -> tuple[Samples, str]:
    if shape.bits_allocated > 8:
        return _by_gdcm(codestream, shape, syntax), shape.photometric
    return _by_pydicom(codestream, shape, syntax)


def _single(codestream: bytes, shape: Shape, syntax: str) -> Dataset:
    """Return a data set of one frame, as the decoders want it."""
    single = Dataset()
    single.Rows, single.Columns, single.SamplesPerPixel = shape.rows, shape.columns, shape.samples
    single.PhotometricInterpretation = shape.photometric
    single.BitsAllocated, single.BitsStored = shape.bits_allocated, shape.bits_stored
    single.HighBit = shape.high_bit if shape.high_bit >= 0 else shape.bits_stored - 1
    single.PixelRepresentation = int(shape.is_signed)
    if shape.samples > 1:
        single.PlanarConfiguration = int(shape.planar)
    single.PixelData = encaps.encapsulate([codestream])
    single["PixelData"].VR = "OB"
    single.file_meta = FileMetaDataset()
    single.file_meta.TransferSyntaxUID = uid.UID(syntax)
    return single


def _by_gdcm(codestream: bytes, shape: Shape, syntax: str) -> Samples:
    """Return the samples of a JPEG of 12 bits."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(codestream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((shape.columns, shape.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(shape.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    bits = (shape.samples, shape.bits_allocated, shape.bits_stored, shape.bits_stored - 1, int(shape.is_signed))
    image.SetPixelFormat(gdcm.PixelFormat(*bits))
    raw = image.GetBuffer().encode("utf-8", "surrogateescape")
    dtype = np.dtype(f"<{'i' if shape.is_signed else 'u'}{shape.bits_allocated // 8}")
    if len(raw) != shape.pixels * shape.samples * dtype.itemsize:
        raise reasons.damaged()
    form = (shape.rows, shape.columns) if shape.samples == 1 else (shape.rows, shape.columns, shape.samples)
    return np.frombuffer(raw, dtype=dtype).reshape(form)


def check_size(shape: Shape, pixels: int) -> None:
    """Refuse a frame beyond *pixels* before anything is made room for. Raises: Unsupported, code "too_large"."""
    if shape.pixels * shape.samples > pixels:
        raise reasons.too_large()


_DECODERS: dict[str, Callable[[bytes, Shape, str], tuple[Samples, str]]] = {
    **dict.fromkeys(_WAVELETS, _by_openjpeg),
    **dict.fromkeys([*uid.JPEGLSTransferSyntaxes, uid.JPEGBaseline8Bit, uid.RLELossless], _by_pydicom),
    **dict.fromkeys([uid.JPEGLossless, uid.JPEGLosslessSV1], _by_pydicom),
    uid.JPEGExtended12Bit: _extended,
}
