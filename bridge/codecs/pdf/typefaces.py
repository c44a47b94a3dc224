"""The typefaces of our documents, and which of them shows a character. All are embedded: a name must print anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final, Literal
from xml.sax.saxutils import escape

from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

TEXT = "DejaVuSans"
STRONG = "DejaVuSans-Bold"
# Chinese and Japanese, then Korean: read when the first such character comes.
EAST = ("DroidSansFallback", "BridgeHangul")
_FIRST_EAST = 0x1100
_VARIANTS: Final[tuple[tuple[Literal[0, 1], Literal[0, 1]], ...]] = ((0, 0), (1, 0), (0, 1), (1, 1))
_FOLDER = Path(__file__).parent / "fonts"


@cache
def register() -> None:
    """Make the typefaces known to the library, once in a process."""
    _shown(TEXT)
    _shown(STRONG)
    for bold, italic in _VARIANTS:
        addMapping(TEXT, bold, italic, STRONG if bold else TEXT)


def marked(text: str) -> str:
    """
    Return *text* as the library's markup, every character in a typeface that has it.

    A character that none has stands as [U+XXXX]: a name is never shortened in silence, and no box hides it.
    """
    register()
    return "".join(_run(face, run) for face, run in _runs(text))


def width_of(text: str, size: float, *, is_strong: bool = False) -> float:
    """Return how wide *text* is as `marked` sets it, in points."""
    register()
    width = 0.0
    for face, run in _runs(text):
        shown = run if face else "".join(_named(run))
        name = STRONG if is_strong and face in (TEXT, "") else face or TEXT
        width += float(pdfmetrics.stringWidth(shown, name, size))
    return width


def _runs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of *text* with the typeface of each."""
    for face, run in groupby(text, key=_face):
        yield face, "".join(run)


def _run(face: str, run: str) -> str:
    if face == TEXT:
        return escape(run)
    if face:
        return f'<font name="{face}">{escape(run)}</font>'
    return "".join(_named(run))


def _named(run: str) -> Iterator[str]:
    for character in run:
        yield " " if character.isspace() else f"[U+{ord(character):04X}]"


def _face(character: str) -> str:
    """Return the typeface of a character, "" for none."""
    code = ord(character)
    if code in _shown(TEXT):
        return TEXT
    return next((name for name in EAST if code >= _FIRST_EAST and code in _shown(name)), "")


@cache
def _shown(name: str) -> frozenset[int]:
    font = TTFont(name, _FOLDER / f"{name}.ttf")
    pdfmetrics.registerFont(font)
    if name in EAST:
        for bold, italic in _VARIANTS:
            addMapping(name, bold, italic, name)
    return frozenset(font.face.charToGlyph)
