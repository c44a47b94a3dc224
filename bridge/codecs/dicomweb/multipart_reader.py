"""multipart bodies as they arrive, without a part in memory: bytes in, events out, no I/O. Source: RFC 2046 5.1.1, RFC 2387."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.errors import Malformed

_HEAD_MAX: Final = 16 << 10
_BOUNDARY_MAX: Final = 200
_PADDING_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Head:
    """A part begins. headers: names in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Content:
    """More of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The part that began last is whole."""


Event = Head | Content | End


class MultipartReader:
    """
    Cuts a body into parts. is_complete: its last boundary has come.

    Raises: Malformed, for a boundary that is none.
    """

    def __init__(self, boundary: str) -> None:
        if not boundary or len(boundary) > _BOUNDARY_MAX or not boundary.isascii() or not boundary.isprintable():
            raise Malformed(
                "no boundary that parts could be told apart by", where="Content-Type", source="RFC 2046 5.1.1"
            )
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first boundary may open the body: the line end before it is then not there.
        self._left = bytearray(b"\r\n")
        self._searched = 0
        self._is_in_part = False
        self._is_in_head = False
        self.is_complete = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what *data* completes. Raises: Malformed, for a head that is none or does not end."""
        self._left += data
        while not self.is_complete:
            event = self._head() if self._is_in_head else self._content()
            if event is None:
                return
            yield from event

    def _head(self) -> list[Event] | None:
        at = self._left.find(b"\r\n\r\n")
        if self._left.startswith(b"\r\n"):
            raw, after = b"", 2
        elif at >= 0:
            raw, after = bytes(self._left[:at]), at + 4
        else:
            raw, after = b"", -1
        if len(raw) > _HEAD_MAX or (after < 0 and len(self._left) > _HEAD_MAX):
            raise Malformed("the head of a part does not end", code="too_long", source="RFC 2046 5.1")
        if after < 0:
            return None
        del self._left[:after]
        self._is_in_head, self._is_in_part, self._searched = False, True, 0
        return [Head(_headers(raw))]

    def _content(self) -> list[Event] | None:
        at = self._left.find(self._delimiter, self._searched)
        if at < 0:
            keep = len(self._delimiter) - 1
            ready = self._take(max(len(self._left) - keep, 0))
            return ready or None
        end = self._line_end(at + len(self._delimiter))
        if end is None:
            return self._take(at) or None
        if not end:
            # Longer than the boundary: somebody's content.
            self._searched = at + 1
            return self._take(at + 1) or []
        events = self._take(at)
        if self._is_in_part:
            events.append(End())
        consumed, is_last = end
        del self._left[: consumed - at]
        self._searched, self._is_in_part, self._is_in_head = 0, False, not is_last
        self.is_complete = is_last
        return events

    def _take(self, count: int) -> list[Event]:
        """Return the first *count* bytes as content, of a part at least."""
        if not count:
            return []
        data = bytes(self._left[:count])
        del self._left[:count]
        self._searched = 0
        return [Content(data)] if self._is_in_part else []

    def _line_end(self, at: int) -> tuple[int, bool] | tuple[()] | None:
        """Return where the boundary's line ends and whether it is the last; () if it is none, None if more must come."""
        rest = bytes(self._left[at : at + _PADDING_MAX])
        if rest.startswith(b"--"):
            return at + 2, True
        bare = rest.lstrip(b" \t")
        if bare.startswith(b"\r\n"):
            return at + len(rest) - len(bare) + 2, False
        is_short = bare in (b"", b"-", b"\r") and len(rest) < _PADDING_MAX
        return None if is_short else ()


def _headers(raw: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in raw.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if line and not colon:
            raise Malformed("the head of a part holds no header", source="RFC 2046 5.1")
        if line:
            found[name.strip().lower()] = value.strip()
    return found
