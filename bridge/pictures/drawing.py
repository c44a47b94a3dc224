"""One frame of a received object drawn as it is meant to be seen, and encoded. Source: PS3.18 8.3.5, PS3.4 N.2."""

from __future__ import annotations

import io
import mmap

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from bridge.pictures import attributes, colours, decoding, planes, reasons, tones
from bridge.pictures.attributes import Shape
from bridge.pictures.received import Received, open_received
from bridge.pictures.tones import Table
from bridge.pictures.wish import MAX_SIDE, Picture, Window, Wish

_GREY = ("MONOCHROME1", "MONOCHROME2")
_YBR = ("YBR_FULL", "YBR_FULL_422")
_PARTIAL_YBR = ("YBR_PARTIAL_422", "YBR_PARTIAL_420")
_COLOURS = ("Red", "Green", "Blue")


def draw(data: bytes | mmap.mmap, wish: Wish, max_pixels: int) -> Picture:
    """
    Return the picture that *wish* asks for of the Part 10 file in *data*.

    Raises: Unsupported, its code and sentence saying why there is no picture; Incomplete, code "no_such_frame".
    """
    received = open_received(data)
    if not received.pixels_tag:
        raise reasons.no_pixels(attributes.text(received.header, "SOPClassUID"))
    if received.transfer_syntax_uid in reasons.VIDEO_SYNTAXES:
        raise reasons.video()
    shape = attributes.shape_of(received.header)
    decoding.check_size(shape, max_pixels)
    frame = attributes.frame_of(received.header, shape, wish.frame)
    groups = attributes.groups_of(received.header, frame)
    samples, photometric = decoding.read_frame(received, shape, frame)
    if photometric in _GREY or (samples.ndim == 2 and photometric != "PALETTE COLOR"):
        picture, window, presets = _grey(samples, groups, shape, wish)
    else:
        picture, window, presets = _colour(samples, photometric, received, shape), None, ()
    picture = planes.draw_planes(picture, received.header, shape, frame)
    content, size = _encode(_fitted(Image.fromarray(picture), attributes.aspect_of(groups), wish), wish)
    return Picture(content, wish.kind, *size, shape.rows, shape.columns, frame, shape.frames, window, presets)


def _grey(
    samples: decoding.Samples, groups: list[Dataset], shape: Shape, wish: Wish
) -> tuple[NDArray[np.uint8], Window | None, tuple[Window, ...]]:
    how = attributes.tones_of(groups, shape)
    presets = how.presets
    chosen: Window | Table | None = wish.window
    if chosen is None and presets:
        chosen = presets[min(wish.preset, len(presets) - 1)]
    if chosen is None and shape.bits_stored <= 8 and samples.dtype.itemsize == 1:
        chosen = _as_stored(how, shape)
    picture, window = tones.grey(samples[..., 0] if samples.ndim == 3 else samples, how, chosen)
    offered = tuple(one if isinstance(one, Window) else Window(0, 0, "TABLE", one.explanation) for one in presets)
    return picture, window, offered


def _as_stored(how: tones.Tones, shape: Shape) -> Window:
    """Return the window that shows eight bits and fewer as they are: such devices write what they display."""
    low, high = (
        (-(1 << shape.bits_stored - 1), (1 << shape.bits_stored - 1) - 1)
        if shape.is_signed
        else (0, (1 << shape.bits_stored) - 1)
    )
    ends = sorted(float(one) for one in how.rescaled(np.array([low, high])))
    return Window((ends[0] + ends[1]) / 2, (ends[1] - ends[0]) or 1.0, "LINEAR_EXACT")


def _colour(samples: decoding.Samples, photometric: str, received: Received, shape: Shape) -> NDArray[np.uint8]:
    if photometric == "PALETTE COLOR":
        return _palette(received.header, shape).apply(samples)
    if samples.ndim != 3 or samples.shape[-1] < 3:
        raise reasons.damaged("its photometric interpretation does not fit its samples")
    eight = colours.eight_bits(samples[..., :3], shape.bits_stored)
    if photometric in _YBR:
        return colours.rgb_of_ybr(eight)
    if photometric in _PARTIAL_YBR:
        return colours.rgb_of_partial_ybr(eight)
    return np.ascontiguousarray(eight)


def _palette(header: Dataset, shape: Shape) -> colours.Palette:
    descriptors, tables = [], []
    for colour in _COLOURS:
        described = attributes.numbers(header, f"{colour}PaletteColorLookupTableDescriptor")
        if len(described) != 3:
            raise reasons.damaged("its colour tables are missing")
        descriptor = (int(described[0]), int(described[1]), int(described[2]))
        descriptors.append(descriptor)
        plain = attributes.words(header, f"{colour}PaletteColorLookupTableData")
        if not len(plain):
            segments = attributes.words(header, f"Segmented{colour}PaletteColorLookupTableData")
            plain = colours.unfold_segments(segments, descriptor[0] or 65_536)
        tables.append(plain)
    return colours.palette_of(descriptors, tables, is_signed=shape.is_signed)


def _fitted(image: Image.Image, aspect: float, wish: Wish) -> Image.Image:
    """Return *image* with square pixels, in the box that is wanted."""
    width, height = (image.width, image.height * aspect) if aspect >= 1 else (image.width / aspect, float(image.height))
    box = (wish.width or MAX_SIDE, wish.height or MAX_SIDE)
    scale = min(box[0] / width, box[1] / height)
    if scale > 1 and not (wish.enlarge and (wish.width or wish.height)):
        scale = 1.0
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == image.size:
        return image
    smaller = size[0] <= image.width and size[1] <= image.height
    return image.resize(size, Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC, reducing_gap=2.0)


def _encode(image: Image.Image, wish: Wish) -> tuple[bytes, tuple[int, int]]:
    out = io.BytesIO()
    if wish.kind == "image/jpeg":
        image.save(out, "JPEG", quality=wish.quality)
    else:
        image.save(out, "PNG", compress_level=4)
    return out.getvalue(), image.size
