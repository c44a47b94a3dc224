"""What a picture is asked for with, and what comes back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bridge.errors import Incomplete

Kind = Literal["image/png", "image/jpeg"]
# Beyond this no screen shows more, and the picture of a hostile wish stays small.
MAX_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Window:
    """A range of values spread over black to white. width: in modality units. Source: PS3.3 C.11.2.1.2."""

    center: float
    width: float
    function: str = "LINEAR"
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """
    How a picture is wanted.

    frame: from 1; 0 for the one that represents the object. width, height: of the box it has to fit into, 0 for its own
    size; enlarge: also where that is smaller. window: instead of the header's; preset: which of the header's, from 0.
    quality: of a JPEG, 1 to 100.
    """

    frame: int = 0
    width: int = 0
    height: int = 0
    enlarge: bool = False
    window: Window | None = None
    preset: int = 0
    kind: Kind = "image/png"
    quality: int = 90

    def check(self) -> Wish:
        """Return this wish, sizes cut to MAX_SIDE. Raises: Incomplete, code "not_in_table"."""
        if self.frame < 0 or self.preset < 0 or not 1 <= self.quality <= 100 or min(self.width, self.height) < 0:
            raise Incomplete("frame, size or quality of the picture is out of range", code="not_in_table")
        return Wish(**{**_fields(self), "width": min(self.width, MAX_SIDE), "height": min(self.height, MAX_SIDE)})

    def plain(self) -> dict[str, Any]:
        """Return this wish as plain values."""
        return asdict(self)

    @classmethod
    def of_plain(cls, values: dict[str, Any]) -> Wish:
        """Return the wish that `plain` wrote."""
        window = values.pop("window")
        return cls(**values, window=Window(**window) if window else None)


def _fields(wish: Wish) -> dict[str, Any]:
    return {name: getattr(wish, name) for name in Wish.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Picture:
    """
    One frame, encoded. width, height: of the picture. rows, columns: of the received frame. frame, frames: which of how many.

    window: what it was drawn with, None where the values were shown as they are or by a table. presets: what else the header
    offers, in its order; a table (VOI LUT) has width 0.
    """

    content: bytes
    kind: Kind
    width: int
    height: int
    rows: int
    columns: int
    frame: int
    frames: int
    window: Window | None = None
    presets: tuple[Window, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """Return everything but the content as plain values."""
        values = {name: getattr(self, name) for name in Picture.__dataclass_fields__ if name != "content"}
        values["window"] = asdict(self.window) if self.window else None
        values["presets"] = [asdict(one) for one in self.presets]
        return values

    @classmethod
    def of_plain(cls, values: dict[str, Any], content: bytes) -> Picture:
        """Return the picture that `plain` wrote, with its content."""
        window = values.pop("window")
        presets = tuple(Window(**one) for one in values.pop("presets"))
        return cls(content=content, window=Window(**window) if window else None, presets=presets, **values)
