"""Pictures on pages: their addresses, which only work for whoever opened the page, and what stands where there is none."""

from __future__ import annotations

import hashlib
import hmac
import math
import textwrap
from typing import Any

from flask import Response, request, url_for
from markupsafe import escape
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from bridge.domain.study import Instance
from bridge.errors import BridgeError, Incomplete, Malformed
from bridge.pictures.gallery import Pictures
from bridge.pictures.wish import Picture, Window, Wish
from bridge.web.access import secret, services

THUMBNAIL, LARGE = 192, 1024
_SIDES = (THUMBNAIL, LARGE)
_TOKEN_LENGTH = 32
_LINE_LENGTH = 22
_NUMBER_LENGTH = 9


def look_token(study_key: int) -> str:
    """Return what proves that this browser was shown a page of the study: that look was audited, so its pictures need not be."""
    return hmac.new(secret().encode(), b"look:%d" % study_key, hashlib.sha256).hexdigest()[:_TOKEN_LENGTH]


def check_look(study_key: int) -> None:
    """Raises: NotFound, for a picture asked for without its page."""
    if not hmac.compare_digest(request.args.get("look", "").encode(), look_token(study_key).encode()):
        raise NotFound


def picture_url(study_key: int, instance_key: int, **wanted: Any) -> str:
    """Return the address of an instance's picture; wanted: "frame", "side", "preset", "center" and "width"."""
    token = look_token(study_key)
    return url_for("studies.picture", study_key=study_key, instance_key=instance_key, look=token, **wanted)


def set_aside_url(study_key: int, conflict_key: int) -> str:
    """Return the address of the picture of an object that was kept aside."""
    token = look_token(study_key)
    return url_for("studies.set_aside_picture", study_key=study_key, conflict_key=conflict_key, look=token)


def wish() -> Wish:
    """Return the wish of this request. Raises: Malformed."""
    return wish_of(request.args)


def wish_of(args: MultiDict[str, str]) -> Wish:
    """Return the wish that a page's or picture's parameters make. Raises: Malformed."""
    side = _whole(args, "side") or LARGE
    return Wish(
        frame=_whole(args, "frame"),
        width=side if side in _SIDES else LARGE,
        height=side if side in _SIDES else LARGE,
        enlarge=side != THUMBNAIL,
        window=_window(args),
        preset=_whole(args, "preset"),
    )


def gallery() -> Pictures:
    """Return what draws. Raises: NotFound, where no pictures are served."""
    found = services().pictures
    if found is None:
        raise NotFound
    return found


def draw(blob: str, wish: Wish) -> tuple[Picture | None, str]:
    """Return a picture, or None and the sentence that says why there is none."""
    try:
        return gallery().draw(blob, wish), ""
    except BridgeError as fault:
        return None, fault.detail


def draw_instance(instance: Instance, wish: Wish) -> tuple[Picture | None, str]:
    """Return a picture of *instance*, or None and why there is none: one that a rule removed has none here."""
    if instance.removed_at is not None:
        return None, "it was removed here, an archive keeps it"
    return draw(instance.blob, wish)


def answer(picture: Picture | None, reason: str) -> Response:
    """Return a picture as an answer; where there is none, the reason stands in its place."""
    if picture is None:
        return Response(_words(reason), content_type="image/svg+xml")
    return Response(picture.content, content_type=picture.kind)


def _words(reason: str) -> str:
    """Return the reason as a picture of words, so that the page stays as it is."""
    lines = textwrap.wrap(reason[:1].upper() + reason[1:], _LINE_LENGTH)[:6]
    top = 100 - 11 * len(lines) + 16
    said = "".join(f'<text x="100" y="{top + 22 * at}">{escape(line)}</text>' for at, line in enumerate(lines))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="200" height="200" role="img">'
        f'<g font-family="system-ui, sans-serif" font-size="15" fill="#c9d1d3" text-anchor="middle">{said}</g></svg>'
    )


def _window(args: MultiDict[str, str]) -> Window | None:
    center, width = _real(args, "center"), _real(args, "width")
    if center is None or width is None:
        return None
    if width < 1:
        raise Incomplete("a window is at least one wide", code="not_in_table", where="width")
    return Window(center, width)


def _whole(args: MultiDict[str, str], name: str) -> int:
    text = args.get(name, "") or "0"
    if not text.isdecimal() or len(text) > _NUMBER_LENGTH:
        raise Malformed("a number is wanted", where=name)
    return int(text)


def _real(args: MultiDict[str, str], name: str) -> float | None:
    text = args.get(name, "")
    if not text:
        return None
    try:
        number = float(text[:_NUMBER_LENGTH])
    except ValueError:
        raise Malformed("a number is wanted", where=name) from None
    if not math.isfinite(number):
        raise Malformed("a number is wanted", where=name)
    return number
