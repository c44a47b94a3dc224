"""The one call for pictures: a blob and a wish in, a picture out; small ones are kept in a bounded folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from bridge.errors import Unavailable
from bridge.pictures.pool import DecoderPool
from bridge.pictures.wish import Picture, Wish

# Raised whenever a picture of the same bytes would come out differently.
_DRAWN_AS = 1
_KEPT_SIDE = 512
_SHARE_LEFT = 0.8
_HEAD_BYTES = 4


class Objects(Protocol):
    """Where received objects lie."""

    def at_hand(self, blob: str) -> AbstractContextManager[Path]: ...


class Pictures:
    """
    Pictures of received objects, drawn by *pool*.

    kept: folder of pictures no larger than a thumbnail, None for none; kept_bytes: how much it may hold. They are named by
    the object's digest and the wish, hold no identity, and can be deleted at any time. is_here: says of an object whether
    it may be shown at all, before any picture of it is; no picture stays of one that may not.
    """

    def __init__(
        self,
        objects: Objects,
        pool: DecoderPool,
        kept: Path | None = None,
        *,
        kept_bytes: int = 256 << 20,
        is_here: Callable[[str], bool] = lambda blob: True,
    ) -> None:
        self._objects = objects
        self._is_here = is_here
        self._pool = pool
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._grown = kept_bytes
        self._lock = threading.Lock()

    def draw(self, blob: str, wish: Wish) -> Picture:
        """
        Return the picture that *wish* asks for of the object *blob*.

        Raises: Unsupported, its code and sentence saying why there is no picture ("no_pixels", "video", "unsupported_syntax",
        "damaged_pixels", "damaged_header", "too_large", "decoder_ended"); Incomplete, codes "no_such_frame" and
        "not_in_table"; Unavailable, codes "decoders_busy", "no_decoder" and "no_object".
        """
        wish = wish.check()
        self._check(blob)
        place = self._place(blob, wish)
        if place is not None and (found := _read(place)) is not None:
            return found
        with self._objects.at_hand(blob) as path:
            picture = self._pool.draw(path, wish)
        if place is not None:
            self._keep(place, picture)
            self._check(blob)
        return picture

    def forget(self, blob: str) -> None:
        """Delete what is kept of the object *blob*."""
        if self._kept is not None and blob.isalnum():
            for place in (self._kept / blob[:2]).glob(f"{blob}-*"):
                place.unlink(missing_ok=True)

    def kept(self) -> Iterator[str]:
        """Return the objects that pictures are kept of."""
        for folder in sorted(self._kept.glob("??")) if self._kept is not None else ():
            yield from sorted({place.name.partition("-")[0] for place in folder.glob("*-*")})

    def close(self) -> None:
        """End the decoders."""
        self._pool.close()

    def _check(self, blob: str) -> None:
        if not self._is_here(blob):
            self.forget(blob)
            raise Unavailable("it is damaged here, or was removed", code="no_object")

    def _place(self, blob: str, wish: Wish) -> Path | None:
        if self._kept is None or not blob.isalnum() or not 0 < max(wish.width, wish.height) <= _KEPT_SIDE:
            return None
        if not (wish.width and wish.height):
            return None
        asked = json.dumps([_DRAWN_AS, wish.plain()], sort_keys=True).encode()
        return self._kept / blob[:2] / f"{blob}-{hashlib.sha256(asked).hexdigest()[:24]}"

    def _keep(self, place: Path, picture: Picture) -> None:
        """Write a picture under its name, whole or not at all; a full disk costs the copy, never the picture."""
        head = json.dumps(picture.plain()).encode()
        written = len(head).to_bytes(_HEAD_BYTES, "little") + head + picture.content
        try:
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
                file.write(written)
            os.replace(file.name, place)
        except OSError:
            return
        with self._lock:
            self._grown += len(written)
            if self._grown >= self._kept_bytes // 8:
                self._grown = 0
                self._make_room()

    def _make_room(self) -> None:
        """Delete the oldest pictures once there are more than may be kept."""
        assert self._kept is not None
        kept = []
        for place in self._kept.glob("??/*"):
            try:
                found = place.stat()
            except OSError:
                continue
            kept.append((found.st_mtime, found.st_size, place))
        total = sum(size for _, size, _ in kept)
        if total <= self._kept_bytes:
            return
        for _, size, place in sorted(kept):
            place.unlink(missing_ok=True)
            total -= size
            if total <= self._kept_bytes * _SHARE_LEFT:
                return


def _read(place: Path) -> Picture | None:
    """Return the picture kept at *place*, None where there is none that can be read."""
    try:
        written = place.read_bytes()
        length = int.from_bytes(written[:_HEAD_BYTES], "little")
        head = json.loads(written[_HEAD_BYTES : _HEAD_BYTES + length])
        return Picture.of_plain(head, written[_HEAD_BYTES + length :])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
