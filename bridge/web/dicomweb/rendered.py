"""WADO-RS: pictures that any browser shows, whole or as thumbnails. Source: PS3.18 10.4.1.1.3, 8.3.5, 8.7.4."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from flask import Blueprint, Response, request

from bridge.codecs.dicomweb.multipart import Part
from bridge.domain.accounts import Permission
from bridge.errors import Incomplete, Malformed, Unsupported
from bridge.pictures.gallery import Pictures
from bridge.pictures.wish import Kind, Picture, Window, Wish
from bridge.store.served_objects import Served
from bridge.web.access import needs
from bridge.web.dicomweb import answers
from bridge.web.dicomweb.answers import Shown
from bridge.web.dicomweb.bulk import frame_numbers
from bridge.web.picture_answers import gallery

blueprint = Blueprint("dicomweb_rendered", __name__, url_prefix="/dicom-web")

_STUDY: Final = "/studies/<study>"
_SERIES: Final = f"{_STUDY}/series/<series>"
_INSTANCE: Final = f"{_SERIES}/instances/<instance>"
_KINDS: Final[tuple[Kind, ...]] = ("image/jpeg", "image/png")
_THUMBNAIL_SIDE: Final = 128
# How many objects without a picture are passed over before a study is said to have none.
_TRIED_MAX: Final = 20
_FUNCTIONS: Final = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_NOT_DRAWN: Final = ("annotation", "iccprofile", "presentationUID")


@blueprint.get(f"{_INSTANCE}/rendered")
@blueprint.get(f"{_INSTANCE}/frames/<frames>/rendered")
@needs(Permission.READ_DICOMWEB)
def render(study: str, series: str, instance: str, frames: str = "") -> Response:
    """Return the picture of an instance, or of frames of it."""
    wish = _wish()
    numbers = frame_numbers(frames) if frames else [0]
    shown = answers.shown((study, series, instance), "dicomweb_rendered")
    version = shown.version("rendered", frames, str(wish))
    if answers.is_known(version):
        return answers.unchanged(version)
    one = shown.objects[0]
    if len(numbers) == 1:
        return _warned(_alone(_draw(shown, one, replace(wish, frame=numbers[0])), version))
    address = shown.address_of(one)
    pictures = gallery()
    parts = (
        Part(
            wish.kind,
            _content(pictures, shown, one, replace(wish, frame=number)),
            f"{address}/frames/{number}/rendered",
        )
        for number in numbers
    )
    return _warned(answers.several(parts, wish.kind, version))


@blueprint.get(f"{_STUDY}/rendered")
@blueprint.get(f"{_SERIES}/rendered")
@needs(Permission.READ_DICOMWEB)
def render_all(study: str, series: str = "") -> Response:
    """Return a picture of every instance that has one."""
    wish = _wish()
    shown = answers.shown((study, series, ""), "dicomweb_rendered")
    version = shown.version("rendered", str(wish))
    if answers.is_known(version):
        return answers.unchanged(version)
    parts = _each(shown, wish)
    # Where nothing can be drawn there is nothing to begin with.
    first = next(parts, None)
    if first is None:
        raise answers.not_acceptable("none of the instances has a picture")
    return answers.whole(_warned(answers.several(_chained(first, parts), wish.kind, version)), shown)


@blueprint.get(f"{_STUDY}/thumbnail")
@blueprint.get(f"{_SERIES}/thumbnail")
@blueprint.get(f"{_INSTANCE}/thumbnail")
@blueprint.get(f"{_INSTANCE}/frames/<frames>/thumbnail")
@needs(Permission.READ_DICOMWEB)
def thumbnail(study: str, series: str = "", instance: str = "", frames: str = "") -> Response:
    """Return a small picture that stands for a study, a series, an instance or a frame. Source: PS3.18 10.4.1.1.3."""
    wish = _wish()
    numbers = frame_numbers(frames) if frames else [0]
    wish = replace(wish, frame=numbers[0], width=wish.width or _THUMBNAIL_SIDE, height=wish.height or _THUMBNAIL_SIDE)
    shown = answers.shown((study, series, instance), "dicomweb_rendered")
    version = shown.version("thumbnail", str(wish))
    if answers.is_known(version):
        return answers.unchanged(version)
    return _alone(_representative(shown, wish), version)


def _representative(shown: Shown, wish: Wish) -> Picture:
    """Return the picture of the object in the middle, else of the nearest that has one."""
    objects = shown.here
    middle = len(objects) // 2
    order = sorted(range(len(objects)), key=lambda place: abs(place - middle))[:_TRIED_MAX]
    fault: Unsupported | None = None
    for place in order:
        try:
            return _draw(shown, objects[place], wish)
        except Unsupported as met:
            fault = fault or met
    raise fault or answers.not_acceptable("there is no picture")


def _each(shown: Shown, wish: Wish) -> Iterator[Part]:
    pictures = gallery()
    for one in shown.here:
        try:
            drawn = _drawn(pictures, shown, one, wish)
        except Unsupported:
            continue
        yield Part(drawn.kind, (drawn.content,), f"{shown.address_of(one)}/rendered")


def _chained(first: Part, rest: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from rest


def _content(pictures: Pictures, shown: Shown, one: Served, wish: Wish) -> Iterator[bytes]:
    yield _drawn(pictures, shown, one, wish).content


def _draw(shown: Shown, one: Served, wish: Wish) -> Picture:
    return _drawn(gallery(), shown, one, wish)


def _drawn(pictures: Pictures, shown: Shown, one: Served, wish: Wish) -> Picture:
    """Return a picture of *one*. Raises: Unsupported (406), with the reason that there is none; LookupError."""
    shown.header(one)
    try:
        return pictures.draw(one.instance.blob, wish)
    except Unsupported as fault:
        raise answers.not_acceptable(fault.detail) from None
    except Incomplete as fault:
        if fault.code == "no_such_frame":
            raise LookupError("no such frame") from None
        raise Malformed(fault.detail, code=fault.code) from None


def _alone(picture: Picture, version: str) -> Response:
    return answers.versioned(Response(picture.content, content_type=picture.kind), version)


def _warned(response: Response) -> Response:
    """Say which wishes a picture does not follow. Source: PS3.18 8.3.5.1."""
    unmet = [name for name in _NOT_DRAWN if name in request.args]
    return answers.warned(response, *(f"The {name} parameter is not supported." for name in unmet))


def _wish() -> Wish:
    """Return how the picture is wanted. Raises: Malformed, Unsupported. Source: PS3.18 8.3.5.1."""
    width, height = _viewport()
    quality = request.args.get("quality", "90")
    if not quality.isdecimal() or not quality.isascii() or not 1 <= int(quality[:4]) <= 100:
        raise Malformed("a number from 1 to 100 is wanted", where="quality", source="PS3.18 8.3.5.1.3")
    return Wish(width=width, height=height, window=_window(), kind=_kind(), quality=int(quality[:4]))


def _kind() -> Kind:
    for one in answers.wanted():
        for kind in _KINDS:
            if one.takes(kind):
                return kind
    raise answers.not_acceptable("pictures are image/jpeg or image/png")


def _viewport() -> tuple[int, int]:
    """Return the box a picture has to fit into, (0, 0) for its own size. Source: PS3.18 8.3.5.1.4."""
    text = request.args.get("viewport", "")
    if not text:
        return 0, 0
    steps = text.split(",")
    if len(steps) > 2 and any(steps[2:]):
        raise Malformed("pictures are not cut out of the image", where="viewport", source="PS3.18 8.3.5.1.4")
    if len(steps) < 2 or not all(one.isdecimal() and one.isascii() and 0 < int(one[:6]) <= 65535 for one in steps[:2]):
        raise Malformed("a width and a height are wanted", where="viewport", source="PS3.18 8.3.5.1.4")
    return int(steps[0][:6]), int(steps[1][:6])


def _window() -> Window | None:
    """Return the window that is asked for, None for the header's. Source: PS3.18 8.3.5.1.5."""
    text = request.args.get("window", "")
    if not text:
        return None
    steps = text.split(",")
    function = _FUNCTIONS.get((steps[2] if len(steps) == 3 else "linear").lower().replace("_", "-"), "")
    try:
        center, width = (float(one[:32]) for one in steps[:2])
    except ValueError:
        center = width = math.nan
    if len(steps) > 3 or not function or not math.isfinite(center) or not math.isfinite(width) or width <= 0:
        raise Malformed("a center, a width and a function are wanted", where="window", source="PS3.18 8.3.5.1.5")
    return Window(center, width, function)
