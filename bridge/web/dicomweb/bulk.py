"""WADO-RS: frames and bulk data as bytes, packed or unpacked. Source: PS3.18 10.4.1.1.4 to 10.4.1.1.6, 8.7.3.3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.http import parse_range_header

from bridge.codecs.dicom.elements import EXPLICIT_LITTLE
from bridge.codecs.dicom.unpacked import UNPACKABLE, unpacked_frames
from bridge.codecs.dicomweb import metadata
from bridge.codecs.dicomweb.media_types import OCTETS, Accepted, frame_form
from bridge.codecs.dicomweb.multipart import Part
from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.store.served_objects import Served
from bridge.web.access import needs
from bridge.web.dicomweb import answers
from bridge.web.dicomweb.answers import Shown

blueprint = Blueprint("dicomweb_bulk", __name__, url_prefix="/dicom-web")

_INSTANCE: Final = "/studies/<study>/series/<series>/instances/<instance>"
_FRAMES_MAX: Final = 10_000
_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})


@blueprint.get(f"{_INSTANCE}/frames/<frames>")
@needs(Permission.READ_DICOMWEB)
def retrieve_frames(study: str, series: str, instance: str, frames: str) -> Response:
    """Return frames in the order they are named, as they are kept or unpacked."""
    numbers = frame_numbers(frames)
    shown = answers.shown((study, series, instance), "dicomweb_pixels")
    one = shown.objects[0]
    if max(numbers) > one.instance.number_of_frames:
        raise LookupError("no such frame")
    accepted, kind, syntax = _form(one)
    version = shown.version("frames", frames, kind, syntax)
    if answers.is_known(version):
        return answers.unchanged(version)
    address = shown.address_of(one)
    parts = (
        Part(_labelled(kind, syntax), _frames(shown, one, syntax, [number]), f"{address}/frames/{number}")
        for number in numbers
    )
    if len(numbers) == 1 and not accepted.is_multipart and accepted.part != "*/*":
        only = next(parts)
        return answers.versioned(Response(answers.Begun(iter(only.content)), content_type=only.media_type), version)
    return answers.several(parts, kind, version)


@blueprint.get(f"{_INSTANCE}/bulkdata/<path:place>")
@needs(Permission.READ_DICOMWEB)
def retrieve_bulk_data(study: str, series: str, instance: str, place: str) -> Response:
    """Return the value that an address in the metadata stands for; bytes that are not compressed also in ranges."""
    path = metadata.path_of(place)
    shown = answers.shown((study, series, instance), "dicomweb_pixels")
    one = shown.objects[0]
    if len(path) == 1 and path[0] in _PIXELS:
        return _pixel_data(shown, one, path[0])
    if not any(each.takes(OCTETS) for each in answers.wanted()):
        raise answers.not_acceptable("bulk data is application/octet-stream")
    value = metadata.bulk_value(shown.header(one), path)
    return _bytes(shown, place, len(value), lambda start, end: iter((value[start:end],)))


def frame_numbers(text: str) -> list[int]:
    """Return the frames that an address lists. Raises: Malformed. Source: PS3.18 10.4.1.1.4."""
    steps = text.split(",", _FRAMES_MAX)
    if len(steps) > _FRAMES_MAX or not all(step.isdecimal() and step.isascii() and len(step) <= 9 for step in steps):
        raise Malformed("a list of frame numbers is wanted", where="frames", source="PS3.18 10.4.1.1.4")
    numbers = [int(step) for step in steps]
    if min(numbers) < 1:
        raise Malformed("frames count from 1", where="frames", source="PS3.18 10.4.1.1.4")
    return numbers


def _pixel_data(shown: Shown, one: Served, tag: int) -> Response:
    """Return the whole pixel data: bytes where nothing is compressed, else a part for each frame."""
    _, kind, syntax = _form(one)
    with shown.pixels(one) as pixels:
        if pixels.tag != tag:
            raise LookupError("no such element")
        size, is_encapsulated = pixels.size_bytes, pixels.is_encapsulated
    if not is_encapsulated:
        return _bytes(shown, f"{tag:08X}", size, lambda start, end: _range(shown, one, start, end))
    version = shown.version("bulkdata", kind, syntax)
    if answers.is_known(version):
        return answers.unchanged(version)
    address = shown.address_of(one)
    parts = (
        Part(_labelled(kind, syntax), iter((frame,)), f"{address}/frames/{number}")
        for number, frame in enumerate(_frames(shown, one, syntax), 1)
    )
    return answers.several(parts, kind, version)


def _form(one: Served) -> tuple[Accepted, str, str]:
    """Return which accepted type the pixels of *one* answer, their media type and transfer syntax."""
    kept = one.instance.transfer_syntax_uid
    found = frame_form(answers.wanted(), kept, decodes=kept in UNPACKABLE)
    if found is None:
        raise answers.not_acceptable("the pixels cannot be made in an accepted form")
    return found


def _labelled(kind: str, syntax: str) -> str:
    return f"{kind}; transfer-syntax={syntax}"


def _frames(shown: Shown, one: Served, syntax: str, numbers: list[int] | None = None) -> Iterator[bytes]:
    """Yield frames in *syntax*, all if no *numbers* are said: as they are kept, or unpacked."""
    with shown.pixels(one) as pixels:
        if pixels.is_encapsulated and syntax == EXPLICIT_LITTLE:
            frames = unpacked_frames(pixels, shown.server.unpack, numbers)
            yield from answers.decompressed(frame.content for frame in frames)
        else:
            yield from pixels.frames(numbers)


def _range(shown: Shown, one: Served, start: int, end: int) -> Iterator[bytes]:
    with shown.pixels(one) as pixels:
        yield from pixels.value(start, end)


def _bytes(shown: Shown, place: str, size: int, read: Callable[[int, int], Iterator[bytes]]) -> Response:
    """Return a value of *size* bytes, or the range of it that is asked for. Source: RFC 9110 14."""
    version = shown.version("bulkdata", place)
    if answers.is_known(version):
        return answers.unchanged(version)
    if any(one.is_multipart and one.takes(OCTETS) for one in answers.wanted()[:1]):
        return answers.several([Part(OCTETS, read(0, size))], OCTETS, version)
    asked = parse_range_header(request.headers.get("Range"))
    if "If-Range" in request.headers and request.if_range.etag != version:
        # A piece of another version: the whole is wanted then. Source: RFC 9110 13.1.5.
        asked = None
    span = asked.range_for_length(size) if asked is not None and asked.units == "bytes" else None
    if asked is not None and span is None and len(asked.ranges) == 1:
        return Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, end = span or (0, size)
    response = Response(answers.Begun(read(start, end)), 206 if span else 200, content_type=OCTETS)
    response.headers["Accept-Ranges"] = "bytes"
    response.content_length = end - start
    if span:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return answers.versioned(response, version)
