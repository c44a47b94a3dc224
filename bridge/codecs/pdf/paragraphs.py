"""The few kinds of text our documents are set in."""

from __future__ import annotations

from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Flowable, Paragraph

from bridge.codecs.pdf import direction, typefaces

_INK, _GREY = HexColor("#1a2027"), HexColor("#52606d")


def _style(size: float, face: str = typefaces.TEXT, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        "", fontName=face, fontSize=size, leading=size * 1.35, splitLongWords=1, **{"textColor": _INK, **more}
    )


_STYLES = {
    "title": _style(16, typefaces.STRONG, spaceAfter=8),
    "kicker": _style(10, textColor=_GREY),
    "heading": _style(10.5, typefaces.STRONG, spaceBefore=8, spaceAfter=3),
    "body": _style(9.5),
    "body from the right": _style(9.5, alignment=TA_RIGHT),
    "small": _style(8),
    "caption": _style(8),
    "mono": _style(6.5, textColor=_GREY, wordWrap="CJK"),
    "foot": _style(7, textColor=_GREY),
}


class _BothWays(Flowable):
    """A paragraph in which something runs from right to left: broken into lines by itself, at the width that it gets."""

    def __init__(self, text: str, style: ParagraphStyle, *, is_strong: bool) -> None:
        super().__init__()
        self._text, self._style, self._is_strong = text, style, is_strong
        self._set: Paragraph | None = None

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Break into lines; return the size."""
        room = width - self._style.leftIndent - self._style.rightIndent
        is_strong = self._is_strong or self._style.fontName == typefaces.STRONG

        def width_of(line: str) -> float:
            return typefaces.width_of(line, self._style.fontSize, is_strong=is_strong)

        lines = direction.lines_of(self._text, room, width_of)
        self._set = Paragraph(_markup("<br/>".join(map(typefaces.marked, lines)), self._is_strong), self._style)
        self.width, self.height = self._set.wrap(width, height)
        return self.width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        """Return what fits into *height*, and the rest."""
        self.wrap(width, height)
        return self._set.split(width, height) if self._set is not None else []

    def draw(self) -> None:
        """Draw the lines."""
        if self._set is not None:
            self._set.drawOn(self.canv, 0, 0)

    def getSpaceBefore(self) -> float:
        return float(self._style.spaceBefore)

    def getSpaceAfter(self) -> float:
        return float(self._style.spaceAfter)


def paragraph(text: str, style: str) -> Flowable:
    """Return *text* set as *style*; nothing in it is read as markup."""
    return _flowable(text, _STYLES[style])


def strong(text: str, style: str) -> Flowable:
    """Return *text* set as *style*, in bold."""
    return _flowable(text, _STYLES[style], is_strong=True)


def prose(text: str) -> Flowable:
    """Return a paragraph of a report, at the edge where its script begins."""
    is_plain = not direction.runs_right_to_left(text) or direction.base_of(text) == "L"
    return _flowable(text, _STYLES["body" if is_plain else "body from the right"])


def _flowable(text: str, style: ParagraphStyle, *, is_strong: bool = False) -> Flowable:
    if direction.runs_right_to_left(text):
        return _BothWays(text, style, is_strong=is_strong)
    return Paragraph(_markup(typefaces.marked(text), is_strong), style)


def _markup(marked: str, is_strong: bool) -> str:
    return f"<b>{marked}</b>" if is_strong else marked
