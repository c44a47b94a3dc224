"""The few kinds of text our documents are set in."""

from __future__ import annotations

from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Paragraph

from bridge.codecs.pdf import typefaces

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
    "small": _style(8),
    "caption": _style(8),
    "mono": _style(6.5, textColor=_GREY, wordWrap="CJK"),
    "foot": _style(7, textColor=_GREY),
}


def paragraph(text: str, style: str) -> Paragraph:
    """Return *text* set as *style*; nothing in it is read as markup."""
    return Paragraph(typefaces.marked(text), _STYLES[style])


def strong(text: str, style: str) -> Paragraph:
    """Return *text* set as *style*, in bold."""
    return Paragraph(f"<b>{typefaces.marked(text)}</b>", _STYLES[style])
